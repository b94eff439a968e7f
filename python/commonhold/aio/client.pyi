import builtins
from collections.abc import AsyncGenerator, Iterable
from os import PathLike
from typing import Any, Literal, Self, TypeAlias, TypedDict, Unpack, type_check_only

from commonhold import _native
from commonhold.aio.jobs import Queue
from commonhold.aio.locks import Condition, Lock, RWLock
from commonhold.aio.mapping import Dict, Namespace
from commonhold.aio.object import Object
from commonhold.aio.sequence import Array, List
from commonhold.aio.sets import Set
from commonhold.aio.value import Counter, Value
from commonhold.aio.waiting import Barrier, BoundedSemaphore, Event, Latch, Semaphore
from commonhold.codecs import Codec

KINDS: dict[str, type[Object]]

@type_check_only
class _Options(TypedDict, total=False):
    durability: Literal["durable", "relaxed", "memory"] | None
    exists: bool | None
    guard: str | Object | None

@type_check_only
class _LockOptions(_Options, total=False):
    on_crash: Literal["release", "keep"] | None
    on_exit: Literal["release", "keep"] | None

_Dict: TypeAlias = builtins.dict[str, Any]

async def connect(
    url: str | None = None,
    *,
    key_file: str | PathLike[str] | None = None,
    name: str | None = None,
    codec: str | Codec | None = None,
    heartbeat: bool = True,
) -> AsyncClient: ...
async def connected(url: str | None, *, name: str | None, codec: str | Codec | None, **options: Any) -> AsyncClient: ...

class AsyncClient(_native.AsyncClient):
    closed: bool
    def __init__(self, *_arguments: Any, **_options: Any) -> None: ...
    def dict(self, name: str | None = None, **options: Unpack[_Options]) -> Dict[Any, Any]: ...
    def list(self, name: str | None = None, **options: Unpack[_Options]) -> List[Any]: ...
    def set(self, name: str | None = None, **options: Unpack[_Options]) -> Set[Any]: ...
    def counter(self, name: str | None = None, **options: Unpack[_Options]) -> Counter: ...
    def value(self, name: str | None = None, initial: Any = ..., **options: Unpack[_Options]) -> Value[Any]: ...
    def array(
        self,
        name: str | None = None,
        typecode: str | None = None,
        values: Iterable[Any] | None = None,
        *,
        size: int | None = None,
        **options: Unpack[_Options],
    ) -> Array[Any]: ...
    def namespace(self, name: str | None = None, **options: Unpack[_Options]) -> Namespace: ...
    def queue(
        self,
        name: str | None = None,
        maxsize: int = 0,
        *,
        lifo: bool = False,
        dead_after: int = 0,
        **options: Unpack[_Options],
    ) -> Queue[Any]: ...
    def lock(
        self,
        name: str | None = None,
        *,
        wait: float | None = None,
        lease: float | None = None,
        note: str | None = None,
        **options: Unpack[_LockOptions],
    ) -> Lock: ...
    def rlock(
        self,
        name: str | None = None,
        *,
        wait: float | None = None,
        lease: float | None = None,
        note: str | None = None,
        **options: Unpack[_LockOptions],
    ) -> Lock: ...
    def rwlock(self, name: str | None = None, **options: Unpack[_LockOptions]) -> RWLock: ...
    def condition(
        self,
        name: str | None = None,
        lock: str | Lock | None = None,
        *,
        wait: float | None = None,
        lease: float | None = None,
        note: str | None = None,
        **options: Unpack[_LockOptions],
    ) -> Condition: ...
    def semaphore(
        self, name: str | None = None, permits: int | None = None, **options: Unpack[_LockOptions]
    ) -> Semaphore: ...
    def bounded_semaphore(
        self, name: str | None = None, permits: int | None = None, **options: Unpack[_LockOptions]
    ) -> BoundedSemaphore: ...
    def event(self, name: str | None = None, **options: Unpack[_Options]) -> Event: ...
    def barrier(self, name: str | None = None, parties: int | None = None, **options: Unpack[_Options]) -> Barrier: ...
    def latch(self, name: str | None = None, count: int | None = None, **options: Unpack[_Options]) -> Latch: ...
    def ls(self, prefix: str = "", kind: str | None = None) -> AsyncGenerator[_Dict, None]: ...
    async def delete(self, name: str) -> None: ...
    async def who(self, name: str) -> _Dict: ...
    async def status(self) -> _Dict: ...
    async def close(self) -> None: ...
    async def __aenter__(self) -> Self: ...
    async def __aexit__(self, *_exception: object) -> None: ...
