from typing import Any

from commonhold._native import Object
from commonhold.client import Client
from commonhold.codecs import Codec

KEPT: float

def reduce(proxy: Object) -> tuple[Any, ...]: ...
def rebuild(
    where: tuple[str, str | None, str | Codec | None],
    kind: str,
    name: str | None,
    oid: int | None,
    made: tuple[Any, ...],
    block: tuple[Any, ...] | None,
) -> Object: ...
def client_at(url: str, key_file: str | None, codec: str | Codec | None) -> Client: ...
def same_codec(one: str | Codec | None, other: str | Codec | None) -> bool: ...
