"""Managers start, connect, shut down, and refuse in CPython's words."""

import errno
import multiprocessing
import os
import pickle
import signal
import subprocess
import sys
import threading
import time

import pytest

from commonhold.multiprocessing import (
    AutoProxy,
    BaseManager,
    BaseProxy,
    DictProxy,
    Manager,
    MakeProxyType,
    ProcessError,
    RemoteError,
    SyncManager,
)

KEY = b"password"


class Own(BaseManager):
    pass


class Slim(BaseProxy):
    _exposed_ = ("__getitem__", "__setitem__")

    def read(self, key):
        return self._callmethod("__getitem__", (key,))

    def write(self, key, value):
        self._callmethod("__setitem__", (key, value))


COUNTS = {"a": 1}
NAMES = ["x"]


def counts():
    return COUNTS


def make(**pairs):
    return dict(pairs)


def sentence():
    return "text"


def broken():
    raise ZeroDivisionError("on purpose")


Own.register("counts", counts, DictProxy)
Own.register("same_counts", counts)
Own.register("names", lambda: NAMES)
Own.register("make", make)
Own.register("fresh", dict, Slim)
Own.register("few", dict, exposed=("get",))
Own.register("sentence", sentence)
Own.register("slim", Slim)
Own.register("broken", broken)
Own.register("hidden", counts, create_method=False)
Own.register("ours", dict, MakeProxyType("Ours", ("__len__", "update")))


@pytest.fixture
def own():
    with Own(ctx=multiprocessing.get_context("fork")) as manager:
        yield manager


def test_a_manager_starts_once_and_ends_once():
    manager = SyncManager()
    with pytest.raises(AssertionError, match="server not yet started"):
        manager.dict()
    with pytest.raises(TypeError, match="initializer must be a callable"):
        manager.start(1)
    assert not hasattr(manager, "shutdown")
    manager.start()
    with pytest.raises(ProcessError, match="Already started server"):
        manager.start()
    with pytest.raises(ProcessError, match="Already started server"):
        manager.get_server()
    shared = manager.dict(a=1)
    assert multiprocessing.active_children() == [manager._process]
    manager.shutdown()
    assert manager._process.exitcode == 0
    manager.shutdown()
    manager.join()
    for act in (manager.start, manager.get_server, manager.__enter__):
        with pytest.raises(ProcessError, match="Manager has shut down"):
            act()
    with pytest.raises(AssertionError):
        manager.dict()
    for gone in (ConnectionError, EOFError):
        with pytest.raises(gone, match="was shut down by this process"):
            shared["a"]
    assert str(shared).endswith("; '__str__()' failed>")


def test_an_address_is_a_path_or_a_host_with_a_port(tmp_path):
    with Manager() as manager:
        assert isinstance(manager.address, str)
        assert manager._process.name.startswith("SyncManager-")
    with SyncManager(("127.0.0.1", 0), KEY) as manager:
        host, port = manager.address
        assert host == "127.0.0.1" and port > 0
        with pytest.raises(OSError) as caught:
            SyncManager(manager.address, KEY).start()
        assert caught.value.errno == errno.EADDRINUSE
    with SyncManager(str(tmp_path / "socket"), KEY) as manager:
        assert manager.address == str(tmp_path / "socket")
    # The address is free again.
    with SyncManager((host, port), KEY) as manager:
        assert manager.list([1])[:] == [1]


def test_who_connects_needs_the_key():
    with SyncManager(("127.0.0.1", 0), KEY) as manager:
        other = SyncManager(manager.address, KEY)
        other.connect()
        assert other.dict(a=1).copy() == {"a": 1} and not hasattr(other, "shutdown")
        for key in (b"wrong", None, b"", bytes(range(200, 232))):
            with pytest.raises(multiprocessing.AuthenticationError, match="digest sent was rejected"):
                SyncManager(manager.address, key).connect()
    with pytest.raises(ConnectionRefusedError):
        SyncManager(manager.address, KEY).connect()
    with pytest.raises(FileNotFoundError):
        SyncManager("/tmp/there/is/none", KEY).connect()
    with pytest.raises(TypeError):
        SyncManager(authkey="text")
    with pytest.raises(ValueError, match="address type of None unrecognized"):
        SyncManager().connect()
    with pytest.raises(ValueError, match="address type of 5 unrecognized"):
        SyncManager(address=5).start()


def test_a_folder_that_is_not_there_is_not_made(tmp_path):
    address = str(tmp_path / "none" / "socket")
    for act in (SyncManager(address).start, SyncManager(address).get_server):
        with pytest.raises(FileNotFoundError, match="none/socket"):
            act()
    assert not (tmp_path / "none").exists()


def test_a_server_is_made_before_it_serves():
    manager = SyncManager(("127.0.0.1", 0), KEY)
    server = manager.get_server()
    address = server.address
    with pytest.raises(OSError):
        SyncManager(address, KEY).start()
    server.listener.close()
    manager.start()
    manager.shutdown()


def _serve(sender):
    server = SyncManager(("127.0.0.1", 0), KEY).get_server()
    sender.send(server.address)
    server.serve_forever()


def test_a_server_serves_in_the_foreground():
    receiver, sender = multiprocessing.Pipe(False)
    process = multiprocessing.get_context("fork").Process(target=_serve, args=(sender,))
    process.start()
    manager = SyncManager(receiver.recv(), KEY)
    while manager._state.value == 0:
        try:
            manager.connect()
        except ConnectionRefusedError:
            assert process.is_alive()
    assert manager.dict(a=1)["a"] == 1
    process.terminate()
    process.join()
    assert process.exitcode == -signal.SIGTERM


