from commonhold.aio.client import AsyncClient as AsyncClient
from commonhold.aio.client import connect as connect
from commonhold.aio.jobs import Job as Job
from commonhold.aio.jobs import Queue as Queue
from commonhold.aio.locks import Condition as Condition
from commonhold.aio.locks import Grant as Grant
from commonhold.aio.locks import Lock as Lock
from commonhold.aio.locks import RWLock as RWLock
from commonhold.aio.mapping import Dict as Dict
from commonhold.aio.mapping import Namespace as Namespace
from commonhold.aio.mapping import Place as Place
from commonhold.aio.sequence import Array as Array
from commonhold.aio.sequence import List as List
from commonhold.aio.sets import Set as Set
from commonhold.aio.value import Counter as Counter
from commonhold.aio.value import Value as Value
from commonhold.aio.waiting import Barrier as Barrier
from commonhold.aio.waiting import BoundedSemaphore as BoundedSemaphore
from commonhold.aio.waiting import Event as Event
from commonhold.aio.waiting import Latch as Latch
from commonhold.aio.waiting import Semaphore as Semaphore

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
