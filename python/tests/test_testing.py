"""The server for test suites."""

import asyncio
import os
import select
import signal
import subprocess
import sys

import pytest

import commonhold
import commonhold.testing


def test_a_block_has_a_server_of_its_own():
    with commonhold.testing.server() as one, commonhold.testing.server() as other:
        with one.connect() as ch, other.connect(codec="pickle") as elsewhere:
            assert (ch.counter("n").increment(), elsewhere.counter("n").increment()) == (1, 1)
            elsewhere.dict("d")["x"] = 1j
            assert elsewhere.dict("d")["x"] == 1j
        url, pid = one.url, one.pid
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    with pytest.raises(commonhold.ConnectionLost):
        commonhold.Client(url, authkey=one.authkey, patience=(0.0, 0.0))


def test_it_has_clients_for_asyncio():
    async def main(server):
        async with await server.connect_aio(codec="pickle", name="tests") as ch:
            await ch.dict("d").set("x", 1j)
            assert await ch.dict("d")["x"] == 1j

    with commonhold.testing.server() as server, server.connect(codec="pickle") as ch:
        asyncio.run(main(server))
        assert ch.dict("d")["x"] == 1j


def test_with_a_folder_it_keeps_its_data(tmp_path):
    for expected in (1, 2):
        with commonhold.testing.server(data=tmp_path / "data") as server, server.connect() as ch:
            assert ch.counter("n").increment() == expected
    with commonhold.testing.server(data=tmp_path / "data"):
        with pytest.raises(commonhold.Error, match="did not start: .*data"):
            with commonhold.testing.server(data=tmp_path / "data"):
                pass


def test_it_ends_with_the_process_that_wanted_it():
    program = "if True:\n import commonhold.testing, time\n with commonhold.testing.server() as s: print(s.pid, flush=True); input()"
    process = subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    watch = os.pidfd_open(int(process.stdout.readline()))
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert select.select([watch], [], [], 30)[0], "it runs on"
    os.close(watch)


def test_it_runs_beside_a_program_without_a_guard(tmp_path):
    """Nothing of the program is imported by the server's process."""
    text = "import commonhold.testing\nwith commonhold.testing.server() as s, s.connect() as ch: print(ch.counter('n').increment())"
    (tmp_path / "program.py").write_text(text)
    for how in ({"args": [sys.executable, tmp_path / "program.py"]}, {"args": [sys.executable], "input": text + "\n\n"}):
        done = subprocess.run(**how, capture_output=True, text=True, timeout=60)
        assert (done.stdout, done.stderr) == ("1\n", "")
