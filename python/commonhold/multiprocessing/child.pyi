from collections.abc import Callable, Iterable, Mapping
from multiprocessing.connection import Connection
from typing import Any, TypeAlias

from commonhold._native import Object
from commonhold.multiprocessing.clients import Client

_Address: TypeAlias = str | tuple[str, int]
_Callables: TypeAlias = Mapping[str, Callable[..., object] | None]

REQUESTS: str

def run(
    callables: _Callables,
    address: _Address,
    authkey: bytes,
    data: str | None,
    control: Connection[Any, Any],
    initializer: Callable[..., object] | None,
    initargs: Iterable[Any],
) -> None: ...

class Server:
    address: _Address
    def __init__(self, callables: _Callables, address: _Address, authkey: bytes, data: str | None) -> None: ...
    def serve_until(self, ends: list[Any]) -> None: ...
    def stop(self) -> None: ...

def serve_here(callables: _Callables, address: _Address, authkey: bytes, data: str | None) -> None: ...

class Service:
    def __init__(self, callables: _Callables, address: _Address, authkey: bytes) -> None: ...

class Adoption:
    def __init__(self, client: Client) -> None: ...
    def adopt(self, name: str, found: object, lasting: bool) -> Object: ...
