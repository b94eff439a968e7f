"""Lists and arrays."""

import array
import operator
import types
from collections.abc import MutableSequence

from commonhold import tracked
from commonhold._native import Object
from commonhold.errors import Conflict, Missing, OutOfBounds

_PAGE = 1000


def _place(index, of):
    """An index as an int."""
    try:
        return operator.index(index)
    except TypeError:
        raise TypeError(f"{of} indices must be integers or slices, not {type(index).__name__}") from None


def parts_of(index):
    """A slice's start, stop and step."""
    parts = [part if part is None else _bound(part) for part in (index.start, index.stop, index.step)]
    if parts[2] == 0:
        raise ValueError("slice step cannot be zero")
    return parts


def order_of(values, key, reverse):
    """Which of the values comes first, second and so on where they are sorted."""
    keys = values if key is None else [key(value) for value in values]
    return sorted(range(len(keys)), key=keys.__getitem__, reverse=reverse)


def _bound(part):
    try:
        return operator.index(part)
    except TypeError:
        raise TypeError("slice indices must be integers or None or have an __index__ method") from None


class _Sequence(Object):
    """What lists and arrays have in common: values by index, and `s[i] += 1` as one step."""

    __slots__ = ("_places",)

    __class_getitem__ = classmethod(types.GenericAlias)

    # What messages call it.
    _word = ""

    def __init__(self, *_arguments, **_options):
        self._places = tracked.places_of(self)

    @property
    def plain(self):
        """The same object, of which every number that is read is a plain one."""
        return tracked.plain_proxy(self)

    def __len__(self):
        return self._call("len")

    def __contains__(self, value):
        return self._call("contains", value)

    def __reversed__(self):
        return reversed(self.copy())

    def _get(self, index):
        index = _place(index, self._word)
        try:
            return self._places.track(index, self._call("get", index))
        except Missing:
            raise IndexError(f"{self._word} index out of range") from None

    def _set(self, index, value):
        index = _place(index, self._word)
        operations = self._places.operations(index, value)
        # An element has two indexes, one of them from the end.
        self._places.written_all()
        step = tracked.by(operations) if operations else None
        call = self._call
        try:
            if step is not None:
                call("increment", index, step)
            elif operations:
                tracked.redo(
                    operations,
                    lambda: call("get", index),
                    lambda expected, value: call("compare_and_set", index, expected, value),
                )
            else:
                call("set", index, value)
        except Missing:
            raise IndexError(f"{self._word} assignment index out of range") from None

    def increment(self, index, by=1, *, min=None, max=None, clamp=False):
        """Adds to the number at an index and returns the new one, in one step that no other client comes between."""
        index = _place(index, self._word)
        self._places.written_all()
        try:
            return self._call("increment", index, by, min, max, clamp)
        except Missing:
            raise IndexError(f"{self._word} index out of range") from None

    def compare_and_set(self, index, expected, value):
        """Replaces what is at an index if it equals the expected value; returns whether it did."""
        index = _place(index, self._word)
        self._places.written_all()
        try:
            return self._call("compare_and_set", index, expected, value)
        except Missing:
            raise IndexError(f"{self._word} assignment index out of range") from None

    def count(self, value):
        """How many equal this value."""
        return self._call("count", value)

    def fenced(self, grant):
        """The same object, whose calls are refused with `FencedOut` unless the grant of a lock holds."""
        return type(self)(self.client, self.kind, self.name, like=self, fence=grant.fence)


def _as_list(values):
    return values.copy() if isinstance(values, List) else values


