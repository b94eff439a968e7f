"""Queues, and what is taken of them."""

import queue
import types

from commonhold._native import Object
from commonhold.errors import Broken, Error

if hasattr(queue, "ShutDown"):
    ShutDown = queue.ShutDown
else:

    class ShutDown(Exception):
        """The queue was shut down."""


def _wait_of(block, timeout):
    """The seconds that the arguments of queue.Queue mean; None is for ever."""
    if not block:
        return 0
    if timeout is not None and timeout < 0:
        raise ValueError("'timeout' must be a non-negative number")
    return timeout


class Job:
    """An item that was taken. Leaving the `with` block cleanly acknowledges it; by an exception, it goes back."""

    __slots__ = ("_queue", "deliveries", "receipt", "value")

    __class_getitem__ = classmethod(types.GenericAlias)

    def __init__(self, owner, taken):
        self._queue = owner
        #: The item.
        self.value = taken["value"]
        #: How often it was delivered, this time included.
        self.deliveries = taken["deliveries"]
        #: What `ack`, `nack` and `extend` name.
        self.receipt = taken["receipt"]

    def ack(self):
        """The item is done."""
        self._queue._call("ack", self.receipt)

    def nack(self):
        """Gives the item back to its place."""
        self._queue._call("nack", self.receipt)

    def extend(self, lease):
        """Keeps the item for so many seconds from now."""
        self._queue._call("extend", self.receipt, lease)

    def __enter__(self):
        return self

    def __exit__(self, kind, error, _traceback):
        if kind is None:
            self.ack()
            return
        # What went wrong in the block matters more than that the item is another's by now.
        try:
            self.nack()
        except Error:
            pass

    def __repr__(self):
        return f"<job {self.receipt} of {self._queue!r}>"


class Queue(Object):
    """A queue that processes share, with the methods of `queue.Queue`, and `take`, which loses nothing when its caller dies.

        with ch.queue("jobs").take(lease=30) as job:
            job.value, job.deliveries
    """

    __slots__ = ()

    __class_getitem__ = classmethod(types.GenericAlias)

    def put(self, item, block=True, timeout=None):
        """Adds an item; waits for room. `queue.Full` if there was none in time."""
        self._do(_wait_of(block, timeout), "put", item)

    def put_nowait(self, item):
        """Adds an item if there is room."""
        self.put(item, block=False)

    def put_many(self, items, block=True, timeout=None):
        """Adds items, all at once; waits until there is room for all of them."""
        self._do(_wait_of(block, timeout), "put_many", list(items))

    def get(self, block=True, timeout=None):
        """Removes and returns the next item; waits for one. `queue.Empty` if none came in time."""
        return self._do(_wait_of(block, timeout), "get")

    def get_nowait(self):
        """Removes and returns the next item if there is one."""
        return self.get(block=False)

    def get_many(self, n, block=True, timeout=None):
        """Removes and returns a list of the next items: at least one, and at most n or about 1 MiB."""
        return self._do(_wait_of(block, timeout), "get_many", n)

    def take(self, block=True, timeout=None, *, lease=None):
        """Borrows the next item: it comes back to its place if this client dies, or after `lease` seconds."""
        self._keep()
        return Job(self, self._do(_wait_of(block, timeout), "take", lease))

    def peek(self, n=1):
        """A list of the next items."""
        return self._call("peek", n)

    def qsize(self):
        """How many items are ready to be got."""
        return self._call("len")

    __len__ = qsize

    def __bool__(self):
        return True

    def empty(self):
        """Tells whether nothing is ready."""
        return self._call("len") == 0

    def full(self):
        """Tells whether a put would have to wait."""
        return self._call("full")

    def unfinished(self):
        """How many items were put and are not done."""
        return self._call("unfinished")

    def task_done(self, n=1):
        """Tells that items that were got are done."""
        self._call("task_done", n)

    def join(self, timeout=None):
        """Waits until every item is done."""
        self._do(timeout, "join")

    def shutdown(self, immediate=False):
        """Refuses every put from now on, and every get once nothing is ready."""
        self._call("shutdown", immediate)

    def clear(self):
        """Deletes what is ready."""
        self._call("clear")

    def dead(self, limit=1000):
        """Dead letters, oldest first: dicts of ticket, value and deliveries."""
        return self._call("dead", limit)

    def redrive(self, n=100_000):
        """Gives dead letters back to their places, as if never delivered; returns how many."""
        return self._call("redrive", n)

    def discard(self, n=100_000):
        """Deletes dead letters, oldest first; returns how many."""
        return self._call("discard", n)

    def fenced(self, grant):
        """The same queue, whose calls are refused with `FencedOut` unless the grant of a lock holds."""
        return type(self)(self.client, self.kind, self.name, like=self, fence=grant.fence)

    def _do(self, wait, method, *arguments):
        try:
            return self._wait(wait, method, *arguments)
        except Broken as broken:
            raise ShutDown(str(broken)) from None
