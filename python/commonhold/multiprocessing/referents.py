"""What proxies of containers call: the shared objects, with the methods and the manners of Python's own types.

A manager of multiprocessing has the objects themselves in its process; here the server has them, and a referent stands for
one of them in each process. It derives from the package's own class for the kind and differs where Python's type does.
"""

import array
import operator
import re

from commonhold import mapping, sequence, tracked, value
from commonhold._native import Object
from commonhold.errors import Missing, TooLarge, WrongType

# Entries of one call where all of them might be too many.
_PAGE = 10_000
# Where all of them are.
_PIECE = 100_000
_PLAIN = frozenset({bool, int, float, str, bytes, type(None)})
_NOTHING = object()
_WHERE = re.compile(r' in (the )?\w+ (\d+|".*")$', re.DOTALL)


class Referent:
    """What referents have in common."""

    #: What only this package knows of the object: the typecode of a Value, the time-out of a Barrier.
    extra = {}
    #: Whether `d[k] += 1` is one step.
    tracked = True
    # Methods that are called under names that Python has a use for itself.
    _called = {"__repr__": "_repr", "__str__": "_repr", "#GETVALUE": "_plain"}

    def perform(self, name, args, kwds):
        """Calls a method by its name."""
        try:
            return getattr(self, self._called.get(name, name))(*args, **kwds)
        except IndexError as error:
            # The server says of which object; Python does not.
            raise IndexError(_WHERE.sub("", str(error))) from None

    def _plain(self):
        """A copy of the object."""
        raise TypeError(f"cannot pickle a {self.kind}")

    def _repr(self):
        return f"<shared {self.kind} object>"


def plain(values):
    """The elements of what a program gave, which may be a proxy."""
    getvalue = getattr(type(values), "_getvalue", None)
    return getvalue(values) if getvalue else values


