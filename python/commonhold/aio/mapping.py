"""Dicts, places inside their values, and namespaces."""

import types
from collections.abc import Mapping

from commonhold.aio.object import Fenceable, Object
from commonhold.errors import Conflict, Missing, TooLarge
from commonhold.nested import lacking

_NOTHING = object()

# How many entries an iteration fetches at a time.
_PAGE = 1000
# How often a change is tried again when others change the value between reading and writing.
_TRIES = 1000


class Dict(Fenceable):
    """A dict that processes share: `await d[key]`, `await d.set(key, value)`, `async for key in d`.

    Iteration fetches pages and goes on while others write: what is there all the while is met exactly once.
    """

    __slots__ = ()
    __class_getitem__ = classmethod(types.GenericAlias)

    async def __getitem__(self, key):
        """The value of a key; KeyError if it is missing."""
        try:
            return await self._call("get", key)
        except Missing:
            raise KeyError(key) from None

    async def get(self, key, default=None):
        """The value of a key, or the default."""
        if default is None:
            return await self._call("get", key, None)
        # The default itself: it need not be anything that can be sent.
        try:
            return await self._call("get", key)
        except Missing:
            return default

    async def set(self, key, value):
        """Sets the value of a key."""
        await self._call("set", key, value)

    async def delete(self, key):
        """Deletes a key; returns whether it was there."""
        try:
            await self._call("delete", key)
        except Missing:
            return False
        return True

    async def contains(self, key):
        """Tells whether a key is there."""
        return await self._call("contains", key)

    async def len(self):
        """The number of keys."""
        return await self._call("len")

    async def pop(self, key, default=_NOTHING):
        """Deletes a key and returns its value, or the default."""
        try:
            return await self._call("pop", key)
        except Missing:
            if default is not _NOTHING:
                return default
            raise KeyError(key) from None

    async def popitem(self):
        """Deletes the newest key and returns it with its value."""
        try:
            return tuple(await self._call("popitem"))
        except Missing:
            raise KeyError("popitem(): dictionary is empty") from None

    async def setdefault(self, key, default=None):
        """The value of a key, after setting it if the key is missing."""
        return await self._call("setdefault", key, default)

    async def swap(self, key, value):
        """Sets the value of a key and returns the old one, or None."""
        return await self._call("swap", key, value)

    async def increment(self, key, by=1, *, default=0, min=None, max=None, clamp=False):
        """Adds to the number of a key and returns the new one, in one step that no other client comes between.

        A missing key starts at `default`; None refuses it with `KeyError`. A result below `min` or above `max` is refused
        with `OutOfBounds`, or with `clamp` becomes the bound.
        """
        try:
            return await self._call("increment", key, by, default, min, max, clamp)
        except Missing:
            raise KeyError(key) from None

    async def compare_and_set(self, key, expected, value):
        """Sets the value of a key if it equals the expected one; returns whether it did."""
        return await self._call("compare_and_set", key, expected, value)

    async def add(self, key, value):
        """Sets the value of a key if it is missing; returns whether it was."""
        return await self._call("compare_and_set", key, value=value)

    async def compare_and_delete(self, key, expected):
        """Deletes a key if its value equals the expected one; returns whether it did."""
        return await self._call("compare_and_delete", key, expected)

    async def update(self, other=(), /, **named):
        """Sets many keys at once: all of them or none."""
        if isinstance(other, Dict):
            other = await other.copy()
        elif not isinstance(other, Mapping):
            other = dict(other)
        await self._call("update", {**other, **named})

    async def get_many(self, keys):
        """A dict of those of the keys that are there, as they are at one time."""
        return await self._call("get_many", list(keys))

    async def delete_many(self, keys):
        """Deletes keys, all at once; returns how many were there."""
        return await self._call("delete_many", list(keys))

    async def clear(self):
        """Deletes all keys."""
        await self._call("clear")

    async def copy(self):
        """All of it as a dict, as it is at one time."""
        return await self._call("copy")

    async def keys(self):
        """The keys, for `async for`."""
        async for key in self._pages(True):
            yield key

    async def values(self):
        """The values, for `async for`."""
        async for _, value in self.items():
            yield value

    async def items(self):
        """The pairs of key and value, for `async for`."""
        async for key, value in self._pages(False):
            yield key, value

    async def _pages(self, only_keys):
        cursor = None
        while True:
            cursor, page = await self._call("scan", cursor, _PAGE, only_keys)
            for element in page:
                yield element
            if cursor is None:
                return

    def __aiter__(self):
        return self.keys()

    def at(self, key, *path):
        """A place inside a value: `await d.at("a", "b").set(1)`. Making one makes no call."""
        return Place(self, key, path)


