"""The command that the package carries."""

import os
import subprocess
import sys

import commonhold

COMMAND = [sys.executable, "-m", "commonhold"]


def run(server, *arguments):
    return subprocess.run(
        [*COMMAND, *arguments], env=server.environment, capture_output=True, text=True, timeout=60
    )


def test_it_is_the_command(server, ch):
    assert run(server, "set", "config", "theme", "dark").returncode == 0
    assert ch.dict("config")["theme"] == "dark"
    got = run(server, "get", "config", "theme")
    assert (got.stdout, got.returncode) == ("dark\n", 0)
    missing = run(server, "get", "config", "missing")
    assert missing.returncode == 1
    assert "missing" in missing.stderr


def test_it_serves(tmp_path):
    url = f"unix://{tmp_path}/socket"
    environment = os.environ | {"COMMONHOLD_DATA": f"{tmp_path}/data"}
    environment["COMMONHOLD_AUTHKEY_FILE"] = key_file = f"{tmp_path}/authkey"
    reader, writer = os.pipe()
    serve = [*COMMAND, "serve", "--listen", url, "--ready-fd", str(writer)]
    with subprocess.Popen(
        serve, env=environment, pass_fds=[writer], stdout=subprocess.DEVNULL
    ) as process:
        os.close(writer)
        with open(reader, "rb") as ready:
            assert ready.readline()
        with commonhold.connect(url, key_file=key_file) as ch:
            assert ch.counter("runs").increment() == 1
        process.terminate()
        assert process.wait(timeout=60) == 0


def test_it_is_started_again_by_the_same_interpreter(server):
    # `lock run` starts itself, to tie what it runs to its own life.
    locked = run(server, "lock", "run", "deploy", "--", "sh", "-c", "echo $COMMONHOLD_LOCK_TOKEN")
    assert locked.returncode == 0, locked.stderr
    assert int(locked.stdout) > 0
