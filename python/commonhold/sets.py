"""Sets."""

from collections.abc import MutableSet
from collections.abc import Set as AnySet

from commonhold._native import Object
from commonhold.errors import Missing

_PAGE = 1000


def _members(other):
    if isinstance(other, Set):
        return other.copy()
    return other if isinstance(other, (set, frozenset)) else list(other)


def _plain(other):
    """A set that need not be sent."""
    return other.copy() if isinstance(other, Set) else set(other)


class Set(Object, MutableSet):
    """A set that processes share. Iteration fetches pages and goes on while others write."""

    __slots__ = ()

    @classmethod
    def _from_iterable(cls, members):
        # What the operators of collections.abc make is a plain set.
        return set(members)

    def __contains__(self, member):
        return self._call("contains", member)

    def __len__(self):
        return self._call("len")

    def __iter__(self):
        cursor = None
        while True:
            cursor, members = self._call("scan", cursor, _PAGE)
            yield from members
            if cursor is None:
                return

    def __and__(self, other):
        return self._call("intersection", _members(other)) if isinstance(other, AnySet) else NotImplemented

    __rand__ = __and__

    def __or__(self, other):
        return self._call("union", _members(other)) if isinstance(other, AnySet) else NotImplemented

    __ror__ = __or__

    def __rsub__(self, other):
        return set(other) - self.copy() if isinstance(other, AnySet) else NotImplemented

    def __xor__(self, other):
        return self.copy() ^ _plain(other) if isinstance(other, AnySet) else NotImplemented

    __rxor__ = __xor__

    def __eq__(self, other):
        return self.copy() == _plain(other) if isinstance(other, AnySet) else NotImplemented

    __hash__ = None

    def __le__(self, other):
        return self.copy() <= _plain(other) if isinstance(other, AnySet) else NotImplemented

    def __lt__(self, other):
        return self.copy() < _plain(other) if isinstance(other, AnySet) else NotImplemented

    def __ge__(self, other):
        return self.copy() >= _plain(other) if isinstance(other, AnySet) else NotImplemented

    def __gt__(self, other):
        return self.copy() > _plain(other) if isinstance(other, AnySet) else NotImplemented

    def __sub__(self, other):
        return self._call("difference", _members(other)) if isinstance(other, AnySet) else NotImplemented

    def __ior__(self, other):
        return self._change(self.update, other)

    def __iand__(self, other):
        return self._change(self.intersection_update, other)

    def __isub__(self, other):
        return self._change(self.difference_update, other)

    def __ixor__(self, other):
        return self._change(self.symmetric_difference_update, other)

    def _change(self, act, other):
        if not isinstance(other, AnySet):
            return NotImplemented
        act(other)
        return self

    def add(self, member):
        """Adds a member; returns whether it is new."""
        return self._call("add", member)

    def discard(self, member):
        """Removes a member; returns whether it was there."""
        return self._call("discard", member)

    def remove(self, member):
        """Removes a member that must be there."""
        try:
            self._call("remove", member)
        except Missing:
            raise KeyError(member) from None

    def pop(self):
        """Removes the newest member and returns it."""
        try:
            return self._call("pop")
        except Missing:
            raise KeyError("pop from an empty set") from None

    def clear(self):
        """Removes all members."""
        self._call("clear")

    def copy(self):
        """All of it as a set, as it is at one time."""
        return self._call("copy")

    def update(self, *others):
        """Adds members; those of one argument all at once."""
        for other in others:
            self._call("update", _members(other))

    def difference_update(self, *others):
        """Removes members; those of one argument all at once."""
        for other in others:
            self._call("difference_update", _members(other))

    def intersection_update(self, *others):
        """Removes all members that are not in an argument."""
        for other in others:
            self._call("intersection_update", _members(other))

    def symmetric_difference_update(self, other):
        """Adds the members that are new and removes the others: in two steps, that others may come between."""
        members = _plain(other)
        there = self._call("intersection", members)
        self._call("difference_update", there)
        self._call("update", members - there)

    def union(self, *others):
        """A set of its members and all others."""
        return self.copy().union(*map(_members, others))

    def intersection(self, *others):
        """A set of its members that are in all others."""
        return self.copy().intersection(*map(_members, others))

    def difference(self, *others):
        """A set of its members that are in no other."""
        return self.copy().difference(*map(_members, others))

    def symmetric_difference(self, other):
        """A set of the members that are in one of both."""
        return self.copy().symmetric_difference(_members(other))

    def add_many(self, members):
        """Adds members, all at once; returns how many are new."""
        return self._call("add_many", _members(members))

    def discard_many(self, members):
        """Removes members, all at once; returns how many were there."""
        return self._call("discard_many", _members(members))

    def issuperset(self, other):
        """Tells whether all these members are there."""
        return self._call("issuperset", _members(other))

    def issubset(self, other):
        """Tells whether all its members are among these."""
        return self._call("issubset", _members(other))

    def isdisjoint(self, other):
        """Tells whether none of these members is there."""
        return self._call("isdisjoint", _members(other))

    def fenced(self, grant):
        """The same set, whose calls are refused with `FencedOut` unless the grant of a lock holds."""
        return type(self)(self.client, self.kind, self.name, like=self, fence=grant.fence)
