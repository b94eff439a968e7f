"""A server inside this process, as a manager's process has it."""

import errno
import tempfile

import pytest

import commonhold
from commonhold import _native
from commonhold.client import Client

KEY = b"password"


@pytest.fixture
def folder():
    with tempfile.TemporaryDirectory(prefix="commonhold-") as folder:
        yield folder


def url_of(server):
    [address] = server.listen
    return f"tcp://{address[0]}:{address[1]}" if isinstance(address, tuple) else f"unix://{address}"


def connect(server, authkey=KEY, **options):
    return Client(url_of(server), authkey=authkey, patience=(0.0, 0.0), **options)


@pytest.mark.parametrize("where", ["unix", "tcp"])
def test_clients_of_the_same_key_are_served(folder, where):
    server = _native.Server([f"{folder}/socket" if where == "unix" else ("127.0.0.1", 0)], KEY)
    with connect(server) as ch:
        ch.dict("d")["k"] = 1
        assert ch.dict("d")["k"] == 1
        assert ch.status()["store"] == "memory"
    with pytest.raises(commonhold.AuthenticationError):
        connect(server, b"passwort")
    assert server.failure() is None
    assert server.stop()
    assert server.stop(), "a second time it does nothing"
    with pytest.raises(commonhold.ConnectionLost):
        connect(server)


@pytest.mark.parametrize("key", [b"", b"k", bytes(range(200, 232)), b"x" * 10_000])
def test_a_key_of_any_length_is_a_key(folder, key):
    server = _native.Server([f"{folder}/socket"], key)
    with connect(server, key) as ch:
        assert ch.counter("n").increment() == 1
    with pytest.raises(commonhold.AuthenticationError):
        connect(server, key + b"k")
    server.stop()


def test_an_address_in_use_is_an_error_of_the_system(folder):
    server = _native.Server([("127.0.0.1", 0)], KEY)
    with pytest.raises(OSError) as caught:
        _native.Server(server.listen, KEY)
    assert caught.value.errno == errno.EADDRINUSE
    server.stop()
    _native.Server(server.listen, KEY).stop()


def test_a_data_folder_outlives_its_server(folder):
    for n in (1, 2):
        server = _native.Server([f"{folder}/socket"], KEY, data=f"{folder}/data")
        with connect(server) as ch:
            assert ch.counter("n").increment() == n
            assert ch.status()["data"] == f"{folder}/data"
        assert server.stop()


def test_a_data_folder_has_one_server(folder):
    server = _native.Server([f"{folder}/socket"], KEY, data=f"{folder}/data")
    with pytest.raises(commonhold.Error, match="in use|lock|pid"):
        _native.Server([f"{folder}/other"], KEY, data=f"{folder}/data")
    server.stop()
