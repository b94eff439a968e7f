# What this package does not have of its own is multiprocessing's: every name of it can be imported from here.
from multiprocessing import Array as Array
from multiprocessing import Barrier as Barrier
from multiprocessing import BoundedSemaphore as BoundedSemaphore
from multiprocessing import BufferTooShort as BufferTooShort
from multiprocessing import Condition as Condition
from multiprocessing import Event as Event
from multiprocessing import JoinableQueue as JoinableQueue
from multiprocessing import Lock as Lock
from multiprocessing import Pipe as Pipe
from multiprocessing import Pool as Pool
from multiprocessing import Process as Process
from multiprocessing import Queue as Queue
from multiprocessing import RLock as RLock
from multiprocessing import RawArray as RawArray
from multiprocessing import RawValue as RawValue
from multiprocessing import Semaphore as Semaphore
from multiprocessing import SimpleQueue as SimpleQueue
from multiprocessing import TimeoutError as TimeoutError
from multiprocessing import Value as Value
from multiprocessing import active_children as active_children
from multiprocessing import allow_connection_pickling as allow_connection_pickling
from multiprocessing import cpu_count as cpu_count
from multiprocessing import current_process as current_process
from multiprocessing import freeze_support as freeze_support
from multiprocessing import get_all_start_methods as get_all_start_methods
from multiprocessing import get_logger as get_logger
from multiprocessing import get_start_method as get_start_method
from multiprocessing import log_to_stderr as log_to_stderr
from multiprocessing import parent_process as parent_process
from multiprocessing import reducer as reducer
from multiprocessing import set_executable as set_executable
from multiprocessing import set_forkserver_preload as set_forkserver_preload
from multiprocessing import set_start_method as set_start_method
from multiprocessing import connection as connection
from multiprocessing import dummy as dummy
from multiprocessing import pool as pool
from multiprocessing import process as process
from multiprocessing import queues as queues
from multiprocessing import reduction as reduction
from multiprocessing import shared_memory as shared_memory
from multiprocessing import sharedctypes as sharedctypes
from multiprocessing import synchronize as synchronize
from multiprocessing import forkserver as forkserver
from multiprocessing import heap as heap
from multiprocessing import popen_fork as popen_fork
from multiprocessing import popen_forkserver as popen_forkserver
from multiprocessing import popen_spawn_posix as popen_spawn_posix
from multiprocessing import resource_sharer as resource_sharer
from multiprocessing import resource_tracker as resource_tracker
from multiprocessing import spawn as spawn
from multiprocessing import util as util

from commonhold.multiprocessing.base import AutoProxy as AutoProxy
from commonhold.multiprocessing.base import BaseProxy as BaseProxy
from commonhold.multiprocessing.base import MakeProxyType as MakeProxyType
from commonhold.multiprocessing.base import Token as Token
from commonhold.multiprocessing.context import get_context as get_context
from commonhold.multiprocessing.errors import AuthenticationError as AuthenticationError
from commonhold.multiprocessing.errors import ProcessError as ProcessError
from commonhold.multiprocessing.errors import RemoteError as RemoteError
from commonhold.multiprocessing.managers import BaseManager as BaseManager
from commonhold.multiprocessing.managers import Manager as Manager
from commonhold.multiprocessing.managers import SyncManager as SyncManager
from commonhold.multiprocessing.proxies import AcquirerProxy as AcquirerProxy
from commonhold.multiprocessing.proxies import ArrayProxy as ArrayProxy
from commonhold.multiprocessing.proxies import BarrierProxy as BarrierProxy
from commonhold.multiprocessing.proxies import ConditionProxy as ConditionProxy
from commonhold.multiprocessing.proxies import DictProxy as DictProxy
from commonhold.multiprocessing.proxies import EventProxy as EventProxy
from commonhold.multiprocessing.proxies import IteratorProxy as IteratorProxy
from commonhold.multiprocessing.proxies import ListProxy as ListProxy
from commonhold.multiprocessing.proxies import NamespaceProxy as NamespaceProxy
from commonhold.multiprocessing.proxies import ValueProxy as ValueProxy

__all__ = [
    "AcquirerProxy",
    "Array",
    "ArrayProxy",
    "AuthenticationError",
    "AutoProxy",
    "Barrier",
    "BarrierProxy",
    "BaseManager",
    "BaseProxy",
    "BoundedSemaphore",
    "BufferTooShort",
    "Condition",
    "ConditionProxy",
    "DictProxy",
    "Event",
    "EventProxy",
    "IteratorProxy",
    "JoinableQueue",
    "ListProxy",
    "Lock",
    "MakeProxyType",
    "Manager",
    "NamespaceProxy",
    "Pipe",
    "Pool",
    "Process",
    "ProcessError",
    "Queue",
    "RLock",
    "RawArray",
    "RawValue",
    "RemoteError",
    "Semaphore",
    "SimpleQueue",
    "SyncManager",
    "TimeoutError",
    "Token",
    "Value",
    "ValueProxy",
    "active_children",
    "allow_connection_pickling",
    "cpu_count",
    "current_process",
    "freeze_support",
    "get_all_start_methods",
    "get_context",
    "get_logger",
    "get_start_method",
    "log_to_stderr",
    "parent_process",
    "reducer",
    "set_executable",
    "set_forkserver_preload",
    "set_start_method",
]
