"""Real servers, and programs beside them."""

import os
import pathlib
import signal
import subprocess
import sys

import commonhold
from commonhold import aio

BINARY = os.environ.get(
    "COMMONHOLD_BIN",
    str(pathlib.Path(__file__).parents[2] / "target" / "debug" / "commonhold"),
)


class Server:
    """The real command, on a socket, a key and a data folder of its own."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.url = f"unix://{self.folder}/socket"
        self.key_file = str(self.folder / "authkey")
        self.environment = {
            "PATH": os.environ["PATH"],
            "COMMONHOLD_DATA": str(self.folder / "data"),
            "COMMONHOLD_URL": self.url,
            "COMMONHOLD_AUTHKEY_FILE": self.key_file,
        }
        self.process = None

    def start(self, *options):
        reader, writer = os.pipe()
        self.process = subprocess.Popen(
            [BINARY, "serve", "--listen", self.url, "--ready-fd", str(writer), *options],
            env=self.environment,
            pass_fds=[writer],
            stdout=subprocess.DEVNULL,
        )
        os.close(writer)
        with open(reader, "rb") as ready:
            assert ready.readline(), "the server did not start"

    def pause(self):
        """Stops it in its tracks. The signal alone would return before its threads stand still."""
        self.process.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, self.process.pid, os.WSTOPPED)

    def resume(self):
        self.process.send_signal(signal.SIGCONT)

    def kill(self):
        self.process.kill()
        self.process.wait()

    def connect(self, **options):
        return commonhold.connect(self.url, **{"key_file": self.key_file, **options})

    async def aio(self, **options):
        return await aio.connect(self.url, **{"key_file": self.key_file, **options})

    def python(self, program, *flags):
        """Runs a Python program that finds the server by its environment; returns what it printed."""
        done = subprocess.run(
            [sys.executable, "-W", "error", *flags, "-c", program],
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert (done.returncode, done.stderr) == (0, ""), done.stderr
        return done.stdout
