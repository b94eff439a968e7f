"""Sets."""

import types

from commonhold.aio.object import Fenceable
from commonhold.errors import Missing

_PAGE = 1000


async def _members(other):
    if isinstance(other, Set):
        return await other.copy()
    return other if isinstance(other, (set, frozenset)) else list(other)


async def _all_members(others):
    return [await _members(other) for other in others]


class Set(Fenceable):
    """A set that processes share. `async for` fetches pages and goes on while others write."""

    __slots__ = ()
    __class_getitem__ = classmethod(types.GenericAlias)

    async def contains(self, member):
        """Tells whether a member is there."""
        return await self._call("contains", member)

    async def len(self):
        """The number of members."""
        return await self._call("len")

    async def add(self, member):
        """Adds a member; returns whether it is new."""
        return await self._call("add", member)

    async def discard(self, member):
        """Removes a member; returns whether it was there."""
        return await self._call("discard", member)

    async def remove(self, member):
        """Removes a member that must be there."""
        try:
            await self._call("remove", member)
        except Missing:
            raise KeyError(member) from None

    async def pop(self):
        """Removes the newest member and returns it."""
        try:
            return await self._call("pop")
        except Missing:
            raise KeyError("pop from an empty set") from None

    async def clear(self):
        """Removes all members."""
        await self._call("clear")

    async def copy(self):
        """All of it as a set, as it is at one time."""
        return await self._call("copy")

    async def update(self, *others):
        """Adds members; those of one argument all at once."""
        for other in others:
            await self._call("update", await _members(other))

    async def difference_update(self, *others):
        """Removes members; those of one argument all at once."""
        for other in others:
            await self._call("difference_update", await _members(other))

    async def intersection_update(self, *others):
        """Removes all members that are not in an argument."""
        for other in others:
            await self._call("intersection_update", await _members(other))

    async def add_many(self, members):
        """Adds members, all at once; returns how many are new."""
        return await self._call("add_many", await _members(members))

    async def discard_many(self, members):
        """Removes members, all at once; returns how many were there."""
        return await self._call("discard_many", await _members(members))

    async def symmetric_difference_update(self, other):
        """Adds the members that are new and removes the others: in two steps, that others may come between."""
        members = set(await _members(other))
        there = await self._call("intersection", members)
        await self._call("difference_update", there)
        await self._call("update", members - there)

    async def union(self, *others):
        """A plain set of its members and all others."""
        return (await self.copy()).union(*await _all_members(others))

    async def intersection(self, *others):
        """A plain set of its members that are in all others."""
        return (await self.copy()).intersection(*await _all_members(others))

    async def difference(self, *others):
        """A plain set of its members that are in no other."""
        return (await self.copy()).difference(*await _all_members(others))

    async def symmetric_difference(self, other):
        """A plain set of the members that are in one of both."""
        return (await self.copy()).symmetric_difference(await _members(other))

    async def issuperset(self, other):
        """Tells whether all these members are there."""
        return await self._call("issuperset", await _members(other))

    async def issubset(self, other):
        """Tells whether all its members are among these."""
        return await self._call("issubset", await _members(other))

    async def isdisjoint(self, other):
        """Tells whether none of these members is there."""
        return await self._call("isdisjoint", await _members(other))

    async def __aiter__(self):
        cursor = None
        while True:
            cursor, members = await self._call("scan", cursor, _PAGE)
            for member in members:
                yield member
            if cursor is None:
                return
