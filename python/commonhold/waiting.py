"""What processes wait for each other with: semaphores, events, barriers and latches."""

import threading

from commonhold._native import Object
from commonhold.errors import Broken
from commonhold.locks import until


class Semaphore(Object):
    """Permits that processes share. They come back when the client that holds them dies."""

    __slots__ = ()

    def acquire(self, blocking=True, timeout=None, *, n=1):
        """Takes permits, in the order in which callers came; returns whether it got them in time."""
        if not blocking and timeout is not None:
            raise ValueError("can't specify timeout for non-blocking acquire")
        return self._take(until(timeout) if blocking else 0, n)

    def _take(self, wait, n):
        taken = []
        try:
            self._wait_into(taken, wait, "acquire", n)
            return taken[0]
        except BaseException:
            # A signal may raise at any step: what nobody was told of is given back.
            if taken and taken[0]:
                self._call("release", n, own=True)
            raise

    def release(self, n=1):
        """Gives permits back: the caller's own, else those of others."""
        self._call("release", n)

    def value(self):
        """How many permits are free."""
        return self._call("value")

    def __enter__(self):
        self.acquire()
        return True

    # Not in Python: no signal comes between the end of the block and the release.
    __exit__ = Object._give_back


class BoundedSemaphore(Semaphore):
    """A semaphore that refuses to be released above its initial value, with ValueError."""

    __slots__ = ()


class Event(Object):
    """A flag that processes wait for."""

    __slots__ = ()

    def is_set(self):
        """Tells whether the flag is set."""
        return self._call("is_set")

    def set(self):
        """Sets the flag and releases all who wait."""
        self._call("set")

    def clear(self):
        """Clears the flag."""
        self._call("clear")

    def wait(self, timeout=None):
        """Waits until the flag is set; returns whether it is."""
        return self._wait(until(timeout), "wait")


class Barrier(Object):
    """Where so many parties wait for each other."""

    __slots__ = ()

    def wait(self, timeout=None):
        """Waits until all parties have arrived; returns in which place this one came, from 0.

        `threading.BrokenBarrierError` if the barrier is broken, or breaks meanwhile: by `abort`, by `reset`, or because a
        time-out was over.
        """
        try:
            return self._wait(until(timeout), "wait")
        except Broken as broken:
            raise threading.BrokenBarrierError(str(broken)) from None

    def reset(self):
        """Makes the barrier as new; parties that wait are told that it broke."""
        self._call("reset")

    def abort(self):
        """Breaks the barrier until it is reset."""
        self._call("abort")

    @property
    def parties(self):
        """How many must arrive."""
        return self._call("parties")

    @property
    def n_waiting(self):
        """How many wait."""
        return self._call("n_waiting")

    @property
    def broken(self):
        """Whether the barrier is broken."""
        return self._call("broken")


class Latch(Object):
    """A count that falls to 0 once."""

    __slots__ = ()

    def count_down(self, n=1):
        """Counts down, at most to 0; returns what is left."""
        return self._call("count_down", n)

    def wait(self, timeout=None):
        """Waits until the count is 0; returns whether it is."""
        return self._wait(until(timeout), "wait")

    def get(self):
        """What is left of the count."""
        return self._call("get")
