"""Queues, and what is taken of them."""

import types

from commonhold.aio.object import Entered, Fenceable
from commonhold.errors import Broken, Error
from commonhold.jobs import ShutDown
from commonhold.jobs import _wait_of as wait_of


class Job:
    """An item that was taken. Leaving the `async with` block cleanly acknowledges it; by an exception, it goes back."""

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

    async def ack(self):
        """The item is done. It is told even if this is cancelled."""
        await self._queue._call("ack", self.receipt)

    async def nack(self):
        """Gives the item back to its place, even if this is cancelled."""
        await self._queue._call("nack", self.receipt)

    async def extend(self, lease):
        """Keeps the item for so many seconds from now."""
        await self._queue._call("extend", self.receipt, lease)

    async def __aenter__(self):
        return self

    async def __aexit__(self, kind, _error, _traceback):
        if kind is None:
            await self.ack()
            return
        # What went wrong in the block matters more than that the item is another's by now.
        try:
            await self.nack()
        except Error:
            pass

    def __repr__(self):
        return f"<job {self.receipt} of {self._queue!r}>"


class Queue(Fenceable):
    """A queue that processes share, with the methods of `asyncio.Queue`, and `take`, which loses nothing when its caller dies.

        async with ch.queue("jobs").take(lease=30) as job:
            job.value, job.deliveries

    A cancelled `get` or `take` has taken nothing.
    """

    __slots__ = ()
    __class_getitem__ = classmethod(types.GenericAlias)

    async def put(self, item, block=True, timeout=None):
        """Adds an item; waits for room. `queue.Full` if there was none in time."""
        await self._do(wait_of(block, timeout), "put", item)

    async def put_nowait(self, item):
        """Adds an item if there is room."""
        await self.put(item, block=False)

    async def put_many(self, items, block=True, timeout=None):
        """Adds items, all at once; waits until there is room for all of them."""
        await self._do(wait_of(block, timeout), "put_many", list(items))

    async def get(self, block=True, timeout=None):
        """Removes and returns the next item; waits for one. `queue.Empty` if none came in time."""
        return await self._do(wait_of(block, timeout), "get")

    async def get_nowait(self):
        """Removes and returns the next item if there is one."""
        return await self.get(block=False)

    async def get_many(self, n, block=True, timeout=None):
        """Removes and returns a list of the next items: at least one, and at most n or about 1 MiB."""
        return await self._do(wait_of(block, timeout), "get_many", n)

    def take(self, block=True, timeout=None, *, lease=None):
        """Borrows the next item: it comes back to its place if this client dies, or after `lease` seconds.

        Await it for the `Job`, or enter it by `async with`.
        """
        return Entered(self._take(wait_of(block, timeout), lease))

    async def _take(self, wait, lease):
        return Job(self, await self._do(wait, "take", lease))

    async def peek(self, n=1):
        """A list of the next items."""
        return await self._call("peek", n)

    async def qsize(self):
        """How many items are ready to be got."""
        return await self._call("len")

    len = qsize

    async def empty(self):
        """Tells whether nothing is ready."""
        return await self._call("len") == 0

    async def full(self):
        """Tells whether a put would have to wait."""
        return await self._call("full")

    async def unfinished(self):
        """How many items were put and are not done."""
        return await self._call("unfinished")

    async def task_done(self, n=1):
        """Tells that items that were got are done."""
        await self._call("task_done", n)

    async def join(self, timeout=None):
        """Waits until every item is done."""
        await self._do(timeout, "join")

    async def shutdown(self, immediate=False):
        """Refuses every put from now on, and every get once nothing is ready."""
        await self._call("shutdown", immediate)

    async def clear(self):
        """Deletes what is ready."""
        await self._call("clear")

    async def dead(self, limit=1000):
        """Dead letters, oldest first: dicts of ticket, value and deliveries."""
        return await self._call("dead", limit)

    async def redrive(self, n=100_000):
        """Gives dead letters back to their places, as if never delivered; returns how many."""
        return await self._call("redrive", n)

    async def discard(self, n=100_000):
        """Deletes dead letters, oldest first; returns how many."""
        return await self._call("discard", n)

    async def _do(self, wait, method, *arguments):
        try:
            return await self._wait(wait, method, *arguments)
        except Broken as broken:
            raise ShutDown(str(broken)) from None
