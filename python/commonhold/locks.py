"""Locks, and what a holder has of them."""

import threading
import time
import weakref

from commonhold._native import Object
from commonhold.errors import LockTimeout


def wait_of(blocking, timeout):
    """The seconds that threading's arguments mean; None is for ever."""
    if timeout is None or timeout == -1:
        return None if blocking else 0
    if not blocking or timeout < 0:
        # It raises what this Python says to that.
        threading.Lock().acquire(blocking, timeout)
    return timeout


def until(timeout):
    """The seconds of a wait that looks once, at least, whatever its time-out is; None is for ever."""
    return None if timeout is None else max(timeout, 0)


class _Hold:
    """What a thread has of a lock: a condition's wait gives it up and gets it back under another number."""

    __slots__ = ("__weakref__", "fence", "token", "watch")

    def __init__(self, lock, granted):
        self.renew(lock, granted)

    def renew(self, lock, granted):
        self.token = granted["token"]
        self.fence = (granted["lock"], self.token)
        self.watch = lock._watch(*self.fence)


class _Holds(threading.local):
    """The holds of this thread that a grant is still around for, by the lock."""

    def __init__(self):
        self._holds = weakref.WeakValueDictionary()

    def granted(self, lock, granted):
        """The hold of a grant: levels of one rlock have one."""
        key = lock.client.url, granted["lock"]
        hold = self._holds.get(key)
        if hold is None or hold.token != granted["token"]:
            hold = self._holds[key] = _Hold(lock, granted)
        return hold

    def renewed(self, lock, granted):
        """A condition's wait took the lock again: grants of it go on, whichever proxy they are of."""
        hold = self._holds.get((lock.client.url, granted["lock"]))
        if hold is not None:
            hold.renew(lock, granted)


_holds = _Holds()


class Grant:
    """A lock that is held. It is not given back by being forgotten: leave the `with` block, or `release` it."""

    __slots__ = ("_hold", "_lock", "previous_end", "previous_note", "previous_owner_died")

    def __init__(self, lock, granted):
        self._lock = lock
        self._hold = _holds.granted(lock, granted)
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

    def note(self, text):
        """Leaves a note that others see while the lock is held, and the next holder if this one dies."""
        self._lock._call("note", text, self.token)

    def extend(self, lease=None):
        """Lets the lock be held for so many seconds from now; None is for as long as this client lives."""
        self._lock._call("extend", lease, self.token)

    def release(self):
        """Gives the lock back. `LockLost` if it was lost before: another may have had it meanwhile."""
        self._lock._call("release", self.token)

    def __repr__(self):
        return f"<grant {self.token} of {self._lock!r}>"


class _Blocks(threading.local):
    """The grants of the `with` blocks that this thread is in, innermost last."""

    def __init__(self):
        self.grants = []


class _Lockable(Object):
    """What can be held in a `with` block."""

    __slots__ = ("_blocks", "_options")
    # What a block begins with.
    _method = "acquire"

    def __init__(self, *_arguments, wait=None, lease=None, note=None, **_options):
        # How the `with` block acquires.
        self._options = (wait, lease, note)
        self._blocks = _Blocks()

    def __new__(cls, *arguments, wait=None, lease=None, note=None, **options):
        return super().__new__(cls, *arguments, **options)

    def _take(self, taken, method, wait, lease, note):
        named = {}
        if lease is not None:
            named["lease"] = lease
        if note is not None:
            named["note"] = note
        self._wait_into(taken, wait, method, **named)
        grant = Grant(self, taken[0])
        taken.append(grant)
        return grant

    def _undo(self, taken):
        """A signal may raise at any step: what nobody was told of is given back."""
        if taken:
            grants = self._blocks.grants
            grants[:] = [kept for kept in grants if all(kept is not mine for mine in taken[1:])]
            self._call("release", taken[0]["token"])

    def _acquire(self, method, wait, lease, note):
        taken = []
        try:
            return self._take(taken, method, wait, lease, note)
        except BaseException:
            self._undo(taken)
            raise

    def _try(self, method, wait, lease, note):
        try:
            return self._acquire(method, wait, lease, note)
        except LockTimeout:
            return False

    def __enter__(self):
        taken = []
        try:
            grant = self._take(taken, self._method, *self._options)
            self._blocks.grants.append(grant)
            return grant
        except BaseException:
            self._undo(taken)
            raise

    # Not in Python: no signal comes between the end of the block and the release.
    __exit__ = Object._leave

    def fenced(self, grant):
        """The same object, whose calls are refused with `FencedOut` unless the grant of another lock holds."""
        wait, lease, note = self._options
        return type(self)(
            self.client, self.kind, self.name, like=self, fence=grant.fence, wait=wait, lease=lease, note=note
        )


