"""Shared objects for asyncio: the same factories and proxies, with every call awaited.

    from commonhold import aio

    ch = await aio.connect()
    hits = ch.dict("hits")
    await hits.increment("/index")
"""

from commonhold.aio.client import AsyncClient, connect
from commonhold.aio.jobs import Job, Queue
from commonhold.aio.locks import Condition, Grant, Lock, RWLock
from commonhold.aio.mapping import Dict, Namespace, Place
from commonhold.aio.sequence import Array, List
from commonhold.aio.sets import Set
from commonhold.aio.value import Counter, Value
from commonhold.aio.waiting import Barrier, BoundedSemaphore, Event, Latch, Semaphore

__all__ = [
    "Array",
    "AsyncClient",
    "Barrier",
    "BoundedSemaphore",
    "Condition",
    "Counter",
    "Dict",
    "Event",
    "Grant",
    "Job",
    "Latch",
    "List",
    "Lock",
    "Namespace",
    "Place",
    "Queue",
    "RWLock",
    "Semaphore",
    "Set",
    "Value",
    "connect",
]
