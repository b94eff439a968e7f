"""The client, and what it makes."""

import asyncio
import weakref

from commonhold import _native
from commonhold.aio.conductor import Conductor
from commonhold.aio.jobs import Queue
from commonhold.aio.locks import Condition, Lock, RWLock
from commonhold.aio.mapping import Dict, Namespace
from commonhold.aio.object import Object
from commonhold.aio.sequence import Array, List
from commonhold.aio.sets import Set
from commonhold.aio.value import Counter, Value
from commonhold.aio.waiting import Barrier, BoundedSemaphore, Event, Latch, Semaphore
from commonhold.client import own_name
from commonhold.codecs import codec_of

#: The class of each kind.
KINDS = {
    "array": Array,
    "barrier": Barrier,
    "bounded_semaphore": BoundedSemaphore,
    "condition": Condition,
    "counter": Counter,
    "dict": Dict,
    "event": Event,
    "latch": Latch,
    "list": List,
    "lock": Lock,
    "namespace": Namespace,
    "queue": Queue,
    "rlock": Lock,
    "rwlock": RWLock,
    "semaphore": Semaphore,
    "set": Set,
    "value": Value,
}

_NOTHING = object()


async def connect(url=None, *, key_file=None, name=None, codec=None, heartbeat=True):
    """Connects to a server that runs already, and waits up to 2 s for one that is just starting.

    The client belongs to the running event loop, which drives it: there is no thread. Every loop needs a client of its own.

    url, key_file, name, codec: as of `commonhold.connect`.
    heartbeat: whether the server takes this client for dead when its loop stands still for longer than the server's term
    (10 s unless told otherwise); what it held goes to others then. Without, only when its connection breaks.
    """
    return await connected(url, key_file=key_file, name=name, codec=codec, heartbeat=heartbeat)


async def connected(url, *, name, codec, **options):
    """A client that has connected; options are those of the native one."""
    name = own_name() if name is None else name or None
    client = AsyncClient(url, name=name, codec=codec_of(codec), **options)
    await client._finish(client._opened)
    return client


