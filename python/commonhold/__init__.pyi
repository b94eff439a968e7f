from os import PathLike

from commonhold._native import Client as Client
from commonhold._native import Dict as Dict
from commonhold.errors import AuthenticationError as AuthenticationError
from commonhold.errors import Conflict as Conflict
from commonhold.errors import ConnectionLost as ConnectionLost
from commonhold.errors import Error as Error
from commonhold.errors import OutOfBounds as OutOfBounds
from commonhold.errors import Refused as Refused
from commonhold.errors import WrongKind as WrongKind
from commonhold.errors import WrongType as WrongType

__all__: list[str]

def connect(
    url: str | None = None,
    *,
    key_file: str | PathLike[str] | None = None,
    name: str | None = None,
) -> Client: ...
