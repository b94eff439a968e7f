import builtins
import queue
import threading
from _typeshed import SupportsKeysAndGetItem
from collections.abc import Callable, Iterable, Mapping, Sequence
from multiprocessing.connection import Listener
from multiprocessing.context import BaseContext
from multiprocessing.managers import Server as Server
from multiprocessing.managers import SharedMemoryManager as SharedMemoryManager
from multiprocessing.util import Finalize
from types import TracebackType
from typing import Any, ClassVar, Literal, NoReturn, Self, TypeAlias, TypeVar, overload

from commonhold.multiprocessing.base import AutoProxy as AutoProxy
from commonhold.multiprocessing.base import BaseProxy as BaseProxy
from commonhold.multiprocessing.base import MakeProxyType as MakeProxyType
from commonhold.multiprocessing.base import RebuildProxy as RebuildProxy
from commonhold.multiprocessing.base import Token as Token
from commonhold.multiprocessing.errors import ProcessError as ProcessError
from commonhold.multiprocessing.errors import RemoteError as RemoteError
from commonhold.multiprocessing.proxies import AcquirerProxy as AcquirerProxy
from commonhold.multiprocessing.proxies import ArrayProxy as ArrayProxy
from commonhold.multiprocessing.proxies import BarrierProxy as BarrierProxy
from commonhold.multiprocessing.proxies import BaseListProxy as BaseListProxy
from commonhold.multiprocessing.proxies import ConditionProxy as ConditionProxy
from commonhold.multiprocessing.proxies import DictProxy as DictProxy
from commonhold.multiprocessing.proxies import EventProxy as EventProxy
from commonhold.multiprocessing.proxies import IteratorProxy as IteratorProxy
from commonhold.multiprocessing.proxies import ListProxy as ListProxy
from commonhold.multiprocessing.proxies import NamespaceProxy as NamespaceProxy
from commonhold.multiprocessing.proxies import ValueProxy as ValueProxy
from commonhold.multiprocessing.registry import Array as Array
from commonhold.multiprocessing.registry import Namespace as Namespace
from commonhold.multiprocessing.registry import Value as Value

__all__ = ["BaseManager", "BaseProxy", "SharedMemoryManager", "SyncManager", "Token"]

_K = TypeVar("_K")
_V = TypeVar("_V")
_T = TypeVar("_T")
_Address: TypeAlias = str | tuple[str, int]
_Namespace: TypeAlias = Namespace

class State:
    INITIAL: ClassVar[int]
    STARTED: ClassVar[int]
    SHUTDOWN: ClassVar[int]
    value: int

class BaseManager:
    # What `start` makes.
    shutdown: Finalize[None]
    def __init__(
        self,
        address: _Address | None = None,
        authkey: bytes | None = None,
        serializer: Literal["pickle"] = "pickle",
        ctx: BaseContext | None = None,
        *,
        shutdown_timeout: float = 1.0,
    ) -> None: ...
    @property
    def address(self) -> _Address | None: ...
    def get_server(self) -> ForegroundServer: ...
    def connect(self) -> None: ...
    def start(self, initializer: Callable[..., object] | None = None, initargs: Iterable[Any] = ()) -> None: ...
    def join(self, timeout: float | None = None) -> None: ...
    def __enter__(self) -> Self: ...
    def __exit__(
        self, exc_type: type[BaseException] | None, exc_val: BaseException | None, exc_tb: TracebackType | None
    ) -> None: ...
    @classmethod
    def register(
        cls,
        typeid: str,
        callable: Callable[..., object] | None = None,
        proxytype: Callable[..., BaseProxy] | None = None,
        exposed: Sequence[str] | None = None,
        method_to_typeid: Mapping[str, str] | None = None,
        create_method: bool = True,
    ) -> None: ...

class ForegroundServer:
    listener: Listener | None
    address: _Address
    def __init__(self, manager: BaseManager) -> None: ...
    def serve_forever(self) -> NoReturn: ...

# Locks and the like are proxies. They are said to be of the classes that they stand for, as multiprocessing's are: functions that
# take either need no second annotation.
class SyncManager(BaseManager):
    def Queue(self, maxsize: int = 0) -> queue.Queue[Any]: ...
    def JoinableQueue(self, maxsize: int = 0) -> queue.Queue[Any]: ...
    def Event(self) -> threading.Event: ...
    def Lock(self) -> threading.Lock: ...
    def RLock(self) -> threading.RLock: ...
    def Semaphore(self, value: int = 1) -> threading.Semaphore: ...
    def BoundedSemaphore(self, value: int = 1) -> threading.BoundedSemaphore: ...
    def Condition(self, lock: threading.Lock | threading.RLock | None = None) -> threading.Condition: ...
    # An action would have to run in the manager's process, which refuses it.
    def Barrier(self, parties: int, action: None = None, timeout: float | None = None) -> threading.Barrier: ...
    def Namespace(self, /, **named: Any) -> _Namespace: ...
    def Value(self, typecode: str, value: _T, lock: bool = True) -> ValueProxy[_T]: ...
    def Array(self, typecode: str, sequence: Iterable[_T], lock: bool = True) -> ArrayProxy[_T]: ...
    @overload
    def list(self) -> ListProxy[Any]: ...
    @overload
    def list(self, values: Iterable[_T], /) -> ListProxy[_T]: ...
    @overload
    def dict(self) -> DictProxy[Any, Any]: ...
    @overload
    def dict(self, **named: _V) -> DictProxy[str, _V]: ...
    @overload
    def dict(self, pairs: SupportsKeysAndGetItem[_K, _V] | Iterable[tuple[_K, _V]], /) -> DictProxy[_K, _V]: ...
    @overload
    def dict(
        self, pairs: SupportsKeysAndGetItem[str, _V] | Iterable[tuple[str, _V]], /, **named: _V
    ) -> DictProxy[str, _V]: ...
    # It would have to run Python code in the manager's process, which refuses it.
    def Pool(self, *args: Any, **kwds: Any) -> NoReturn: ...

def Manager() -> SyncManager: ...
def started(context: BaseContext) -> SyncManager: ...
def __getattr__(name: str) -> Any: ...