class List(_Sequence, MutableSequence):
    """A list that processes share. Iteration fetches pages and goes on while others write."""

    __slots__ = ()

    _word = "list"

    def __getitem__(self, index):
        if isinstance(index, slice):
            return self._call("get_slice", *parts_of(index))
        return self._get(index)

    def __setitem__(self, index, value):
        if not isinstance(index, slice):
            self._set(index, value)
            return
        parts = parts_of(index)
        try:
            values = list(_as_list(value))
        except TypeError:
            # In the words of this Python.
            [][index] = value
            raise
        self._places.written_all()
        self._call("set_slice", values, *parts)

    def __delitem__(self, index):
        self._places.written_all()
        if isinstance(index, slice):
            self._call("delete_slice", *parts_of(index))
            return
        try:
            self._call("delete", _place(index, self._word))
        except Missing:
            raise IndexError("list assignment index out of range") from None

    def __iter__(self):
        cursor = None
        while True:
            cursor, values = self._call("scan", cursor, _PAGE)
            yield from values
            if cursor is None:
                return

    def __add__(self, other):
        if not isinstance(other, (list, List)):
            return NotImplemented
        return self.copy() + _as_list(other)

    def __radd__(self, other):
        return other + self.copy() if isinstance(other, list) else NotImplemented

    def __mul__(self, times):
        return self.copy() * times

    __rmul__ = __mul__

    def __iadd__(self, values):
        self.extend(values)
        return self

    def __imul__(self, times):
        """Adds copies of what is there at the end; what others change between the read and that is not copied."""
        values = self.copy()
        more = values * (operator.index(times) - 1)
        if times > 0:
            self.extend(more)
        else:
            self.clear()
        return self

    def __eq__(self, other):
        return self is other or self.copy() == _as_list(other) if isinstance(other, (list, List)) else NotImplemented

    __hash__ = None

    def __lt__(self, other):
        return self.copy() < _as_list(other) if isinstance(other, (list, List)) else NotImplemented

    def __le__(self, other):
        return self.copy() <= _as_list(other) if isinstance(other, (list, List)) else NotImplemented

    def __gt__(self, other):
        return self.copy() > _as_list(other) if isinstance(other, (list, List)) else NotImplemented

    def __ge__(self, other):
        return self.copy() >= _as_list(other) if isinstance(other, (list, List)) else NotImplemented

    def append(self, value):
        """Adds a value at the end."""
        self._places.written_all()
        self._call("append", value)

    def extend(self, values):
        """Adds values at the end, all at once."""
        values = list(_as_list(values))
        self._places.written_all()
        self._call("extend", values)

    def insert(self, index, value):
        """Adds a value before an index."""
        self._places.written_all()
        self._call("insert", operator.index(index), value)

    def pop(self, index=-1):
        """Deletes the value at an index and returns it."""
        index = operator.index(index)
        self._places.written_all()
        try:
            return self._call("pop", index)
        except Missing as missing:
            empty = str(missing).startswith("pop from empty list")
            raise IndexError("pop from empty list" if empty else "pop index out of range") from None

    def remove(self, value):
        """Deletes the first value that equals this one."""
        self._places.written_all()
        try:
            self._call("remove", value)
        except Missing:
            raise ValueError("list.remove(x): x not in list") from None

    def index(self, value, start=0, stop=None):
        """The index of the first value that equals this one."""
        try:
            return self._call("index", value, start, stop)
        except Missing:
            raise ValueError(f"{value!r} is not in list") from None

    def reverse(self):
        """Reverses the order."""
        self._places.written_all()
        self._call("reverse")

    def sort(self, *, key=None, reverse=False):
        """Sorts. A key function runs in this process, on a copy; what others add at the end meanwhile stays there."""
        self._places.written_all()
        if key is None:
            self._call("sort", bool(reverse))
        else:
            self._sort_here(key, reverse)

    def _sort_here(self, key, reverse):
        """Sorts as Python does, again if others change what was sorted."""
        for _ in range(tracked.TRIES):
            copy, values = self._read("copy")
            order = order_of(values, key, reverse)
            # By what came: an object may be pickled otherwise the next time.
            if self._call("reorder", order, copy):
                return
        raise Conflict(f"others changed the list each of {tracked.TRIES} times")

    def clear(self):
        """Deletes all values."""
        self._places.written_all()
        self._call("clear")

    def copy(self):
        """All of it as a list, as it is at one time."""
        return self._call("copy")


class Array(_Sequence):
    """Numbers of one type that processes share, as `array.array`. `a[i] += 1` is one step."""

    __slots__ = ("_type",)

    _word = "array"

    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        self._type = None

    @property
    def typecode(self):
        """The type of the elements, as of `array.array`."""
        if self._type is None:
            self._type = self._call("typecode")
        return self._type

    def __getitem__(self, index):
        if isinstance(index, slice):
            return self._array(self._call("get_slice", *parts_of(index)))
        return self._get(index)

    def __setitem__(self, index, value):
        try:
            if isinstance(index, slice):
                parts = parts_of(index)
                values = value.tolist() if isinstance(value, Array) else list(value)
                self._places.written_all()
                self._call("set_slice", values, *parts)
            else:
                self._set(index, value)
        except OutOfBounds as beyond:
            raise OverflowError(str(beyond)) from None

    def __iter__(self):
        return iter(self._call("copy"))

    def __eq__(self, other):
        if isinstance(other, Array):
            return self is other or self.copy() == other.copy()
        return self.copy() == other if isinstance(other, array.array) else NotImplemented

    __hash__ = None

    def _array(self, values):
        return array.array(self.typecode, values)

    def index(self, value, start=0, stop=None):
        """The index of the first element that equals this value."""
        try:
            return self._call("index", value, start, stop)
        except Missing:
            raise ValueError("array.index(x): x not in array") from None

    def copy(self):
        """All of it as an `array.array`, as it is at one time."""
        return self._array(self._call("copy"))

    def tolist(self):
        """All of it as a list, as it is at one time."""
        return self._call("copy")
