"""Locks, and what a holder has of them. A holder is a task: each is an owner of its own."""

import asyncio
import time
import weakref
from contextlib import asynccontextmanager

from commonhold.aio.object import Object
from commonhold.errors import Error, LockTimeout
from commonhold.locks import until, wait_of


class _Hold:
    """What a task has of a lock: a condition's wait gives it up and gets it back under another number."""

    __slots__ = ("__weakref__", "fence", "token", "watch")

    def __init__(self, lock, granted):
        self.renew(lock, granted)

    def renew(self, lock, granted):
        self.token = granted["token"]
        self.fence = (granted["lock"], self.token)
        self.watch = lock._watch(*self.fence)


class Grant:
    """A lock that is held. It is not given back by being forgotten: leave the block, or `release` it. Any task may."""

    __slots__ = ("_hold", "_lock", "previous_end", "previous_note", "previous_owner_died")

    def __init__(self, lock, granted):
        self._lock = lock
        self._hold = lock._held(granted)
        #: Did the holder before this one lose the lock without giving it back? What it guards may be half done.
        self.previous_owner_died = granted["previous_owner_died"]
        #: How the hold before this one ended, if its holder did not give it back: "died", "expired" or "forced"; else None.
        self.previous_end = granted["previous_end"]
        #: The note that such a holder left.
        self.previous_note = granted["previous_note"]

    @property
    def token(self):
        """The number of this grant, above that of every grant of this lock before it. A condition's wait changes it."""
        return self._hold.token

    @property
    def fence(self):
        """What `fenced` takes: the lock's number and the token."""
        return self._hold.fence

    @property
    def lost(self):
        """Was it lost, as far as is known now? What a superseded holder must not write is written `fenced`."""
        return self._hold.watch.lost

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

    __slots__ = ("_blocks", "_options")

    _owned = True

    def __init__(self, *arguments, wait=None, lease=None, note=None, **options):
        super().__init__(*arguments, **options)
        # How the block acquires.
        self._options = (wait, lease, note)
        # The grants of the blocks that each task is in, innermost last.
        self._blocks = weakref.WeakKeyDictionary()

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

    def _held(self, granted):
        """The hold of a grant that this task was given: levels of one rlock have one."""
        holds, key = self.client._holds, (self.client._owner(), granted["lock"])
        hold = holds.get(key)
        if hold is None or hold.token != granted["token"]:
            hold = holds[key] = _Hold(self, granted)
        return hold

    def _renewed(self, granted):
        """A condition's wait took the lock again: grants of it go on, whichever proxy they are of."""
        hold = self.client._holds.get((self.client._owner(), granted["lock"]))
        if hold is not None:
            hold.renew(self, granted)

    async def __aenter__(self):
        grant = await self._acquire("acquire", *self._options)
        self._blocks.setdefault(asyncio.current_task(), []).append(grant)
        return grant

    async def __aexit__(self, kind, _error, _traceback):
        await _leave(self._blocks[asyncio.current_task()].pop(), kind)

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
        wait, lease, note = self._options
        return self._fenced(grant, wait=wait, lease=lease, note=note)


async def _leave(grant, kind):
    try:
        await grant.release()
    except Error:
        # What went wrong in the block matters more than that the lock was lost.
        if kind is None:
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

        Cancelled, it takes the lock again as well, as that of asyncio does, and as often as it was taken before.
        """
        try:
            granted = await self._wait(until(timeout), "wait")
        except asyncio.CancelledError:
            await self._again()
            raise
        self._renewed(granted)
        return granted["notified"]

    async def _again(self):
        """Takes the lock whoever cancels it meanwhile: the caller is in a block that gives it back.

        The server ends a wait that is cancelled as one whose time is over: with all levels of the lock, in its turn. The
        client gives one of them back, because nobody heard of it; this is that one.
        """
        while True:
            try:
                self._renewed(await self._wait(None, "acquire"))
                return
            except asyncio.CancelledError:
                pass

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
        try:
            yield grant
        except BaseException as error:
            await _leave(grant, type(error))
            raise
        await _leave(grant, None)

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
