"""What tasks of many processes wait for each other with: semaphores, events, barriers and latches."""

import threading

from commonhold.aio.object import Object
from commonhold.errors import Broken, LockLost
from commonhold.locks import until


class Semaphore(Object):
    """Permits that processes share. They come back when the client that holds them dies."""

    __slots__ = ()

    _owned = True

    async def acquire(self, blocking=True, timeout=None, *, n=1):
        """Takes permits, in the order in which callers came; returns whether it got them in time.

        Cancelled, it has taken none.
        """
        if not blocking and timeout is not None:
            raise ValueError("can't specify timeout for non-blocking acquire")
        return await self._wait(until(timeout) if blocking else 0, "acquire", n)

    async def release(self, n=1):
        """Gives permits back: the caller's own, else those of others. They are given even if this is cancelled."""
        await self._call("release", n)

    async def value(self):
        """How many permits are free."""
        return await self._call("value")

    async def __aenter__(self):
        await self.acquire()
        return True

    async def __aexit__(self, kind, _error, _traceback):
        try:
            await self._call("release", 1, own=True)
        except LockLost:
            # What went wrong in the block matters more.
            if kind is None:
                raise


class BoundedSemaphore(Semaphore):
    """A semaphore that refuses to be released above its initial value, with ValueError."""

    __slots__ = ()


class Event(Object):
    """A flag that processes wait for."""

    __slots__ = ()

    async def is_set(self):
        """Tells whether the flag is set."""
        return await self._call("is_set")

    async def set(self):
        """Sets the flag and releases all who wait."""
        await self._call("set")

    async def clear(self):
        """Clears the flag."""
        await self._call("clear")

    async def wait(self, timeout=None):
        """Waits until the flag is set; returns whether it is."""
        return await self._wait(until(timeout), "wait")


class Barrier(Object):
    """Where so many parties wait for each other."""

    __slots__ = ()

    async def wait(self, timeout=None):
        """Waits until all parties have arrived; returns in which place this one came, from 0.

        `threading.BrokenBarrierError` if the barrier is broken, or breaks meanwhile: by `abort`, by `reset`, or because a
        time-out was over.
        """
        try:
            return await self._wait(until(timeout), "wait")
        except Broken as broken:
            raise threading.BrokenBarrierError(str(broken)) from None

    async def reset(self):
        """Makes the barrier as new; parties that wait are told that it broke."""
        await self._call("reset")

    async def abort(self):
        """Breaks the barrier until it is reset."""
        await self._call("abort")

    async def parties(self):
        """How many must arrive."""
        return await self._call("parties")

    async def n_waiting(self):
        """How many wait."""
        return await self._call("n_waiting")

    async def broken(self):
        """Whether the barrier is broken."""
        return await self._call("broken")


class Latch(Object):
    """A count that falls to 0 once."""

    __slots__ = ()

    async def count_down(self, n=1):
        """Counts down, at most to 0; returns what is left."""
        return await self._call("count_down", n)

    async def wait(self, timeout=None):
        """Waits until the count is 0; returns whether it is."""
        return await self._wait(until(timeout), "wait")

    async def get(self):
        """What is left of the count."""
        return await self._call("get")