def in_pieces(call, values):
    """Gives a list or a dict to a call: in several parts if it is refused as too much for one."""
    try:
        call(values)
        return
    except TooLarge:
        if len(values) < 2:
            raise
    kind = type(values)
    for piece in _pieces(values if kind is list else list(values.items()), min(_PIECE, len(values) // 2)):
        in_pieces(call, kind(piece))


def _pieces(values, size=_PIECE):
    """Slices of so many."""
    for start in range(0, len(values), size):
        yield values[start : start + size]


class Dict(Referent, mapping.Dict):
    """As `dict`; `keys` and the like are lists."""

    def __getitem__(self, key):
        hash(key)
        try:
            found = self._call("get", key)
        except Missing:
            raise KeyError(key) from None
        return self._places.track(key, found) if self.tracked else found

    def __setitem__(self, key, value):
        hash(key)
        mapping.Dict.__setitem__(self, key, value)

    def __delitem__(self, key):
        hash(key)
        mapping.Dict.__delitem__(self, key)

    def __contains__(self, key):
        hash(key)
        return self._call("contains", key)

    def __iter__(self):
        return DictIterator(self)

    def __reversed__(self):
        return reversed(self.keys())

    def __or__(self, other):
        other = plain(other)
        return self.copy() | other

    def __ror__(self, other):
        return other | self.copy()

    def __ior__(self, other):
        self.update(other)

    def fromkeys(self, keys, value=None, /):
        return dict.fromkeys(plain(keys), value)

    def get(self, key, default=None):
        hash(key)
        return self._call("get", key, default)

    def pop(self, key, default=_NOTHING):
        hash(key)
        if default is _NOTHING:
            return mapping.Dict.pop(self, key)
        return mapping.Dict.pop(self, key, default)

    def setdefault(self, key, default=None):
        hash(key)
        self._places.written(key)
        return self._call("setdefault", key, default)

    def update(self, other=(), /, **named):
        in_pieces(lambda pairs: mapping.Dict.update(self, pairs), dict(plain(other), **named))

    def copy(self):
        try:
            return self._call("copy")
        except TooLarge:
            return dict(self._pages())

    def keys(self):
        try:
            return self._call("keys")
        except TooLarge:
            return list(self._pages(only_keys=True))

    def values(self):
        try:
            return self._call("values")
        except TooLarge:
            return [value for _, value in self._pages()]

    def items(self):
        try:
            return [tuple(pair) for pair in self._call("items")]
        except TooLarge:
            return [tuple(pair) for pair in self._pages()]

    _plain = copy

    def _repr(self):
        return repr(self.copy())


class Iterator:
    """An iterator of this process."""

    kind = "iterator"
    name = None

    def __init__(self, iterator):
        self._iterator = iterator

    def perform(self, name, args, kwds):
        return getattr(self._iterator, name)(*args, **kwds)


class DictIterator:
    """The keys of a dict, page by page. A dict whose size changes meanwhile ends it as it ends an iteration in Python."""

    kind = "iterator"
    name = None

    def __init__(self, dictionary):
        self._dict = dictionary
        self._size = len(dictionary)
        self._page = iter(())
        self._cursor = None
        self._state = "new"

    def perform(self, name, args, kwds):
        return getattr(self, name)(*args, **kwds)

    def __next__(self):
        for key in self._page:
            return key
        if self._state == "done":
            raise StopIteration
        if len(self._dict) != self._size:
            raise RuntimeError("dictionary changed size during iteration")
        if self._state == "last":
            self._state = "done"
            raise StopIteration
        self._cursor, page = self._dict._call("scan", self._cursor, _PAGE, True)
        self._page = iter(page)
        self._state = "more" if self._cursor is not None else "last"
        return self.__next__()


class List(Referent, sequence.List):
    """As `list`."""

    def __getitem__(self, index):
        if isinstance(index, slice):
            try:
                return self._call("get_slice", *sequence.parts_of(index))
            except TooLarge:
                return self.copy()[index]
        return _element(self, sequence.List, _index("list", index))

    def __setitem__(self, index, value):
        if isinstance(index, slice):
            sequence.List.__setitem__(self, index, plain(value))
            return
        sequence.List.__setitem__(self, _index("list", index), value)

    def __delitem__(self, index):
        sequence.List.__delitem__(self, index if isinstance(index, slice) else _index("list", index))

    def __add__(self, other):
        return self.copy() + plain(other)

    def __imul__(self, times):
        times = operator.index(times)
        if times <= 0:
            self.clear()
        elif times > 1:
            self.extend(self.copy() * (times - 1))

    def __contains__(self, item):
        return self._asked(operator.contains, "contains", item)

    def extend(self, values):
        values = list(plain(values))
        self._places.written_all()
        in_pieces(lambda values: self._call("extend", values), values)

    def pop(self, index=-1):
        return sequence.List.pop(self, operator.index(index))

    def count(self, item):
        return self._asked(list.count, "count", item)

    def index(self, item, *bounds):
        try:
            return self._asked(list.index, "index", item, *map(_bound, bounds))
        except Missing:
            raise ValueError(f"{item!r} is not in list") from None

    def _asked(self, ask, method, item, *arguments):
        """What the server says of an item; a copy, if only this process can compare it, or there are too many."""
        if type(item) in _PLAIN:
            try:
                return self._call(method, item, *arguments)
            except TooLarge:
                pass
        return ask(self.copy(), item, *arguments)

    def remove(self, item):
        while True:
            # By the very bytes that are there: the same object may be pickled otherwise.
            stored = item if type(item) in _PLAIN else self._stored(item)
            self._places.written_all()
            try:
                self._call("remove", stored)
                return
            except Missing:
                # Another process may have been faster.
                if stored is item:
                    raise _not_in_list() from None

    def _stored(self, item):
        """The first element that equals this one, as the server has it."""
        cursor = None
        while True:
            came, (cursor, values) = self._read("scan", cursor, _PAGE)
            if item in values:
                return came[1][values.index(item)]
            if cursor is None:
                raise _not_in_list()

    def sort(self, *, key=None, reverse=False):
        self._places.written_all()
        if key is None:
            try:
                self._call("sort", bool(reverse))
                return
            except WrongType:
                # Values that only Python can compare, or nobody.
                pass
        self._sort_here(key, reverse)

    def copy(self):
        try:
            return self._call("copy")
        except TooLarge:
            return list(sequence.List.__iter__(self))

    _plain = copy

    def _repr(self):
        return repr(self.copy())


class Array(Referent, sequence.Array):
    """As `array.array`."""

    def __getitem__(self, index):
        if isinstance(index, slice):
            return self._array(self._elements(sequence.parts_of(index)))
        return _element(self, sequence.Array, _index("array", index))

    def __setitem__(self, index, value):
        if isinstance(index, slice):
            value = plain(value)
            if type(value) is not array.array:
                raise TypeError(f'can only assign array (not "{type(value).__name__}") to array slice')
            self._places.written_all()
            self._set_elements(value.tolist(), sequence.parts_of(index))
            return
        # In Python's words, if it is not of the type.
        array.array(self.typecode, [value])
        sequence.Array.__setitem__(self, _index("array", index), value)

    def _elements(self, parts):
        try:
            return self._call("get_slice", *parts)
        except TooLarge:
            ranges = _pieces(self._range(parts))
            return [element for some in ranges for element in self._call("get_slice", *_parts(some))]

    def _set_elements(self, values, parts):
        try:
            self._call("set_slice", values, *parts)
        except TooLarge:
            if len(values) != len(self._range(parts)):
                raise
            for some, piece in zip(_pieces(self._range(parts)), _pieces(values)):
                self._call("set_slice", piece, *_parts(some))

    def _range(self, parts):
        """The indexes of a slice."""
        return range(*slice(*parts).indices(len(self)))

    def _plain(self):
        return self[:]

    def _repr(self):
        return repr(self._plain())


class Value(Referent, value.Value):
    """As the `Value` of managers: the typecode is a mere remark."""

    def read(self):
        """The value, for `+=`."""
        return value.Value.value.fget(self) if self.tracked else self.get()

    def set(self, new):
        value.Value.value.fset(self, new)

    def _plain(self):
        from commonhold.multiprocessing import registry

        return registry.Value(self._typecode, self.get())

    @property
    def _typecode(self):
        known = self.extra.get("typecode")
        return known or ("d" if isinstance(self.get(), float) else "i")

    def _repr(self):
        return f"Value({self._typecode!r}, {self.get()!r})"


class Namespace(Referent, Object):
    """As the `Namespace` of managers."""

    _called = Referent._called | {
        "__getattribute__": "read",
        "__setattr__": "write",
        "__delattr__": "delete",
    }

    def __init__(self, *_arguments, **_options):
        self._places = tracked.places_of(self)

    def read(self, name):
        """The value of an attribute."""
        try:
            found = self._call("get", name)
        except Missing:
            raise _no_attribute(name) from None
        return self._places.track(name, found) if self.tracked else found

    def write(self, name, new):
        """Sets an attribute."""
        operations = self._places.operations(name, new)
        self._places.written(name)
        if operations is None:
            self._call("set", name, new)
            return
        try:
            self._apply(name, operations)
        except KeyError:
            raise _no_attribute(name) from None

    def delete(self, name):
        """Deletes an attribute."""
        self._places.written(name)
        try:
            self._call("delete", name)
        except Missing:
            raise _no_attribute(name) from None

    _apply = mapping.Dict._apply

    def _plain(self):
        from commonhold.multiprocessing import registry

        try:
            return registry.Namespace(**dict(self._call("items")))
        except TooLarge:
            return registry.Namespace(**{name: self._call("get", name, None) for name in self._call("keys")})

    def _repr(self):
        return repr(self._plain())


def _not_in_list():
    return ValueError("list.remove(x): x not in list")


def _no_attribute(name):
    return AttributeError(f"'Namespace' object has no attribute {name!r}")


def _element(referent, kind, index):
    if referent.tracked:
        return kind.__getitem__(referent, index)
    try:
        return referent._call("get", index)
    except Missing as missing:
        raise IndexError(str(missing)) from None


def _index(kind, index):
    try:
        return operator.index(index)
    except TypeError:
        wrong = f"{kind} indices must be integers"
        if kind == "list":
            wrong += f" or slices, not {type(index).__name__}"
        raise TypeError(wrong) from None


def _bound(bound):
    try:
        return operator.index(bound)
    except TypeError:
        raise TypeError("slice indices must be integers or have an __index__ method") from None


def _parts(some):
    """The start, stop and step of a range, as a slice has them."""
    return some.start, some.stop if some.stop >= 0 else None, some.step
