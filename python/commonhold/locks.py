"""Locks, and what a holder has of them."""

from contextlib import contextmanager

from commonhold._native import Object
from commonhold.errors import LockTimeout


def wait_of(blocking, timeout):
    """The seconds that threading's arguments mean; None is for ever."""
    if not blocking:
        if timeout is not None and timeout != -1:
            raise ValueError("can't specify a timeout for a non-blocking call")
        return 0
    if timeout is None or timeout == -1:
        return None
    if timeout < 0:
        raise ValueError("timeout value must be a non-negative number")
    return timeout


class Grant:
    """A lock that is held. It is not given back by being forgotten: leave the `with` block, or `release` it."""

    __slots__ = ("_lock", "_watch", "fence", "previous_note", "previous_owner_died", "token")

    def __init__(self, lock, granted):
        self._lock = lock
        #: The number of this grant, above that of every grant of this lock before it.
        self.token = granted["token"]
        #: What `fenced` takes: the lock's number and the token.
        self.fence = (granted["lock"], self.token)
        #: Did the holder before this one lose the lock without giving it back? What it guards may be half done.
        self.previous_owner_died = granted["previous_owner_died"]
        #: The note that such a holder left.
        self.previous_note = granted["previous_note"]
        self._watch = lock._watch(*self.fence)

    @property
    def lost(self):
        """Was it lost, as far as is known now? What a superseded holder must not write is written `fenced`."""
        return self._watch.lost

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


class _Lockable(Object):
    """What can be held in a `with` block."""

    __slots__ = ("_options", "_stack")

    def __init__(self, *_arguments, wait=None, lease=None, note=None, **_options):
        # How the `with` block acquires.
        self._options = (wait, lease, note)
        self._stack = []

    def __new__(cls, *arguments, wait=None, lease=None, note=None, **options):
        return super().__new__(cls, *arguments, **options)

    def _acquire(self, method, wait, lease, note):
        named = {}
        if lease is not None:
            named["lease"] = lease
        if note is not None:
            named["note"] = note
        return Grant(self, self._wait(wait, method, **named))

    def __enter__(self):
        grant = self._acquire("acquire", *self._options)
        self._stack.append(grant)
        return grant

    def __exit__(self, kind, error, _traceback):
        self._leave(self._stack.pop(), kind)

    def _leave(self, grant, kind):
        if kind is None:
            grant.release()
            return
        # What went wrong in the block matters more than that the lock was lost.
        try:
            grant.release()
        except Exception as also:
            if not isinstance(also, (ConnectionError, RuntimeError)):
                raise

    def fenced(self, grant):
        """The same object, whose calls are refused with `FencedOut` unless the grant of another lock holds."""
        return type(self)(self.client, self.kind, self.name, like=self, fence=grant.fence)


class Lock(_Lockable):
    """A lock that processes share. It is freed when its holder dies; the next one is told.

        with ch.lock("deploy", wait=5) as grant:
            grant.note("step 1")
    """

    __slots__ = ()

    def acquire(self, blocking=True, timeout=None, *, lease=None, note=None):
        """Takes the lock, in the order in which callers came; returns a `Grant`, or False if the time was over before."""
        try:
            return self._acquire("acquire", wait_of(blocking, timeout), lease, note)
        except LockTimeout:
            return False

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
        return self._wait(timeout, "wait")["notified"]

    def wait_for(self, predicate, timeout=None):
        """Waits until the predicate is true, or the time is over; returns what it said last."""
        end = None if timeout is None else _now() + timeout
        result = predicate()
        while not result:
            left = None if end is None else end - _now()
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

    def __exit__(self, kind, error, _traceback):
        self._stack.pop()
        # A wait took the lock again under another number.
        self.release()


class RWLock(_Lockable):
    """A lock for many readers or one writer; writers are not starved."""

    __slots__ = ()

    @contextmanager
    def read(self, wait=None, *, lease=None, note=None):
        """Holds it with other readers for a `with` block."""
        grant = self._acquire("read", wait, lease, note)
        kind = None
        try:
            yield grant
        except BaseException as error:
            kind = type(error)
            raise
        finally:
            self._leave(grant, kind)

    @contextmanager
    def write(self, wait=None, *, lease=None, note=None):
        """Holds it alone for a `with` block."""
        grant = self._acquire("write", wait, lease, note)
        kind = None
        try:
            yield grant
        except BaseException as error:
            kind = type(error)
            raise
        finally:
            self._leave(grant, kind)

    def acquire_read(self, blocking=True, timeout=None, *, lease=None, note=None):
        """Takes it with other readers; returns a `Grant`, or False if the time was over before."""
        try:
            return self._acquire("read", wait_of(blocking, timeout), lease, note)
        except LockTimeout:
            return False

    def acquire_write(self, blocking=True, timeout=None, *, lease=None, note=None):
        """Takes it alone; returns a `Grant`, or False if the time was over before."""
        try:
            return self._acquire("write", wait_of(blocking, timeout), lease, note)
        except LockTimeout:
            return False

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


def _now():
    import time

    return time.monotonic()
