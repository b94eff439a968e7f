"""Counters, and values of any type."""

import types

from commonhold import tracked
from commonhold._native import Object


class _One(Object):
    """One thing that is got and set."""

    __slots__ = ()

    def get(self):
        """The value."""
        return self._call("get")

    def set(self, value):
        """Replaces the value."""
        self._call("set", value)

    def swap(self, value):
        """Replaces the value and returns the old one."""
        return self._call("swap", value)

    def compare_and_set(self, expected, value):
        """Replaces the value if it equals the expected one; returns whether it did."""
        return self._call("compare_and_set", expected, value)

    def increment(self, by=1, *, min=None, max=None, clamp=False):
        """Adds to the number and returns the new one, in one step that no other client comes between.

        A result below `min` or above `max` is refused with `OutOfBounds`, or with `clamp` becomes the bound.
        """
        if min is None and max is None and not clamp:
            return self._call("increment", by)
        return self._call("increment", by, min, max, clamp)

    def fenced(self, grant):
        """The same object, whose calls are refused with `FencedOut` unless the grant of a lock holds."""
        return type(self)(self.client, self.kind, self.name, like=self, fence=grant.fence)


class Counter(_One):
    """A number that processes share."""

    __slots__ = ()


class Value(_One):
    """A value of any type that processes share: `v.value += 1` is one step."""

    __slots__ = ("_places",)

    __class_getitem__ = classmethod(types.GenericAlias)

    def __init__(self, *_arguments, **_options):
        self._places = tracked.places_of(self)

    @property
    def plain(self):
        """The same object, whose `value` is read as a plain number."""
        return tracked.plain_proxy(self)

    def set(self, value):
        """Replaces the value."""
        self._places.written(None)
        self._call("set", value)

    def swap(self, value):
        """Replaces the value and returns the old one."""
        self._places.written(None)
        return super().swap(value)

    def compare_and_set(self, expected, value):
        """Replaces the value if it equals the expected one; returns whether it did."""
        self._places.written(None)
        return super().compare_and_set(expected, value)

    def increment(self, by=1, *, min=None, max=None, clamp=False):
        """As of `Counter`; the value must be a number."""
        self._places.written(None)
        return super().increment(by, min=min, max=max, clamp=clamp)

    @property
    def value(self):
        """The value."""
        return self._places.track(None, self._call("get"))

    @value.setter
    def value(self, value):
        operations = self._places.operations(None, value)
        self._places.written(None)
        step = tracked.by(operations) if operations else None
        if step is not None:
            self._call("increment", step)
        elif operations:
            call = self._call
            tracked.redo(
                operations,
                lambda: call("get"),
                lambda expected, value: call("compare_and_set", expected, value),
            )
        else:
            self._call("set", value)