class _Reading(_Lockable):
    """What reads, for a `with` block."""

    __slots__ = ()
    _method = "read"


class _Writing(_Lockable):
    """What writes, for a `with` block."""

    __slots__ = ()
    _method = "write"


class Lock(_Lockable):
    """A lock that processes share. It is freed when its holder dies; the next one is told.

        with ch.lock("deploy", wait=5) as grant:
            grant.note("step 1")
    """

    __slots__ = ()

    def acquire(self, blocking=True, timeout=None, *, lease=None, note=None):
        """Takes the lock, in the order in which callers came; returns a `Grant`, or False if the time was over before."""
        return self._try("acquire", wait_of(blocking, timeout), lease, note)

    def release(self):
        """Gives back what this thread holds."""
        self._call("release")

    def locked(self):
        """Tells whether anybody holds it."""
        return self._call("locked")

    def force_release(self):
        """Frees the lock whoever holds it; returns whether anybody did. The holder is told."""
        return self._call("force_release")


class Condition(Lock):
    """A condition that processes share: callers wait under its lock until others notify them."""

    __slots__ = ()

    def wait(self, timeout=None):
        """Gives the lock up, waits to be notified and takes it again; returns whether it was notified."""
        taken = []
        try:
            self._wait_into(taken, until(timeout), "wait")
            _holds.renewed(self, taken[0])
            return taken[0]["notified"]
        except BaseException:
            # A signal may raise at any step, and the lock is held again.
            if taken:
                _holds.renewed(self, taken[0])
            raise

    def wait_for(self, predicate, timeout=None):
        """Waits until the predicate is true, or the time is over; returns what it said last."""
        end = None if timeout is None else time.monotonic() + timeout
        result = predicate()
        while not result:
            left = None if end is None else end - time.monotonic()
            if left is not None and left <= 0:
                break
            self.wait(left)
            result = predicate()
        return result

    def notify(self, n=1):
        """Wakes so many of those who wait, in the order in which they came."""
        self._call("notify", n)

    def notify_all(self):
        """Wakes all who wait."""
        self._call("notify_all")

    def waiting(self):
        """How many wait."""
        return self._call("waiting")


class RWLock(_Lockable):
    """A lock for many readers or one writer; writers are not starved."""

    __slots__ = ()

    def read(self, wait=None, *, lease=None, note=None):
        """Holds it with other readers for a `with` block; `LockTimeout` if it was not free in `wait` seconds."""
        return self._side(_Reading, wait, lease, note)

    def write(self, wait=None, *, lease=None, note=None):
        """Holds it alone for a `with` block; `LockTimeout` if it was not free in `wait` seconds."""
        return self._side(_Writing, wait, lease, note)

    def _side(self, side, wait, lease, note):
        return side(self.client, self.kind, self.name, like=self, wait=wait, lease=lease, note=note)

    def acquire_read(self, blocking=True, timeout=None, *, lease=None, note=None):
        """Takes it with other readers; returns a `Grant`, or False if the time was over before."""
        return self._try("read", wait_of(blocking, timeout), lease, note)

    def acquire_write(self, blocking=True, timeout=None, *, lease=None, note=None):
        """Takes it alone; returns a `Grant`, or False if the time was over before."""
        return self._try("write", wait_of(blocking, timeout), lease, note)

    def release(self):
        """Gives back what this thread holds."""
        self._call("release")

    def readers(self):
        """How many read."""
        return self._call("readers")

    def locked(self):
        """Tells whether anybody holds it."""
        return self._call("locked")

    def force_release(self):
        """Frees it whoever holds it; returns how many did. They are told."""
        return self._call("force_release")

    __enter__ = None
    __exit__ = None
