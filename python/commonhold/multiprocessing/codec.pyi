from typing import Any, TypeAlias

from commonhold._native import Object

_Address: TypeAlias = str | tuple[str, int]

class Codec:
    name: str
    def __init__(self, address: _Address) -> None: ...
    def dumps(self, value: Any) -> tuple[bytes, list[Object]]: ...
    def loads(self, data: bytes, proxies: list[Any]) -> Any: ...
