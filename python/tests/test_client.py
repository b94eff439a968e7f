"""Connections: keys, threads, signals, and servers that stop or die."""

import gc
import os
import signal
import threading
import time

import pytest

import commonhold


def after(seconds, act):
    """Acts in a little while; to be joined."""
    timer = threading.Timer(seconds, act)
    timer.start()
    return timer


def test_a_wrong_key_is_told_within_a_second(server, tmp_path):
    wrong = tmp_path / "wrong"
    wrong.write_text("chk1_" + "A" * 43)
    begin = time.monotonic()
    with pytest.raises(commonhold.AuthenticationError, match="wrong"):
        server.connect(key_file=wrong)
    assert time.monotonic() - begin < 1


def test_an_absent_server_is_told(tmp_path, server):
    with pytest.raises(commonhold.ConnectionLost) as raised:
        commonhold.connect(f"unix://{tmp_path}/nobody", key_file=server.key_file)
    assert raised.value.happened is False
    assert isinstance(raised.value, ConnectionError)
    with pytest.raises(commonhold.Error, match="ftp"):
        commonhold.connect("ftp://x", key_file=server.key_file)


def test_a_closed_client_makes_no_calls(server):
    ch = server.connect()
    d = ch.dict("x")
    ch.close()
    ch.close()
    with pytest.raises(commonhold.Error, match="closed"):
        d.get("x")


def test_a_dict_keeps_its_client(server):
    d = server.connect().dict("x")
    gc.collect()
    assert d.increment("n") == 1
    del d
    gc.collect()


def test_threads_share_a_client(ch):
    d = ch.dict("hits", durability="memory")

    def count():
        for _ in range(500):
            d.increment("n")

    threads = [threading.Thread(target=count) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert d["n"] == 8 * 500


def test_other_threads_run_while_one_waits(server, ch):
    d = ch.dict("hits")
    d["n"] = 0
    server.pause()
    waiting = threading.Thread(target=d.increment, args=("n",))
    waiting.start()
    # With the interpreter held by the waiting thread, this one would never get here.
    server.resume()
    waiting.join(timeout=10)
    assert not waiting.is_alive()
    assert d["n"] == 1


@pytest.fixture
def ctrl_c():
    """Python's own answer to Ctrl-C: whoever is started in the background of a shell inherits that it is ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_ctrl_c_ends_a_wait_and_nothing_else(server, ch, ctrl_c):
    d = ch.dict("hits")
    d["n"] = 0
    server.pause()
    for _ in range(3):
        pressed = []

        def press():
            pressed.append(time.monotonic())
            os.kill(os.getpid(), signal.SIGINT)

        pressing = after(0.1, press)
        with pytest.raises(KeyboardInterrupt):
            d.get("n")
        # The server would stand still for ever.
        assert time.monotonic() - pressed[0] < 5
        pressing.join()
    server.resume()
    assert d["n"] == 0
    assert d.increment("n") == 1


def test_what_a_handler_raises_ends_the_wait(server, ch):
    class Alarm(Exception):
        pass

    def ring(number, frame):
        raise Alarm

    d = ch.dict("hits")
    before = signal.signal(signal.SIGUSR1, ring)
    try:
        server.pause()
        pressing = after(0.1, lambda: os.kill(os.getpid(), signal.SIGUSR1))
        with pytest.raises(Alarm):
            d.get("n")
        pressing.join()
    finally:
        signal.signal(signal.SIGUSR1, before)
    server.resume()
    assert d.get("n") is None


def test_a_handler_that_raises_nothing_ends_nothing(server, ch):
    seen = []
    d = ch.dict("hits")
    before = signal.signal(signal.SIGUSR1, lambda number, frame: seen.append(number))
    try:
        server.pause()

        def press():
            os.kill(os.getpid(), signal.SIGUSR1)
            server.resume()

        pressing = after(0.1, press)
        assert d.increment("n") == 1
        pressing.join()
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert seen == [signal.SIGUSR1]


def test_ctrl_c_ends_a_connect_that_waits(server, ctrl_c):
    server.pause()
    pressing = after(0.1, lambda: os.kill(os.getpid(), signal.SIGINT))
    with pytest.raises(KeyboardInterrupt):
        server.connect()
    pressing.join()


def test_a_killed_server_loses_no_increment(server, ch):
    d = ch.dict("hits")
    stop = threading.Event()
    kills = []

    def keep_killing():
        while not stop.wait(0.2):
            server.kill()
            kills.append(count)
            server.start()

    count = 0
    killing = threading.Thread(target=keep_killing)
    killing.start()
    try:
        begin = time.monotonic()
        while time.monotonic() - begin < 2:
            count += 1
            assert d.increment("n") == count
    finally:
        stop.set()
        killing.join()
    # There was counting between the kills.
    assert len(set(kills)) > 1
    with server.connect() as other:
        assert other.dict("hits")["n"] == count