class AsyncClient(_native.AsyncClient):
    """A connection to a server, for the tasks of one event loop.

    Naming an object makes no call: a read of one that does not exist sees an empty one, and the first write creates it.
    Without a name a new object is made by the first call, which lives as long as something refers to it. All factories take

    durability: "durable", "relaxed" or "memory"; None is what the object has, or the server's default;
    exists: whether it must be there already, or must not;
    guard: a lock, by name or proxy, without a fence of which nobody may write.
    """

    def __init__(self, *_arguments, **_options):
        #: Whether it was closed.
        self.closed = False
        self._conductor = Conductor(self._driver)
        # The numbers of the tasks that hold, or held, something.
        self._owners = weakref.WeakKeyDictionary()
        # What tasks have of locks that a grant is still around for, by the task's number and the lock's.
        self._holds = weakref.WeakValueDictionary()

    def dict(self, name=None, **options):
        """A dict."""
        return self._make("dict", name, options)

    def list(self, name=None, **options):
        """A list."""
        return self._make("list", name, options)

    def set(self, name=None, **options):
        """A set."""
        return self._make("set", name, options)

    def counter(self, name=None, **options):
        """A counter."""
        return self._make("counter", name, options)

    def value(self, name=None, initial=_NOTHING, **options):
        """A value of any type."""
        if initial is not _NOTHING:
            options["initial"] = initial
        return self._make("value", name, options)

    def array(self, name=None, typecode=None, values=None, *, size=None, **options):
        """An array of one type, as of `array.array`: of these values, or of so many zeros."""
        if values is not None:
            options["values"] = [*values]
        return self._make("array", name, options | _given(typecode=typecode, size=size))

    def namespace(self, name=None, **options):
        """Attributes by name."""
        return self._make("namespace", name, options)

    def queue(self, name=None, maxsize=0, *, lifo=False, dead_after=0, **options):
        """A queue of at most so many items, or of as many as there are; the newest is got first if `lifo`.

        dead_after: an item that was taken so often and came back is a dead letter; 0 is never.
        """
        if maxsize > 0:
            options["maxsize"] = maxsize
        if lifo:
            options["lifo"] = True
        if dead_after:
            options["dead_after"] = dead_after
        return self._make("queue", name, options)

    def lock(self, name=None, *, wait=None, lease=None, note=None, **options):
        """A lock.

        wait: how many seconds an `async with` block waits for it before it raises `LockTimeout`; None is for ever.
        lease: how many seconds the block may hold it; None is for as long as this client lives.
        note: what others see while the block holds it.
        on_crash, on_exit: "release" or "keep": what becomes of it when its holder dies, or ends cleanly.
        """
        return self._make("lock", name, options, wait=wait, lease=lease, note=note)

    def rlock(self, name=None, *, wait=None, lease=None, note=None, **options):
        """A lock that its holder, a task, may take again. Arguments as of `lock`."""
        return self._make("rlock", name, options, wait=wait, lease=lease, note=note)

    def rwlock(self, name=None, **options):
        """A lock for many readers or one writer."""
        return self._make("rwlock", name, options)

    def condition(self, name=None, lock=None, *, wait=None, lease=None, note=None, **options):
        """A condition, with a lock of its own, or one that it shares, by name or proxy. Other arguments as of `lock`."""
        if lock is not None:
            options["lock"] = lock
        return self._make("condition", name, options, wait=wait, lease=lease, note=note)

    def semaphore(self, name=None, permits=None, **options):
        """So many permits; the number is needed when the semaphore is created."""
        return self._make("semaphore", name, options | _given(permits=permits))

    def bounded_semaphore(self, name=None, permits=None, **options):
        """A semaphore that refuses to be released above its initial value."""
        return self._make("bounded_semaphore", name, options | _given(permits=permits))

    def event(self, name=None, **options):
        """A flag."""
        return self._make("event", name, options)

    def barrier(self, name=None, parties=None, **options):
        """A barrier for so many parties; the number is needed when the barrier is created."""
        return self._make("barrier", name, options | _given(parties=parties))

    def latch(self, name=None, count=None, **options):
        """A latch; the count is needed when it is created."""
        return self._make("latch", name, options | _given(count=count))

    async def ls(self, prefix="", kind=None):
        """Objects by name: dicts of name, kind, entries, durability, oid and revision."""
        after = None
        while True:
            page = await self._server()._call("ls", prefix, kind, after)
            for found in page:
                yield found
            if not page:
                return
            after = page[-1]["name"]

    async def delete(self, name):
        """Deletes an object; whoever waits for it is refused."""
        await self._server()._call("delete", name)

    async def who(self, name):
        """Who holds an object, since when, with which note, and who waits for it: a dict of holders and waiting."""
        return await self._server()._call("who", name)

    async def status(self):
        """The server's numbers."""
        return await self._server()._call("status")

    async def close(self):
        """Says goodbye: what this client holds is given back, and its calls fail from now on."""
        self.closed = True
        await self._finish(self._closed)

    async def __aenter__(self):
        return self

    async def __aexit__(self, *_exception):
        await self.close()

    async def _finish(self, begin):
        self._conductor.expect()
        return await self._conductor.finish(begin())

    def _owner(self):
        """The number of the running task."""
        task = asyncio.current_task()
        number = self._owners.get(task)
        if number is None:
            number = self._owners[task] = self._fresh_owner()
        return number

    def _server(self):
        return Object(self, "server", "$server")

    def _make(self, kind, name, options, **own):
        durability = options.pop("durability", None)
        exists = options.pop("exists", None)
        options = {key: value for key, value in options.items() if value is not None}
        first = []
        for key, value in options.items():
            # A proxy that may not know its object yet: by name, and it is made first.
            if isinstance(value, Object) and value.name is not None:
                options[key] = value.name
                first.append(value)
        made = KINDS[kind](self, kind, name, durability=durability, exists=exists, options=options, **own)
        made._first = first
        return made

    def _shown(self, found):
        """The proxy of what a reference points to."""
        return KINDS.get(found.kind, Object)(self, found.kind, found.name, like=found)


def _given(**options):
    return {name: value for name, value in options.items() if value is not None}
