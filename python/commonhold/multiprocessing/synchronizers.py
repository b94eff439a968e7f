"""What proxies of locks, queues and the like call: the shared objects, with the manners of `threading` and `queue`."""

import threading
import time

from commonhold import jobs, locks, waiting
from commonhold.multiprocessing.referents import Referent

# As of multiprocessing: what a process holds when it ends cleanly stays held. When it is killed, it is freed.
KEPT = {"on_exit": "keep"}


class _Held(Referent):
    def acquire(self, blocking=True, timeout=-1):
        wait, taken = locks.wait_of(blocking, timeout), []
        try:
            self._wait_into(taken, wait, "acquire")
            return True
        except locks.LockTimeout:
            return False
        except BaseException:
            # A signal may raise at any step: what nobody was told of is given back.
            if taken:
                self._call("release")
            raise

    def release(self):
        self._call("release")

    def _repr(self):
        state = "locked" if self._call("locked") else "unlocked"
        return f"<{state} shared {self.kind} object>"


class Lock(_Held, locks.Lock):
    """As `threading.Lock`: anybody may release it."""


class RLock(_Held, locks.Lock):
    """As `threading.RLock`: it belongs to a thread of a process."""


class Condition(_Held, locks.Condition):
    """As `threading.Condition`."""

    def wait(self, timeout=None):
        return locks.Condition.wait(self, None if timeout is None else max(timeout, 0))

    def notify(self, n=1):
        self._call("notify", n)


class Semaphore(Referent, waiting.Semaphore):
    """As `threading.Semaphore`."""

    def acquire(self, blocking=True, timeout=None):
        if not blocking:
            if timeout is not None:
                raise ValueError("can't specify timeout for non-blocking acquire")
            timeout = 0
        return self._take(None if timeout is None else max(timeout, 0), 1)

    def locked(self):
        return self._call("value") == 0


class Event(Referent, waiting.Event):
    """As `threading.Event`."""

    def wait(self, timeout=None):
        return self._wait(None if timeout is None else max(timeout, 0), "wait")


class Barrier(Referent, waiting.Barrier):
    """As `threading.Barrier`, without an action."""

    _called = Referent._called | {"__getattribute__": "read"}

    def read(self, name):
        """One of the three attributes that a proxy shows."""
        if name not in ("parties", "n_waiting", "broken"):
            raise AttributeError(f"'Barrier' object has no attribute {name!r}")
        return self._call(name)

    def wait(self, timeout=None):
        if timeout is None:
            timeout = self.extra.get("timeout")
        try:
            return self._wait(None if timeout is None else max(timeout, 0), "wait")
        except waiting.Broken:
            raise threading.BrokenBarrierError from None


class Queue(Referent, jobs.Queue):
    """As `queue.Queue`."""

    def task_done(self):
        self._call("task_done")

    def join(self):
        jobs.Queue.join(self)


def wait_for(condition, predicate, timeout=None):
    """Waits on a proxy of a condition until the predicate is true, or the time is over; returns what it said last."""
    end = None if timeout is None else time.monotonic() + timeout
    while not (result := predicate()):
        left = None if end is None else end - time.monotonic()
        if left is not None and left <= 0:
            break
        condition.wait(left)
    return result
