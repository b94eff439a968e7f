"""Lists and arrays."""

import array
from collections.abc import MutableSequence

from commonhold import tracked
from commonhold._native import Object
from commonhold.errors import Missing

_PAGE = 1000


def _index_error(missing):
    return IndexError(str(missing))


class List(Object, MutableSequence):
    """A list that processes share. Iteration fetches pages and goes on while others write."""

    __slots__ = ()

    def __getitem__(self, index):
        if isinstance(index, slice):
            return self._call("get_slice", index.start, index.stop, index.step)
        try:
            return self._call("get", index)
        except Missing as missing:
            raise _index_error(missing) from None

    def __setitem__(self, index, value):
        if isinstance(index, slice):
            values = self.copy() if value is self else list(value)
            self._call("set_slice", values, index.start, index.stop, index.step)
            return
        try:
            self._call("set", index, value)
        except Missing as missing:
            raise _index_error(missing) from None

    def __delitem__(self, index):
        if isinstance(index, slice):
            self._call("delete_slice", index.start, index.stop, index.step)
            return
        try:
            self._call("delete", index)
        except Missing as missing:
            raise _index_error(missing) from None

    def __len__(self):
        return self._call("len")

    def __contains__(self, value):
        return self._call("contains", value)

    def __iter__(self):
        cursor = None
        while True:
            cursor, values = self._call("scan", cursor, _PAGE)
            yield from values
            if cursor is None:
                return

    def __reversed__(self):
        return reversed(self.copy())

    def __add__(self, other):
        return self.copy() + other

    def __mul__(self, times):
        return self.copy() * times

    __rmul__ = __mul__

    def __iadd__(self, values):
        self.extend(values)
        return self

    def __eq__(self, other):
        if isinstance(other, List):
            other = other.copy()
        if not isinstance(other, list):
            return NotImplemented
        return self.copy() == other

    __hash__ = None

    def append(self, value):
        """Adds a value at the end."""
        self._call("append", value)

    def extend(self, values):
        """Adds values at the end, all at once."""
        self._call("extend", values.copy() if isinstance(values, List) else list(values))

    def insert(self, index, value):
        """Adds a value before an index."""
        self._call("insert", index, value)

    def pop(self, index=-1):
        """Deletes the value at an index and returns it."""
        try:
            return self._call("pop", index)
        except Missing as missing:
            raise _index_error(missing) from None

    def remove(self, value):
        """Deletes the first value that equals this one."""
        try:
            self._call("remove", value)
        except Missing as missing:
            raise ValueError(str(missing)) from None

    def index(self, value, start=0, stop=None):
        """The index of the first value that equals this one."""
        try:
            return self._call("index", value, start, stop)
        except Missing as missing:
            raise ValueError(str(missing)) from None

    def count(self, value):
        """How many values equal this one."""
        return self._call("count", value)

    def reverse(self):
        """Reverses the order."""
        self._call("reverse")

    def sort(self, *, reverse=False):
        """Sorts. A key function would have to run in the server: sort a copy by it, and store that by `l[:] = ...`."""
        self._call("sort", reverse)

    def clear(self):
        """Deletes all values."""
        self._call("clear")

    def copy(self):
        """All of it as a list, as it is at one time."""
        return self._call("copy")

    def fenced(self, grant):
        """The same list, whose calls are refused with `FencedOut` unless the grant of a lock holds."""
        return type(self)(self.client, self.kind, self.name, like=self, fence=grant.fence)


class Array(Object):
    """Numbers of one type that processes share, as `array.array`. `a[i] += 1` is one step."""

    __slots__ = ("_places", "_type")

    def __init__(self, *_arguments, **_options):
        self._places = tracked.Places()
        self._type = None

    @property
    def typecode(self):
        """The type of the elements, as of `array.array`."""
        if self._type is None:
            self._type = self._call("typecode")
        return self._type

    def __len__(self):
        return self._call("len")

    def __getitem__(self, index):
        if isinstance(index, slice):
            return self._array(self._call("get_slice", index.start, index.stop, index.step))
        try:
            return self._places.track(index, self._call("get", index))
        except Missing as missing:
            raise _index_error(missing) from None

    def __setitem__(self, index, value):
        try:
            if isinstance(index, slice):
                self._places.written_all()
                self._call("set_slice", list(value), index.start, index.stop, index.step)
                return
            operations = self._places.operations(index, value)
            # The same element has two indexes.
            self._places.written_all()
            step = tracked.by(operations) if operations else None
            if step is not None:
                self._call("increment", index, step)
            elif operations:
                self._redo(index, operations)
            else:
                self._call("set", index, value)
        except Missing as missing:
            raise _index_error(missing) from None

    def _redo(self, index, operations):
        while True:
            value = self._call("get", index)
            if self._call("compare_and_set", index, value, tracked.apply(value, operations)):
                return

    def __iter__(self):
        return iter(self._call("copy"))

    def __contains__(self, value):
        return self._call("contains", value)

    def _array(self, values):
        return array.array(self.typecode, values)

    def increment(self, index, by=1, *, min=None, max=None, clamp=False):
        """Adds to the element at an index and returns the new one, in one step that no other client comes between."""
        self._places.written_all()
        try:
            return self._call("increment", index, by, min, max, clamp)
        except Missing as missing:
            raise _index_error(missing) from None

    def compare_and_set(self, index, expected, value):
        """Replaces the element at an index if it equals the expected one; returns whether it did."""
        self._places.written_all()
        try:
            return self._call("compare_and_set", index, expected, value)
        except Missing as missing:
            raise _index_error(missing) from None

    def index(self, value, start=0, stop=None):
        """The index of the first element that equals this value."""
        try:
            return self._call("index", value, start, stop)
        except Missing as missing:
            raise ValueError(str(missing)) from None

    def count(self, value):
        """How many elements equal this value."""
        return self._call("count", value)

    def copy(self):
        """All of it as an `array.array`, as it is at one time."""
        return self._array(self._call("copy"))

    def tolist(self):
        """All of it as a list, as it is at one time."""
        return self._call("copy")

    def fenced(self, grant):
        """The same array, whose calls are refused with `FencedOut` unless the grant of a lock holds."""
        return type(self)(self.client, self.kind, self.name, like=self, fence=grant.fence)
