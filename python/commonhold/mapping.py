"""Dicts and namespaces."""

from collections.abc import ItemsView, KeysView, Mapping, MutableMapping, ValuesView

from commonhold import nested, tracked
from commonhold._native import Object
from commonhold.errors import Missing

_NOTHING = object()

# How many entries an iteration fetches at a time.
_PAGE = 1000


def _plain(other):
    """The mapping as a dict: itself, if it is one and of no other class."""
    if type(other) is dict:
        return other
    return other.copy() if isinstance(other, Dict) else dict(other)


def _apply(call, key, operations):
    step = tracked.by(operations)
    if step is not None:
        call("increment", key, step, None)
        return
    tracked.redo(
        operations,
        lambda: call("get", key),
        lambda expected, value: call("compare_and_set", key, expected, value),
    )


class Dict(Object, MutableMapping):
    """A dict that processes share.

    Iteration fetches pages and goes on while others write: what is there all the while is met exactly once.
    """

    __slots__ = ("_places",)

    def __init__(self, *_arguments, **_options):
        self._places = tracked.places_of(self)

    @property
    def plain(self):
        """The same dict, of which every number and container that is read is a plain one."""
        return tracked.plain_proxy(self)

    def get(self, key, default=None):
        """The value of a key, or the default."""
        if default is None:
            return self._call("get", key, None)
        # The default itself: it need not be anything that can be sent.
        try:
            return self._call("get", key)
        except Missing:
            return default

    def set(self, key, value):
        """Sets the value of a key."""
        self._written(key)
        self._call("set", key, value)

    def delete(self, key):
        """Deletes a key; returns whether it was there."""
        self._written(key)
        try:
            self._call("delete", key)
        except Missing:
            return False
        return True

    def contains(self, key):
        """Tells whether a key is there."""
        return self._call("contains", key)

    def len(self):
        """The number of keys."""
        return self._call("len")

    def pop(self, key, default=_NOTHING):
        """Deletes a key and returns its value, or the default."""
        self._written(key)
        try:
            return self._call("pop", key)
        except Missing:
            if default is not _NOTHING:
                return default
            raise KeyError(key) from None

    def popitem(self):
        """Deletes the newest key and returns it with its value."""
        self._written_all()
        try:
            return tuple(self._call("popitem"))
        except Missing:
            raise KeyError("popitem(): dictionary is empty") from None

    def setdefault(self, key, default=None):
        """The value of a key, after setting it if the key is missing."""
        self._places.written(key)
        value = self._call("setdefault", key, default)
        return nested.snapshot(self, key, (), value) if self._places.follows else value

    def swap(self, key, value):
        """Sets the value of a key and returns the old one, or None."""
        self._written(key)
        return self._call("swap", key, value)

    def increment(self, key, by=1, *, default=0, min=None, max=None, clamp=False):
        """Adds to the number of a key and returns the new one, in one step that no other client comes between.

        A missing key starts at `default`; None refuses it with `KeyError`. A result below `min` or above `max` is refused
        with `OutOfBounds`, or with `clamp` becomes the bound.
        """
        self._written(key)
        try:
            if default is not None and min is None and max is None and not clamp and default == 0:
                return self._call("increment", key, by)
            return self._call("increment", key, by, default, min, max, clamp)
        except Missing:
            raise KeyError(key) from None

    def compare_and_set(self, key, expected, value):
        """Sets the value of a key if it equals the expected one; returns whether it did."""
        self._written(key)
        return self._call("compare_and_set", key, expected, value)

    def add(self, key, value):
        """Sets the value of a key if it is missing; returns whether it was."""
        self._written(key)
        return self._call("compare_and_set", key, value=value)

    def compare_and_delete(self, key, expected):
        """Deletes a key if its value equals the expected one; returns whether it did."""
        self._written(key)
        return self._call("compare_and_delete", key, expected)

    def update(self, other=(), /, **named):
        """Sets many keys at once: all of them or none."""
        if isinstance(other, Mapping):
            other = _plain(other)
        elif hasattr(other, "keys"):
            other = {key: other[key] for key in other.keys()}
        else:
            other = dict(other)
        self._written_all()
        self._call("update", {**other, **named} if named else other)

    def get_many(self, keys):
        """A dict of those of the keys that are there, as they are at one time."""
        return self._call("get_many", list(keys))

    def delete_many(self, keys):
        """Deletes keys, all at once; returns how many were there."""
        self._written_all()
        return self._call("delete_many", list(keys))

    def clear(self):
        """Deletes all keys."""
        self._written_all()
        self._call("clear")

    def copy(self):
        """All of it as a dict, as it is at one time."""
        return self._call("copy")

    def keys(self):
        """A view of the keys."""
        return _Keys(self)

    def values(self):
        """A view of the values."""
        return _Values(self)

    def items(self):
        """A view of the pairs of key and value."""
        return _Items(self)

    def at(self, key, *path):
        """A place inside a value, without reading it: `d.at("a", "b").set(1)`."""
        return nested.Place(self, key, path)

    def fenced(self, grant):
        """The same dict, whose calls are refused with `FencedOut` unless the grant of a lock holds."""
        return type(self)(self.client, self.kind, self.name, like=self, fence=grant.fence)

    def __getitem__(self, key):
        try:
            value = self._call("get", key)
        except Missing:
            raise KeyError(key) from None
        if type(value) in nested.KINDS and self._places.follows:
            return nested.snapshot(self, key, (), value)
        return self._places.track(key, value)

    def __setitem__(self, key, value):
        if nested.is_of(value, self, key, ()):
            # `d[k] += [1]`: the snapshot has written through already.
            return
        operations = self._places.operations(key, value)
        self._written(key)
        if operations is None:
            self._call("set", key, value)
        else:
            self._apply(key, operations)

    def _apply(self, key, operations):
        """Does at the server what was done to a number that was read."""
        try:
            _apply(self._call, key, operations)
        except Missing:
            raise KeyError(key) from None

    def __delitem__(self, key):
        self._written(key)
        try:
            self._call("delete", key)
        except Missing:
            raise KeyError(key) from None

    def __contains__(self, key):
        return self._call("contains", key)

    def __len__(self):
        return self._call("len")

    def __iter__(self):
        return self._pages(only_keys=True)

    def __reversed__(self):
        return reversed(self.copy())

    def __eq__(self, other):
        if not isinstance(other, Mapping):
            return NotImplemented
        return self is other or self.copy() == _plain(other)

    __hash__ = None

    def __or__(self, other):
        if not isinstance(other, Mapping):
            return NotImplemented
        return self.copy() | _plain(other)

    def __ror__(self, other):
        if not isinstance(other, Mapping):
            return NotImplemented
        return _plain(other) | self.copy()

    def __ior__(self, other):
        self.update(other)
        return self

    def _written(self, key):
        self._places.written(key)
        nested.replaced(self._places, key)

    def _written_all(self):
        self._places.written_all()
        nested.replaced_all(self._places)

    def _pages(self, only_keys=False):
        cursor = None
        while True:
            cursor, page = self._call("scan", cursor, _PAGE, only_keys)
            yield from page
            if cursor is None:
                return


