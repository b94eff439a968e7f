"""Locks, and what a holder has of them. A holder is a task: each is an owner of its own."""

import asyncio
import time
import weakref
from contextlib import asynccontextmanager

from commonhold.aio.object import Object
from commonhold.errors import LockTimeout, Refused
from commonhold.locks import wait_of


class Grant:
    """A lock that is held. It is not given back by being forgotten: leave the block, or `release` it. Any task may."""

    __slots__ = ("_lock", "_watch", "fence", "previous_end", "previous_note", "previous_owner_died", "token")

    def __init__(self, lock, granted):
        self._lock = lock
        #: The number of this grant, above that of every grant of this lock before it.
        self.token = granted["token"]
        #: What `fenced` takes: the lock's number and the token.
        self.fence = (granted["lock"], self.token)
        #: Did the holder before this one lose the lock without giving it back? What it guards may be half done.
        self.previous_owner_died = granted["previous_owner_died"]
        #: How the hold before this one ended, if its holder did not give it back: "died", "expired" or "forced"; else None.
        self.previous_end = granted["previous_end"]
        #: The note that such a holder left.
        self.previous_note = granted["previous_note"]
        self._watch = lock._watch(*self.fence)

    @property
    def lost(self):
        """Was it lost, as far as is known now? What a superseded holder must not write is written `fenced`."""
        return self._watch.lost

    async def note(self, text):
        """Leaves a note that others see while the lock is held, and the next holder if this one dies."""
        await self._lock._call("note", text, self.token)

    async def extend(self, lease=None):
        """Lets the lock be held for so many seconds from now; None is for as long as this client lives."""
        await self._lock._call("extend", lease, self.token)

    async def release(self):
        """Gives the lock back, even if this is cancelled. `LockLost` if it was lost before: another may have had it."""
        await self._lock._call("release", self.token)

    def __repr__(self):
        return f"<grant {self.token} of {self._lock!r}>"


class _Lockable(Object):
    """What is held by a task."""

    __slots__ = ("_grants", "_options")

    _owned = True

    def __init__(self, *arguments, wait=None, lease=None, note=None, **options):
        super().__init__(*arguments, **options)
        # How the block acquires.
        self._options = (wait, lease, note)
        # What the tasks hold by the blocks that they are in, the innermost last.
        self._grants = weakref.WeakKeyDictionary()

    def __new__(cls, *arguments, wait=None, lease=None, note=None, **options):
        return super().__new__(cls, *arguments, **options)

    async def _acquire(self, method, wait, lease, note):
        named = {}
        if lease is not None:
            named["lease"] = lease
        if note is not None:
            named["note"] = note
        return Grant(self, await self._wait(wait, method, **named))

    async def _try(self, method, wait, lease, note):
        try:
            return await self._acquire(method, wait, lease, note)
        except LockTimeout:
            return False

    async def __aenter__(self):
        grant = await self._acquire("acquire", *self._options)
        self._grants.setdefault(asyncio.current_task(), []).append(grant)
        return grant

    async def __aexit__(self, kind, _error, _traceback):
        await _leave(self._grants[asyncio.current_task()].pop().release, kind)

    async def release(self):
        """Gives back what this task holds, even if this is cancelled."""
        await self._call("release")

    async def locked(self):
        """Tells whether anybody holds it."""
        return await self._call("locked")

    async def force_release(self):
        """Frees it whoever holds it; returns whether anybody did, or how many. The holder is told."""
        return await self._call("force_release")

    def fenced(self, grant):
        """The same object, whose calls are refused with `FencedOut` unless the grant of another lock holds."""
        return self._fenced(grant)


async def _leave(release, kind):
    try:
        await release()
    except Exception as also:
        # What went wrong in the block matters more than that the lock was lost.
        if kind is None or not isinstance(also, (ConnectionError, Refused)):
            raise


class Lock(_Lockable):
    """A lock that processes share. It is freed when its holder dies; the next one is told.

        async with ch.lock("deploy", wait=5) as grant:
            await grant.note("step 1")
    """

    __slots__ = ()

    async def acquire(self, blocking=True, timeout=None, *, lease=None, note=None):
        """Takes the lock, in the order in which callers came; returns a `Grant`, or False if the time was over before.

        Cancelled, it has taken nothing.
        """
        return await self._try("acquire", wait_of(blocking, timeout), lease, note)


class Condition(Lock):
    """A condition that processes share: callers wait under its lock until others notify them."""

    __slots__ = ()

    async def wait(self, timeout=None):
        """Gives the lock up, waits to be notified and takes it again; returns whether it was notified.

        Cancelled, it takes the lock again as well, as that of asyncio does; but once only, if it was taken several times.
        """
        try:
            return (await self._wait(timeout, "wait"))["notified"]
        except asyncio.CancelledError:
            await self._again()
            raise

    async def _again(self):
        cancelled = None
        while True:
            try:
                await self._acquire("acquire", None, *self._options[1:])
                break
            except asyncio.CancelledError as error:
                cancelled = error
        if cancelled is not None:
            raise cancelled

    async def wait_for(self, predicate, timeout=None):
        """Waits until the predicate is true, or the time is over; returns what it said last.

        predicate: a function, or a coroutine function.
        """
        end = None if timeout is None else time.monotonic() + timeout
        while True:
            result = predicate()
            if asyncio.iscoroutine(result):
                result = await result
            left = None if end is None else end - time.monotonic()
            if result or (left is not None and left <= 0):
                return result
            await self.wait(left)

    async def notify(self, n=1):
        """Wakes so many of those who wait, in the order in which they came."""
        await self._call("notify", n)

    async def notify_all(self):
        """Wakes all who wait."""
        await self._call("notify_all")

    async def waiting(self):
        """How many wait."""
        return await self._call("waiting")

    async def __aexit__(self, kind, _error, _traceback):
        self._grants[asyncio.current_task()].pop()
        # A wait took the lock again under another number.
        await _leave(self.release, kind)


class RWLock(_Lockable):
    """A lock for many readers or one writer; writers are not starved."""

    __slots__ = ()

    def read(self, wait=None, *, lease=None, note=None):
        """Holds it with other readers for an `async with` block."""
        return self._block("read", wait, lease, note)

    def write(self, wait=None, *, lease=None, note=None):
        """Holds it alone for an `async with` block."""
        return self._block("write", wait, lease, note)

    @asynccontextmanager
    async def _block(self, method, wait, lease, note):
        grant = await self._acquire(method, wait, lease, note)
        kind = None
        try:
            yield grant
        except BaseException as error:
            kind = type(error)
            raise
        finally:
            await _leave(grant.release, kind)

    async def acquire_read(self, blocking=True, timeout=None, *, lease=None, note=None):
        """Takes it with other readers; returns a `Grant`, or False if the time was over before."""
        return await self._try("read", wait_of(blocking, timeout), lease, note)

    async def acquire_write(self, blocking=True, timeout=None, *, lease=None, note=None):
        """Takes it alone; returns a `Grant`, or False if the time was over before."""
        return await self._try("write", wait_of(blocking, timeout), lease, note)

    async def readers(self):
        """How many read."""
        return await self._call("readers")

    __aenter__ = None
    __aexit__ = None
