from os import PathLike
from typing import Any, Literal, Self, final

from typing_extensions import disjoint_base

__all__ = ["AsyncClient", "AsyncObject", "Call", "Client", "Driver", "Grant", "Object", "Opened", "Raw", "Server", "command"]

@disjoint_base
class Client:
    def __new__(
        cls,
        url: str | None = None,
        *,
        key_file: str | PathLike[str] | None = None,
        name: str | None = None,
        codec: Any = None,
        authkey: bytes | None = None,
        patience: tuple[float, float] | None = None,
        opened: Opened | None = None,
    ) -> Self: ...
    @property
    def url(self) -> str: ...
    def close(self) -> None: ...
    def __enter__(self) -> Self: ...
    def __exit__(
        self,
        *_exception: object,
    ) -> None: ...

@disjoint_base
class Object:
    def __new__(
        cls,
        client: Client,
        kind: str,
        name: str | None,
        *,
        durability: Literal["durable", "relaxed", "memory"] | None = None,
        exists: bool | None = None,
        options: dict[str, Any] | None = None,
        like: Object | None = None,
        fence: tuple[int, int] | None = None,
        oid: int | None = None,
    ) -> Self: ...
    @property
    def kind(self) -> str: ...
    @property
    def name(self) -> str | None: ...
    @property
    def client(self) -> Any: ...
    def __reduce__(self) -> tuple[Any, ...]: ...

@final
class Raw:
    def __getitem__(self, index: int, /) -> Raw: ...

@final
class Grant:
    @property
    def lost(self) -> bool: ...

@disjoint_base
class AsyncClient:
    def __new__(
        cls,
        url: str | None = None,
        *,
        key_file: str | PathLike[str] | None = None,
        name: str | None = None,
        codec: Any = None,
        heartbeat: bool = True,
        authkey: bytes | None = None,
    ) -> Self: ...
    @property
    def url(self) -> str: ...

@disjoint_base
class AsyncObject:
    def __new__(
        cls,
        client: AsyncClient,
        kind: str,
        name: str | None,
        *,
        durability: Literal["durable", "relaxed", "memory"] | None = None,
        exists: bool | None = None,
        options: dict[str, Any] | None = None,
        like: AsyncObject | None = None,
        fence: tuple[int, int] | None = None,
    ) -> Self: ...
    @property
    def kind(self) -> str: ...
    @property
    def name(self) -> str | None: ...
    @property
    def client(self) -> AsyncClient: ...

@final
class Call:
    @property
    def number(self) -> int: ...
    def take(self, not_yet: Any) -> Any: ...
    def abandon(self) -> None: ...

@final
class Driver:
    def fileno(self) -> int: ...
    def attend(self) -> None: ...
    def drive(self) -> tuple[list[int], float | None, bool]: ...
    def forget(self) -> None: ...

def command(program: list[str], arguments: list[str]) -> int: ...

@final
class Opened:
    def __new__(cls, folder: str | PathLike[str]) -> Self: ...
    @property
    def folder(self) -> PathLike[str]: ...
    @property
    def socket(self) -> PathLike[str]: ...
    @property
    def serves(self) -> bool: ...
    def close(self) -> None: ...

@final
class Server:
    def __new__(
        cls,
        listen: list[str | tuple[str, int]],
        authkey: bytes,
        *,
        data: str | PathLike[str] | None = None,
        cores: int = 1,
    ) -> Self: ...
    @property
    def listen(self) -> list[PathLike[str] | tuple[str, int]]: ...
    def failure(self) -> str | None: ...
    def stop(self) -> bool: ...