class _Keys(KeysView):
    __slots__ = ()

    def __reversed__(self):
        return reversed(self._mapping)

    def __repr__(self):
        return f"<keys of {self._mapping!r}>"


class _Values(ValuesView):
    __slots__ = ()

    def __iter__(self):
        for _, value in self._mapping._pages():
            yield value

    def __reversed__(self):
        return reversed(self._mapping.copy().values())

    def __contains__(self, value):
        return any(value is own or value == own for own in self)

    def __repr__(self):
        return f"<values of {self._mapping!r}>"


class _Items(ItemsView):
    __slots__ = ()

    def __iter__(self):
        for key, value in self._mapping._pages():
            yield key, value

    def __contains__(self, item):
        key, value = item
        found = self._mapping.get(key, _NOTHING)
        return found is not _NOTHING and found == value

    def __reversed__(self):
        return reversed(self._mapping.copy().items())

    def __repr__(self):
        return f"<items of {self._mapping!r}>"


class Namespace(Object):
    """Attributes that processes share: `ns.x = 1`. Names that begin with an underscore stay in this process."""

    def __init__(self, *_arguments, **_options):
        object.__setattr__(self, "_places", tracked.places_of(self))

    def __getattribute__(self, name):
        # Its own attributes all begin with an underscore: every other name may be shared.
        if name.startswith("_"):
            return object.__getattribute__(self, name)
        try:
            value = self._call("get", name)
        except Missing:
            raise AttributeError(f"{self!r} has no attribute {name!r}", name=name, obj=self) from None
        return self._places.track(name, value)

    def __setattr__(self, name, value):
        if name.startswith("_"):
            object.__setattr__(self, name, value)
            return
        operations = self._places.operations(name, value)
        self._places.written(name)
        if operations is None:
            self._call("set", name, value)
        else:
            try:
                _apply(self._call, name, operations)
            except Missing:
                raise AttributeError(f"{self!r} has no attribute {name!r}", name=name, obj=self) from None

    def __delattr__(self, name):
        if name.startswith("_"):
            object.__delattr__(self, name)
            return
        self._places.written(name)
        try:
            self._call("delete", name)
        except Missing:
            raise AttributeError(f"{self!r} has no attribute {name!r}", name=name, obj=self) from None

    def __dir__(self):
        return [*super().__dir__(), *self._call("keys")]


def vars_of(namespace):
    """The attributes of a shared namespace as a dict, as they are at one time."""
    return dict(namespace._call("items"))
