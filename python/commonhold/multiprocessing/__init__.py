"""Managers as those of multiprocessing, of objects that the server holds: only the import changes.

    from commonhold.multiprocessing import Manager

    with Manager() as manager:
        counts = manager.dict()
        counts["a"] = 0
        counts["a"] += 1    # one step, whoever else does it

What is not here is multiprocessing's own: `commonhold.multiprocessing.Process` is `multiprocessing.Process`, and
`commonhold.multiprocessing.pool` is `multiprocessing.pool`.
"""

import importlib as _importlib
import multiprocessing as _multiprocessing
import sys as _sys

from commonhold.multiprocessing.base import AutoProxy, BaseProxy, MakeProxyType, Token
from commonhold.multiprocessing.context import get_context
from commonhold.multiprocessing.errors import AuthenticationError, ProcessError, RemoteError
from commonhold.multiprocessing.managers import BaseManager, Manager, SyncManager
from commonhold.multiprocessing.proxies import (
    AcquirerProxy,
    ArrayProxy,
    BarrierProxy,
    ConditionProxy,
    DictProxy,
    EventProxy,
    IteratorProxy,
    ListProxy,
    NamespaceProxy,
    ValueProxy,
)

__all__ = sorted({*_multiprocessing.__all__, *(name for name in dir() if name[0].isupper())})

# The very modules, so that their classes are the same whichever way they are imported.
for _name in (
    "connection", "dummy", "forkserver", "heap", "pool", "popen_fork", "popen_forkserver", "popen_spawn_posix", "process",
    "queues", "reduction", "resource_sharer", "resource_tracker", "shared_memory", "sharedctypes", "spawn", "synchronize",
    "util",
):  # fmt: skip
    _module = _importlib.import_module(f"multiprocessing.{_name}")
    globals()[_name] = _sys.modules[f"{__name__}.{_name}"] = _module


def __getattr__(name):
    return getattr(_multiprocessing, name)
