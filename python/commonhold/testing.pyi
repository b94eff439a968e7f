from contextlib import AbstractContextManager
from os import PathLike
from subprocess import Popen

from commonhold.aio.client import AsyncClient
from commonhold.client import Client
from commonhold.codecs import Codec

__all__ = ["Server", "server"]

class Server:
    url: str
    authkey: bytes
    def __init__(self, process: Popen[str], url: str, authkey: bytes) -> None: ...
    def connect(self, *, name: str | None = None, codec: str | Codec | None = None) -> Client: ...
    async def connect_aio(self, *, name: str | None = None, codec: str | Codec | None = None) -> AsyncClient: ...
    @property
    def pid(self) -> int: ...

def server(*, data: str | PathLike[str] | None = None) -> AbstractContextManager[Server]: ...
