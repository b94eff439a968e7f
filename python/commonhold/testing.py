"""Servers for test suites.

    import commonhold.testing

    def test_counting():
        with commonhold.testing.server() as server, server.connect() as ch:
            assert ch.counter("n").increment() == 1
"""

import contextlib
import multiprocessing
import os
import secrets
import signal
import tempfile

from commonhold import _native, codecs
from commonhold.client import Client

__all__ = ["Server", "server"]


class Server:
    """A server in a child of this process."""

    def __init__(self, process, control, url, authkey):
        self._process = process
        self._control = control
        #: Where it is.
        self.url = url
        #: The key, as multiprocessing's managers take it.
        self.authkey = authkey

    def connect(self, *, name=None, codec=None):
        """A client of it; arguments as of `commonhold.connect`."""
        return Client(self.url, authkey=self.authkey, name=name, codec=codecs.codec_of(codec))

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
        authkey = secrets.token_bytes(32)
        # A fresh process: the one that tests may have any threads.
        context = multiprocessing.get_context("spawn")
        control, child = context.Pipe()
        arguments = f"{folder}/socket", authkey, None if data is None else os.fspath(data), child
        process = context.Process(target=_serve, args=arguments, name="commonhold server", daemon=True)
        process.start()
        child.close()
        try:
            failure = control.recv()
            if failure is not None:
                raise failure
            yield Server(process, control, f"unix://{folder}/socket", authkey)
        finally:
            control.close()
            process.join()


def _serve(socket, authkey, data, control):
    """Serves until the other end of the connection is closed, by whatever."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        served = _native.Server([socket], authkey, data=data)
    except Exception as error:
        control.send(error)
        return
    control.send(None)
    with contextlib.suppress(EOFError):
        control.recv()
    served.stop()
