"""Lists and arrays."""

import array
import operator
import types

from commonhold.aio.object import Fenceable
from commonhold.errors import Conflict, Missing, OutOfBounds
from commonhold.sequence import _place as place_of
from commonhold.sequence import order_of, parts_of
from commonhold.tracked import TRIES

_PAGE = 1000


class _Sequence(Fenceable):
    """What is reached by index or slice: `await l[0]`, `await l.set(slice(0, 2), [1, 2])`."""

    __slots__ = ()
    __class_getitem__ = classmethod(types.GenericAlias)

    # What messages call it.
    _word = ""

    async def __getitem__(self, index):
        """The value at an index; a slice gives a copy."""
        if isinstance(index, slice):
            return await self._call("get_slice", *parts_of(index))
        return await self._at("", "get", index)

    async def get(self, index):
        """The value at an index, as `await l[index]`."""
        return await self[index]

    async def set(self, index, value):
        """Sets the value at an index, or the values of a slice."""
        if isinstance(index, slice):
            await self._call("set_slice", await _values(value), *parts_of(index))
        else:
            await self._at("assignment ", "set", index, value)

    async def len(self):
        """How many values there are."""
        return await self._call("len")

    async def contains(self, value):
        """Tells whether a value equals this one."""
        return await self._call("contains", value)

    async def count(self, value):
        """How many values equal this one."""
        return await self._call("count", value)

    async def increment(self, index, by=1, *, min=None, max=None, clamp=False):
        """Adds to the number at an index and returns the new one, in one step that no other client comes between."""
        return await self._at("", "increment", index, by, min, max, clamp)

    async def compare_and_set(self, index, expected, value):
        """Replaces what is at an index if it equals the expected value; returns whether it did."""
        return await self._at("assignment ", "compare_and_set", index, expected, value)

    async def _at(self, doing, method, index, *arguments):
        try:
            return await self._call(method, place_of(index, self._word), *arguments)
        except Missing:
            raise IndexError(f"{self._word} {doing}index out of range") from None


class List(_Sequence):
    """A list that processes share. `async for` fetches pages and goes on while others write."""

    __slots__ = ()

    _word = "list"

    async def delete(self, index):
        """Deletes the value at an index, or the values of a slice."""
        if isinstance(index, slice):
            await self._call("delete_slice", *parts_of(index))
        else:
            await self._at("assignment ", "delete", index)

    async def append(self, value):
        """Adds a value at the end."""
        await self._call("append", value)

    async def extend(self, values):
        """Adds values at the end, all at once."""
        await self._call("extend", await _values(values))

    async def insert(self, index, value):
        """Adds a value before an index."""
        await self._call("insert", operator.index(index), value)

    async def pop(self, index=-1):
        """Deletes the value at an index and returns it."""
        try:
            return await self._call("pop", operator.index(index))
        except Missing as missing:
            empty = str(missing).startswith("pop from empty list")
            raise IndexError("pop from empty list" if empty else "pop index out of range") from None

    async def remove(self, value):
        """Deletes the first value that equals this one."""
        try:
            await self._call("remove", value)
        except Missing:
            raise ValueError("list.remove(x): x not in list") from None

    async def index(self, value, start=0, stop=None):
        """The index of the first value that equals this one."""
        try:
            return await self._call("index", value, start, stop)
        except Missing:
            raise ValueError(f"{value!r} is not in list") from None

    async def reverse(self):
        """Reverses the order."""
        await self._call("reverse")

    async def sort(self, *, key=None, reverse=False):
        """Sorts. A key function runs in this process, on a copy; what others add at the end meanwhile stays there."""
        if key is None:
            await self._call("sort", bool(reverse))
            return
        for _ in range(TRIES):
            came, values = await self._read("copy")
            if await self._call("reorder", order_of(values, key, reverse), came):
                return
        raise Conflict(f"others changed the list each of {TRIES} times")

    async def clear(self):
        """Deletes all values."""
        await self._call("clear")

    async def copy(self):
        """All of it as a list, as it is at one time."""
        return await self._call("copy")

    async def __aiter__(self):
        cursor = None
        while True:
            cursor, values = await self._call("scan", cursor, _PAGE)
            for value in values:
                yield value
            if cursor is None:
                return


class Array(_Sequence):
    """Numbers of one type that processes share, as `array.array`."""

    __slots__ = ("_type",)

    _word = "array"

    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        self._type = None

    async def typecode(self):
        """The type of the elements, as of `array.array`."""
        if self._type is None:
            self._type = await self._call("typecode")
        return self._type

    async def __getitem__(self, index):
        """The element at an index; a slice gives an `array.array`."""
        found = await super().__getitem__(index)
        return await self._array(found) if isinstance(index, slice) else found

    async def set(self, index, value):
        """Sets the element at an index, or the elements of a slice. OverflowError for a number that the type cannot hold."""
        try:
            await super().set(index, value)
        except OutOfBounds as beyond:
            raise OverflowError(str(beyond)) from None

    async def index(self, value, start=0, stop=None):
        """The index of the first element that equals this value."""
        try:
            return await self._call("index", value, start, stop)
        except Missing:
            raise ValueError("array.index(x): x not in array") from None

    async def copy(self):
        """All of it as an `array.array`, as it is at one time."""
        return await self._array(await self._call("copy"))

    async def tolist(self):
        """All of it as a list, as it is at one time."""
        return await self._call("copy")

    async def __aiter__(self):
        for element in await self._call("copy"):
            yield element

    async def _array(self, values):
        return array.array(await self.typecode(), values)


async def _values(values):
    return list(await values.copy() if isinstance(values, _Sequence) else values)
