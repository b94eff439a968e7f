from asyncio import AbstractEventLoop
from typing import Any

from commonhold._native import Call, Driver

class Conductor:
    loop: AbstractEventLoop
    def __init__(self, driver: Driver) -> None: ...
    def expect(self) -> None: ...
    async def finish(self, call: Call) -> Any: ...
