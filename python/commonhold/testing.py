"""Servers for test suites.

    import commonhold.testing

    def test_counting():
        with commonhold.testing.server() as server, server.connect() as ch:
            assert ch.counter("n").increment() == 1

    async def test_counting_in_asyncio():
        with commonhold.testing.server() as server:
            async with await server.connect_aio() as ch:
                assert await ch.counter("n").increment() == 1
"""

import contextlib
import json
import os
import secrets
import signal
import subprocess
import sys
import tempfile

from commonhold import _native, codecs
from commonhold.client import Client
from commonhold.errors import Error

__all__ = ["Server", "server"]

# A fresh process, which imports nothing of the program's: the one that tests may have any threads, and no guard around its main.
_CHILD = """
import json, sys
told = json.loads(sys.stdin.readline())
sys.path[:] = told.pop("path")
from commonhold import testing
testing._serve(**told)
"""


class Server:
    """A server in a child of this process."""

    def __init__(self, process, url, authkey):
        self._process = process
        #: Where it is.
        self.url = url
        #: The key, as multiprocessing's managers take it.
        self.authkey = authkey

    def connect(self, *, name=None, codec=None):
        """A client of it; arguments as of `commonhold.connect`."""
        return Client(self.url, authkey=self.authkey, name=name, codec=codecs.codec_of(codec))

    async def connect_aio(self, *, name=None, codec=None):
        """A client of it for asyncio; arguments as of `commonhold.aio.connect`."""
        # Imported by those who need it: it takes a while.
        from commonhold.aio.client import connected

        return await connected(self.url, authkey=self.authkey, name=name, codec=codec)

    @property
    def pid(self):
        """The number of its process, for those who want to know what becomes of them when it is killed."""
        return self._process.pid


@contextlib.contextmanager
def server(*, data=None):
    """A server for a `with` block, on a socket and with a key of its own.

    It ends with the block, and with this process however that ends. data: the folder of the log; without one everything is
    in memory.
    """
    with tempfile.TemporaryDirectory(prefix="commonhold-") as folder:
        socket, authkey = f"{folder}/socket", secrets.token_bytes(32)
        data = None if data is None else os.fspath(data)
        told = {"path": [*map(str, sys.path)], "socket": socket, "authkey": authkey.hex(), "data": data}
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        with subprocess.Popen([sys.executable, "-c", _CHILD], text=True, **pipes) as process:
            # It ends when the pipe does.
            with contextlib.closing(process.stdin) as told_to, process.stdout as heard:
                told_to.write(json.dumps(told) + "\n")
                told_to.flush()
                failure = json.loads(heard.readline() or '"its process ended"')
                if failure is not None:
                    raise Error(f"the server did not start: {failure}")
                yield Server(process, f"unix://{socket}", authkey)


def _serve(socket, authkey, data):
    """Serves until the other end of the pipe is closed, by whatever."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        served = _native.Server([socket], bytes.fromhex(authkey), data=data)
    except Exception as error:
        print(json.dumps(str(error)), flush=True)
        return
    print("null", flush=True)
    sys.stdin.read()
    served.stop()