SERVING_IN_A_THREAD = """
import threading, time
from commonhold.multiprocessing import SyncManager
server = SyncManager(("127.0.0.1", 0), b"key").get_server()
threading.Thread(target=server.serve_forever, daemon=True).start()
manager = SyncManager(server.address, b"key")
until = time.monotonic() + 30
while manager._state.value == 0:
    try:
        manager.connect()
    except ConnectionRefusedError:
        assert time.monotonic() < until
print(manager.dict(a=1)["a"])
"""


def test_a_server_serves_in_a_thread():
    # From then on the process has threads: not this one.
    done = subprocess.run([sys.executable, "-c", SERVING_IN_A_THREAD], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, "1\n", "")


def test_a_manager_that_died_leaves_the_next_one_at_its_address_alone(tmp_path):
    first = SyncManager(str(tmp_path / "s"))
    first.start()
    old = first.dict(a=1)
    assert old["a"] == 1
    os.kill(first._process.pid, signal.SIGKILL)
    first.join()
    with SyncManager(str(tmp_path / "s")) as second:
        d, lock = second.dict(a=1), second.Lock()
        lock.acquire()
        with pytest.raises(ConnectionError, match="another one serves there"):
            old["a"]
        first.shutdown()
        assert d.copy() == {"a": 1} and lock.locked()
        lock.release()


def test_what_is_registered_is_the_classes_own():
    class One(BaseManager):
        pass

    class Two(One):
        pass

    Two.register("d", dict, DictProxy)
    assert not hasattr(One, "d") and not hasattr(BaseManager, "d")
    assert "d" in Two._registry and "d" not in One._registry
    with pytest.raises(AssertionError):
        One.register("e", dict, method_to_typeid={"keys": 1})


def test_the_same_object_of_the_program_is_the_same_shared_object(own):
    first, second = own.counts(), own.same_counts()
    first["a"] += 1
    assert second["a"] == 2 and second.items() == [("a", 2)]
    assert type(first) is DictProxy and type(second).__name__ == "AutoProxy[same_counts]"
    assert COUNTS == {"a": 1}
    own.names().append("y")
    assert own.names()[:] == ["x", "y"]


def test_what_a_callable_builds_anew_is_a_new_object(own):
    first, second = own.make(a=1), own.make(a=1)
    first["a"] = 2
    assert second["a"] == 1
    held = own._number_of_objects()
    del first, second
    assert own._number_of_objects() == held - 2


def test_a_type_of_the_server_is_made_by_it(own):
    fresh = own.fresh({"a": 1})
    fresh.write("b", 2)
    assert fresh.read("b") == 2 and type(fresh) is Slim
    with pytest.raises(KeyError):
        fresh.read("c")
    with pytest.raises(RemoteError, match="not exposed"):
        fresh._callmethod("pop", ("a",))
    few = own.few(a=1)
    assert few.get("a") == 1 and not hasattr(few, "pop")
    ours = own.ours()
    ours.update(a=1)
    assert len(ours) == 1 and type(ours).__name__ == "Ours"


def test_a_proxytype_may_be_a_function(own):
    made = []

    def proxy(token, serializer, manager=None, authkey=None, exposed=None, incref=True, manager_owned=False):
        made.append(exposed)
        return AutoProxy(token, serializer, manager=manager, authkey=authkey, exposed=exposed)

    class Further(Own):
        pass

    Further.register("counts", dict, proxy)
    with Further() as manager:
        assert manager.counts(a=1).get("a") == 1
    assert made and "get" in made[0]


def test_what_would_need_python_code_is_refused_with_a_sentence(own, manager):
    for act, sentence in [
        (own.sentence, "sentence is a builtins.str: this version shares"),
        (own.slim, r"slim is a \S+\.Slim: this version shares"),
        (own.broken, "ZeroDivisionError: on purpose"),
        (manager.Pool, r"Pool is a multiprocessing\.pool\.Pool: this version shares"),
        (lambda: manager.Barrier(2, print), "a Barrier with an action .* let the caller run it for whom wait.. returns 0"),
    ]:
        with pytest.raises(RemoteError, match=sentence):
            act()


def test_a_connection_belongs_to_its_process(manager):
    with pytest.raises(TypeError, match="send a proxy"):
        pickle.dumps(manager._client())


def test_another_serializer_is_refused_with_a_sentence():
    with pytest.raises(ValueError, match="the serializer 'xmlrpclib' is not supported: leave it out, or give 'pickle'"):
        SyncManager(serializer="xmlrpclib")


def test_who_connects_need_not_register(own):
    other = BaseManager(own.address)
    other.connect()
    assert other.make(a=1)["a"] == 1
    assert other.hidden()["a"] == own.counts()["a"]
    with pytest.raises(AttributeError, match="nothing is registered as 'nothing'"):
        other.nothing


def test_a_killed_manager_is_an_error_of_the_connection_at_once(manager):
    shared = manager.dict(a=1)
    blocked = manager.Event()
    failed = []

    def wait():
        try:
            blocked.wait()
        except (ConnectionError, EOFError) as error:
            failed.append(error)

    waiter = threading.Thread(target=wait)
    waiter.start()
    os.kill(manager._process.pid, signal.SIGKILL)
    waiter.join(30)
    assert len(failed) == 1
    with pytest.raises((ConnectionError, FileNotFoundError)):
        shared["a"]


def test_sigterm_ends_a_manager_in_order(tmp_path):
    manager = SyncManager(str(tmp_path / "socket"))
    manager.start()
    manager._process.terminate()
    manager.join()
    assert not (tmp_path / "socket").exists()
    manager.shutdown()


def test_sigint_is_the_programs_affair(manager):
    os.kill(manager._process.pid, signal.SIGINT)
    assert manager.dict(a=1)["a"] == 1
