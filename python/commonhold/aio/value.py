"""Counters, and values of any type."""

import types

from commonhold.aio.object import Fenceable


class _One(Fenceable):
    """One thing that is got and set."""

    __slots__ = ()
    __class_getitem__ = classmethod(types.GenericAlias)

    async def get(self):
        """The value."""
        return await self._call("get")

    async def set(self, value):
        """Replaces the value."""
        await self._call("set", value)

    async def swap(self, value):
        """Replaces the value and returns the old one."""
        return await self._call("swap", value)

    async def compare_and_set(self, expected, value):
        """Replaces the value if it equals the expected one; returns whether it did."""
        return await self._call("compare_and_set", expected, value)

    async def increment(self, by=1, *, min=None, max=None, clamp=False):
        """Adds to the number and returns the new one, in one step that no other client comes between.

        A result below `min` or above `max` is refused with `OutOfBounds`, or with `clamp` becomes the bound.
        """
        return await self._call("increment", by, min, max, clamp)


class Counter(_One):
    """A number that processes share."""

    __slots__ = ()


class Value(_One):
    """A value of any type that processes share."""

    __slots__ = ()
