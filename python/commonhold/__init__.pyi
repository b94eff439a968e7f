from os import PathLike

from commonhold.client import Client as Client
from commonhold.codecs import Codec
from commonhold.embedded import Embedded as Embedded
from commonhold.errors import AuthenticationError as AuthenticationError
from commonhold.errors import BadArguments as BadArguments
from commonhold.errors import Broken as Broken
from commonhold.errors import Conflict as Conflict
from commonhold.errors import ConnectionLost as ConnectionLost
from commonhold.errors import Deadlock as Deadlock
from commonhold.errors import Error as Error
from commonhold.errors import FencedOut as FencedOut
from commonhold.errors import LockLost as LockLost
from commonhold.errors import LockTimeout as LockTimeout
from commonhold.errors import NoMethod as NoMethod
from commonhold.errors import NotFound as NotFound
from commonhold.errors import NotOwner as NotOwner
from commonhold.errors import ObjectGone as ObjectGone
from commonhold.errors import OutOfBounds as OutOfBounds
from commonhold.errors import Refused as Refused
from commonhold.errors import TooLarge as TooLarge
from commonhold.errors import Unreadable as Unreadable
from commonhold.errors import WrongKind as WrongKind
from commonhold.errors import WrongType as WrongType
from commonhold.jobs import Job as Job
from commonhold.jobs import Queue as Queue
from commonhold.jobs import ShutDown as ShutDown
from commonhold.locks import Condition as Condition
from commonhold.locks import Grant as Grant
from commonhold.locks import Lock as Lock
from commonhold.locks import RWLock as RWLock
from commonhold.mapping import Dict as Dict
from commonhold.mapping import Namespace as Namespace
from commonhold.nested import Place as Place
from commonhold.sequence import Array as Array
from commonhold.sequence import List as List
from commonhold.sets import Set as Set
from commonhold.value import Counter as Counter
from commonhold.value import Value as Value
from commonhold.waiting import Barrier as Barrier
from commonhold.waiting import BoundedSemaphore as BoundedSemaphore
from commonhold.waiting import Event as Event
from commonhold.waiting import Latch as Latch
from commonhold.waiting import Semaphore as Semaphore

__all__ = [
    "Array",
    "AuthenticationError",
    "BadArguments",
    "Barrier",
    "BoundedSemaphore",
    "Broken",
    "Client",
    "Condition",
    "Conflict",
    "ConnectionLost",
    "Counter",
    "Deadlock",
    "Dict",
    "Embedded",
    "Error",
    "Event",
    "FencedOut",
    "Grant",
    "Job",
    "Latch",
    "List",
    "Lock",
    "LockLost",
    "LockTimeout",
    "Namespace",
    "NoMethod",
    "NotFound",
    "NotOwner",
    "ObjectGone",
    "OutOfBounds",
    "Place",
    "Queue",
    "RWLock",
    "Refused",
    "Semaphore",
    "Set",
    "ShutDown",
    "TooLarge",
    "Unreadable",
    "Value",
    "WrongKind",
    "WrongType",
    "connect",
    "open",
]

def connect(
    url: str | None = None,
    *,
    key_file: str | PathLike[str] | None = None,
    name: str | None = None,
    codec: str | Codec | None = None,
) -> Client: ...
def open(path: str | bytes | PathLike[str] | PathLike[bytes], *, name: str | None = None, codec: str | Codec | None = None) -> Embedded: ...
