"""Shared objects without a server process: one of the processes that open a folder serves the others."""

import contextlib
import os
import socket
import stat

from commonhold import _native, client
from commonhold.codecs import codec_of

# The folders that this process, or one that it was forked from, opened or began to, and where their servers' sockets are.
_folders = {}


class Embedded(client.Client):
    """A client of a folder, which this process serves, or another one that has opened it.

    The first that opens the folder serves it, in threads of its own; the others reach it over a socket. When it ends, however it
    does, the first of the others that makes a call goes on serving, and what was on its way happens exactly once.
    """

    def __new__(cls, path, *, name=None, codec=None):
        path = os.path.realpath(os.fsdecode(path))
        # It is part of an address, which is text.
        path.encode()
        _end_with_the_program()
        # Before it is opened: a child that is forked meanwhile lets go of it.
        _folders.setdefault(path, None)
        try:
            folder = _native.Opened(path)
        except BaseException:
            # It may be a folder of anything else, whose files are the program's.
            if _folders.get(path) is None:
                _folders.pop(path, None)
            raise
        _folders[path] = os.fspath(folder.socket)
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


def _forked():
    """In a forked child: closes what it has of its parent's servers, whose locks and sockets would be there for longer."""
    if not _folders:
        return
    folders, addresses = tuple(folder + "/" for folder in _folders), set(_folders.values()) - {None}
    for descriptor in map(int, os.listdir("/proc/self/fd")):
        # The one that lists them is closed by now.
        with contextlib.suppress(OSError):
            if os.readlink(f"/proc/self/fd/{descriptor}").startswith(folders) or _address(descriptor) in addresses:
                os.close(descriptor)
    _end_in_order()


def _address(descriptor):
    """Where a socket listens, or was accepted; None of any other file."""
    if not stat.S_ISSOCK(os.fstat(descriptor).st_mode):
        return None
    with socket.socket(fileno=os.dup(descriptor)) as there:
        return there.getsockname()


os.register_at_fork(after_in_child=_forked)


def _end_with_the_program():
    if _folders:
        return
    # Imported by those who need it: it takes a while.
    from multiprocessing import util

    # multiprocessing's children forget their parent's finalizers after a fork.
    util.register_after_fork(_end, lambda _end: _end_in_order())
    _end_in_order()


def _end_in_order():
    """Has this process end what it serves when it ends: after multiprocessing has joined its children, which may need it."""
    from multiprocessing import util

    util.Finalize(None, _end, exitpriority=-100)


def _end():
    # Those that serve come last: the others say goodbye to them.
    embedded = [opened for opened in list(client.opened) if isinstance(opened, Embedded)]
    for opened in sorted(embedded, key=lambda opened: opened.serves):
        opened.close()
