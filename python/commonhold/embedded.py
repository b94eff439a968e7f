"""Shared objects without a server process: one of the processes that open a folder serves the others."""

import atexit
import contextlib
import os
import socket
import stat

from commonhold import _native, client
from commonhold.codecs import codec_of


class Embedded(client.Client):
    """A client of a folder, which this process serves, or another one that has opened it.

    The first that opens the folder serves it, in threads of its own; the others reach it over a socket. When it ends, however it
    does, the first of the others that makes a call goes on serving, and what was on its way happens exactly once.
    """

    def __new__(cls, path, *, name=None, codec=None):
        folder = _native.Opened(path)
        self = _native.Client.__new__(cls, name=name, codec=codec_of(codec), opened=folder)
        self._folder = folder
        return self

    def __init__(self, path, *, name=None, codec=None):
        super().__init__(codec=codec)

    @property
    def path(self):
        """The folder."""
        return os.fspath(self._folder.folder)

    @property
    def serves(self):
        """Whether this process serves the folder."""
        return self._folder.serves

    def close(self):
        """Says goodbye, and ends what this process serves: another one that has opened the folder serves on."""
        super().close()
        self._folder.close()

    def _where(self):
        return "folder:" + self.path, None, self._codec

    def _forked(self):
        super()._forked()
        _let_go_of(self.path, os.fspath(self._folder.socket))


def _let_go_of(folder, address):
    """Closes what a forked child has of its parent's server: the folder would be locked, and its socket there, for longer."""
    for descriptor in map(int, os.listdir("/proc/self/fd")):
        # The one that lists them is closed by now.
        with contextlib.suppress(OSError):
            if os.readlink(f"/proc/self/fd/{descriptor}").startswith(folder + "/") or _is_at(descriptor, address):
                os.close(descriptor)


def _is_at(descriptor, address):
    """Is it a server's socket of this address?"""
    if not stat.S_ISSOCK(os.fstat(descriptor).st_mode):
        return False
    with socket.socket(fileno=os.dup(descriptor)) as there:
        return there.getsockname() == address


@atexit.register
def _end():
    for opened in list(client.opened):
        if isinstance(opened, Embedded):
            opened.close()
