from collections.abc import Callable
from typing import Any, TypeAlias, TypeVar

from commonhold._native import Object

_Address: TypeAlias = str | tuple[str, int]

_R = TypeVar("_R")

def pickled(dump: Callable[[Any], _R], value: Any) -> _R: ...
def is_own(error: BaseException) -> bool: ...

class Codec:
    name: str
    def __init__(self, address: _Address) -> None: ...
    def dumps(self, value: Any) -> tuple[bytes, list[Object]]: ...
    def loads(self, data: bytes, proxies: list[Any]) -> Any: ...
