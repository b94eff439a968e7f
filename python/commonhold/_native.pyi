from os import PathLike
from types import TracebackType
from typing import Any, Literal, Self, final

@final
class Client:
    def __new__(
        cls,
        url: str | None = None,
        *,
        key_file: str | PathLike[str] | None = None,
        name: str | None = None,
    ) -> Self: ...
    def dict(
        self,
        name: str,
        *,
        durability: Literal["durable", "relaxed", "memory"] | None = None,
    ) -> Dict: ...
    @property
    def url(self) -> str: ...
    def close(self) -> None: ...
    def __enter__(self) -> Self: ...
    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
        /,
    ) -> None: ...

@final
class Dict:
    # Keys and values are None, bool, int, float, str, bytes, list, tuple, dict, set and frozenset, nested as in Python.
    # `d[k] += 1` reads and writes: another client may come between. `increment` is one step.
    @property
    def name(self) -> str: ...
    @property
    def client(self) -> Client: ...
    def get(self, key: Any, default: Any = None) -> Any: ...
    def set(self, key: Any, value: Any) -> None: ...
    def increment(
        self,
        key: Any,
        by: float = 1,
        *,
        default: float | None = 0,
        min: float | None = None,
        max: float | None = None,
        clamp: bool = False,
    ) -> Any: ...
    def __getitem__(self, key: Any, /) -> Any: ...
    def __setitem__(self, key: Any, value: Any, /) -> None: ...
