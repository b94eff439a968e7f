from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, ClassVar, TypeAlias

from commonhold._native import Object
from commonhold.multiprocessing.managers import BaseManager

_Address: TypeAlias = str | tuple[str, int]

TYPEIDS: dict[str, str]
CLASSES: dict[str, Callable[..., BaseProxy]]

class Token:
    typeid: str
    address: _Address
    id: str
    def __init__(
        self, typeid: str, address: _Address, id: str, extra: dict[str, Any] | None = None, held: Any = None
    ) -> None: ...
    def __getstate__(self) -> tuple[str, _Address, str, dict[str, Any]]: ...
    def __setstate__(self, state: tuple[str, _Address, str, dict[str, Any]]) -> None: ...

def token_of(typeid: str, address: _Address, referent: Object, extra: dict[str, Any]) -> Token: ...

class BaseProxy:
    # What a subclass may say of itself, and what its methods stand on.
    _exposed_: ClassVar[Sequence[str]]
    def __init__(
        self,
        token: Token,
        serializer: str,
        manager: BaseManager | None = None,
        authkey: bytes | None = None,
        exposed: Iterable[str] | None = None,
        incref: bool = True,
        manager_owned: bool = False,
    ) -> None: ...
    def _callmethod(self, methodname: str, args: Iterable[Any] = (), kwds: Mapping[str, Any] = {}) -> Any: ...
    def _getvalue(self) -> Any: ...
    def __reduce__(self) -> tuple[Any, ...]: ...
    def __deepcopy__(self, memo: dict[int, Any] | None) -> Any: ...

def RebuildProxy(
    func: Callable[..., BaseProxy], token: Token, serializer: str, kwds: dict[str, Any]
) -> BaseProxy: ...
def MakeProxyType(
    name: str, exposed: Iterable[str], _cache: dict[tuple[str, tuple[str, ...]], type[BaseProxy]] = ...
) -> type[BaseProxy]: ...

# Its methods are known when it is made: a checker allows all.
def AutoProxy(
    token: Token,
    serializer: str,
    manager: BaseManager | None = None,
    authkey: bytes | None = None,
    exposed: Iterable[str] | None = None,
    incref: bool = True,
    manager_owned: bool = False,
) -> Any: ...
