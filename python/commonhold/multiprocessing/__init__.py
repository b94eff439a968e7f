"""Managers as those of multiprocessing, of objects that the server holds: only the import changes.

    from commonhold.multiprocessing import Manager

    with Manager() as manager:
        counts = manager.dict()
        counts["a"] = 0
        counts["a"] += 1    # one step, whoever else does it

What is not here is multiprocessing's own: `commonhold.multiprocessing.Process` is `multiprocessing.Process`.
"""

import multiprocessing as _multiprocessing

from commonhold.multiprocessing.base import AutoProxy, BaseProxy, MakeProxyType, Token
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

__all__ = [name for name in dir() if name[0].isupper()]


def __getattr__(name):
    return getattr(_multiprocessing, name)