class Place:
    """A place inside a value of a shared dict."""

    __slots__ = ("_key", "_owner", "_path")

    def __init__(self, owner, key, path):
        self._owner = owner
        self._key = key
        self._path = tuple(path)

    def at(self, *path):
        """A place further inside."""
        return Place(self._owner, self._key, (*self._path, *path))

    async def get(self, default=None):
        """The value, or the default."""
        return await self._make("get", default)

    async def set(self, value):
        """Sets the value; what leads to it must be there."""
        await self._make("set", value)

    async def delete(self):
        """Deletes it."""
        await self._make("delete")

    async def increment(self, by=1, *, default=0, min=None, max=None, clamp=False):
        """Adds to the number and returns the new one, in one step."""
        return await self._make("increment", by, default, min, max, clamp)

    async def pop(self, *default):
        """Deletes it and returns the value, or the default."""
        return await self._make("pop", *default)

    async def contains(self):
        """Tells whether it is there."""
        return await self._make("contains")

    async def change(self, act):
        """Has `act` change the value in this process, and stores the whole if nobody else changed it meanwhile, else again.

        Returns what `act` returned. It is called once a try, with a copy that it may change in place.
        """
        try:
            return await self._exchange(self._path, (), act)
        except TooLarge:
            if not self._path:
                raise
            # What is too large to be edited in place is sent whole.
            return await self._exchange((), self._path, act)

    async def _exchange(self, path, rest, act):
        """Stores what is at `path` after `act` has changed what the rest leads to from there."""
        there = Place(self._owner, self._key, path)
        for _ in range(_TRIES):
            # What is there is told by what came, not by what a codec would make of what it made of that.
            came, outer = await there._make("get", ask=self._owner._read)
            value = outer
            for step in rest:
                value = value[step]
            result = act(value)
            if await there._make("compare_and_set", came, outer):
                return result
        raise Conflict(f"others changed {there!r} each of {_TRIES} times")

    async def append(self, value):
        """Adds a value at the end of the list."""
        await self.change(lambda items: items.append(value))

    async def extend(self, values):
        """Adds values at the end of the list."""
        values = list(values)
        await self.change(lambda items: items.extend(values))

    async def update(self, *others, **named):
        """Sets many keys of the dict at once."""
        pairs = dict(*others, **named)
        await self.change(lambda items: items.update(pairs))

    async def _make(self, method, *arguments, ask=None):
        path = {"path": list(self._path)} if self._path else {}
        try:
            return await (ask or self._owner._call)(method, self._key, *arguments, **path)
        except Missing as missing:
            raise lacking(missing, (self._key, *self._path)) from None

    def __repr__(self):
        steps = "".join(f"[{step!r}]" for step in (self._key, *self._path))
        return f"<place {steps} of {self._owner!r}>"


class Namespace(Object):
    """Attributes that processes share, by name: `await ns.get("x")`."""

    __slots__ = ()

    async def get(self, name, *default):
        """The attribute, or the default; AttributeError if there is neither."""
        try:
            return await self._call("get", name, *default)
        except Missing:
            raise AttributeError(f"{self!r} has no attribute {name!r}", name=name, obj=self) from None

    async def set(self, name, value):
        """Sets the attribute."""
        await self._call("set", name, value)

    async def delete(self, name):
        """Deletes the attribute; AttributeError if it is missing."""
        try:
            await self._call("delete", name)
        except Missing:
            raise AttributeError(f"{self!r} has no attribute {name!r}", name=name, obj=self) from None

    async def increment(self, name, by=1, *, default=0, min=None, max=None, clamp=False):
        """Adds to the attribute and returns the new number, in one step; arguments as of `Dict.increment`."""
        try:
            return await self._call("increment", name, by, default, min, max, clamp)
        except Missing:
            raise AttributeError(f"{self!r} has no attribute {name!r}", name=name, obj=self) from None

    async def compare_and_set(self, name, expected, value):
        """Sets the attribute if it equals the expected value; returns whether it did."""
        return await self._call("compare_and_set", name, expected, value)

    async def keys(self):
        """A list of the names."""
        return await self._call("keys")

    async def copy(self):
        """All attributes as a dict, as they are at one time."""
        return dict(await self._call("items"))
