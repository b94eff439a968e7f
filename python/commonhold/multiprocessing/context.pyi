from multiprocessing import context
from multiprocessing.context import BaseContext as BaseContext
from multiprocessing.context import DefaultContext as DefaultContext
from multiprocessing.context import Process as Process
from typing import Literal, overload

from commonhold.multiprocessing.managers import SyncManager

__all__ = ["ForkContext", "ForkServerContext", "SpawnContext", "get_context"]

class _Managing:
    def Manager(self) -> SyncManager: ...

class ForkContext(_Managing, context.ForkContext): ...  # type: ignore[misc]
class SpawnContext(_Managing, context.SpawnContext): ...  # type: ignore[misc]
class ForkServerContext(_Managing, context.ForkServerContext): ...  # type: ignore[misc]

@overload
def get_context(method: Literal["fork"]) -> ForkContext: ...
@overload
def get_context(method: Literal["spawn"]) -> SpawnContext: ...
@overload
def get_context(method: Literal["forkserver"]) -> ForkServerContext: ...
@overload
def get_context(method: str | None = None) -> ForkContext | SpawnContext | ForkServerContext: ...
