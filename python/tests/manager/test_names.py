"""Only the import changes: whatever multiprocessing has, this package has under the same name."""

import importlib
import multiprocessing
import multiprocessing.managers
import multiprocessing.pool
import pickle
import pkgutil

import pytest

import commonhold.multiprocessing as ours


def names_of(module):
    return {name for name in getattr(module, "__all__", dir(module)) if not name.startswith("_")}


def test_every_name_of_multiprocessing_is_here():
    assert names_of(multiprocessing) <= names_of(ours)
    for name in names_of(multiprocessing) - {"Manager", "get_context"}:
        assert getattr(ours, name) is getattr(multiprocessing, name)
    found = {}
    exec("from commonhold.multiprocessing import *", found)
    assert names_of(ours) <= set(found) and found["Manager"] is ours.Manager
    for name in dir(multiprocessing.managers):
        assert hasattr(ours.managers, name), name
    assert ours.managers.SharedMemoryManager is multiprocessing.managers.SharedMemoryManager
    assert set(multiprocessing.managers.__all__) <= set(ours.managers.__all__)
    with pytest.raises(AttributeError):
        ours.nothing


# What is for Windows cannot be imported here, and two are this package's.
@pytest.mark.parametrize(
    "name",
    sorted({found.name for found in pkgutil.iter_modules(multiprocessing.__path__)} - {"context", "managers", "popen_spawn_win32"}),
)
def test_its_modules_are_multiprocessings_own(name):
    module = importlib.import_module(f"commonhold.multiprocessing.{name}")
    assert module is importlib.import_module(f"multiprocessing.{name}") is getattr(ours, name)


@pytest.mark.parametrize("method", [None, "fork", "spawn", "forkserver"])
def test_a_context_has_our_manager(method):
    context = ours.get_context(method)
    assert isinstance(context, ours.context.BaseContext) and context.Process is multiprocessing.get_context(method).Process
    assert type(pickle.loads(pickle.dumps(context))) is type(context)
    with context.Manager() as manager:
        assert type(manager) is ours.SyncManager and isinstance(manager._process, context.Process)
        assert manager.dict(a=1).copy() == {"a": 1}
    with pytest.raises(ValueError, match="cannot find context"):
        ours.get_context("thread")
