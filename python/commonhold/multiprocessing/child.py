"""What runs in a manager's process: the server, and a service that calls what the program registered.

Whoever wants such a callable called puts a request into a queue that the server holds, and waits at a queue of its own.
"""

import contextlib
import os
import pickle
import re
import signal
import sys
import threading
import weakref
from multiprocessing import connection, process, util

from commonhold import _native, errors
from commonhold.multiprocessing import clients, registry
from commonhold.multiprocessing.errors import remote
from commonhold.multiprocessing.referents import in_pieces

#: The queue of requests.
REQUESTS = "multiprocessing.requests"
# How often the main thread looks whether the server fails, in seconds.
_LOOK = 1.0
# What a program builds by itself, and the kind that it becomes.
_ADOPTED = {dict: "dict", list: "list"}


def run(callables, address, authkey, data, control, initializer, initargs):
    """The main function of a manager's process.

    control: a connection to the process that started it, which is told the address, and says when to stop.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    program = process.parent_process()
    parent = _watch(program)
    if initializer is not None:
        initializer(*initargs)
    with _ending_in_order():
        try:
            server = Server(callables, address, authkey, data)
        except Exception as error:
            control.send((None, error))
            raise SystemExit(1) from None
        try:
            control.send((server.address, None))
            server.serve_until([control, *parent])
        finally:
            server.stop()
            if not program.is_alive():
                _remove_folder(server.address)


def _remove_folder(address):
    """Removes the folder that multiprocessing made for sockets, as the program would have done."""
    if isinstance(address, str) and os.path.basename(os.path.dirname(address)).startswith("pymp-"):
        # Another manager may still have its socket there.
        with contextlib.suppress(OSError):
            os.rmdir(os.path.dirname(address))


def _watch(parent):
    """What becomes ready when the program's process dies: its children may go on holding its ends of pipes."""
    try:
        watched = os.pidfd_open(parent.pid)
    except OSError:
        return [parent.sentinel]
    if os.getppid() != parent.pid and not parent.is_alive():
        # The number may be another process's by now.
        os.close(watched)
        return [parent.sentinel]
    return [watched, parent.sentinel]


class _Terminated(BaseException):
    """SIGTERM came."""


@contextlib.contextmanager
def _ending_in_order():
    """A block that SIGTERM ends in order, unless the program has a use for it; then the process dies of it all the same.

    In a thread of a program that is the program's affair.
    """

    def terminate(_number, _frame):
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        raise _Terminated

    is_main = threading.current_thread() is threading.main_thread()
    if is_main and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        signal.signal(signal.SIGTERM, terminate)
    try:
        yield
    except _Terminated:
        # Whoever waits for this process is to see what ended it.
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGTERM)


class Server:
    """A server in this process, with its service."""

    def __init__(self, callables, address, authkey, data):
        # From here on this process has threads.
        self._native = _native.Server([address], bytes(authkey), data=data)
        [self.address] = self._native.listen
        if not isinstance(self.address, (str, tuple)):
            self.address = os.fspath(self.address)
        self._authkey = authkey
        self._service = Service(callables, self.address, authkey)

    def serve_until(self, ends):
        """Serves until one of these is ready, or the server fails."""
        while not connection.wait(ends, _LOOK):
            failure = self._native.failure()
            if failure is not None:
                print(f"the manager's server failed: {failure}", file=sys.stderr)
                break

    def stop(self):
        """Ends in order."""
        clients.end(self.address, "this is the manager's own process, and it has ended")
        self._native.stop()


def serve_here(callables, address, authkey, data):
    """Serves in the process that asks for it, until it is interrupted."""
    with _ending_in_order():
        server = Server(callables, address, authkey, data)
        try:
            server.serve_until([])
        except (KeyboardInterrupt, SystemExit):
            pass
        finally:
            server.stop()


class Service:
    """Calls what the program registered, each call in a thread of its own."""

    def __init__(self, callables, address, authkey):
        self._callables = callables
        # What was registered later, by its pickle: each is one object, however often it is asked for.
        self._late = {}
        self._client = clients.of(address, authkey)
        self._adoption = Adoption(self._client)
        # Queues that answers are put into: no objects of the program's.
        self._replies = weakref.WeakSet()
        # Threads that answer, or have answered and still hold what they did.
        self._answering = weakref.WeakSet()
        self._requests = self._client._make("queue", REQUESTS, {"durability": "memory"})
        # It is there before anybody is told the address.
        self._requests.empty()
        threading.Thread(target=self._run, name="service", daemon=True).start()

    def _run(self):
        while True:
            try:
                request, reply = self._requests.get()
            except errors.Error:
                # The server has ended.
                return
            self._replies.add(reply)
            threading.Thread(target=self._answer, args=(request, reply), name="request", daemon=True).start()
            # Nobody else is to keep it.
            del request, reply

    def _answer(self, request, reply):
        try:
            verb, *arguments = pickle.loads(request)
            answer = getattr(self, "_do_" + verb)(*arguments)
        except BaseException:
            # Whoever asked waits for an answer, even if the program meant to exit.
            answer = ("error", remote().args[0])
        self._answering.add(threading.current_thread())
        try:
            reply.put(answer)
        except errors.Error as error:
            util.info("nobody hears an answer: %s", error)

    def _do_typeids(self):
        return "typeids", list(self._callables)

    def _do_create(self, typeid, given, late=None):
        """Calls what is registered, with given arguments. late: the pickle of what was registered after the start."""
        if late is not None:
            if late not in self._late:
                self._late[late] = _found(typeid, late)
            self._callables[typeid] = self._late[late]
        if typeid not in self._callables:
            raise KeyError(f"{typeid!r} is not registered in the manager's process")
        made, name = self._callables[typeid], typeid
        if registry.maker(made):
            return "native", registry.maker(made)[1]
        if isinstance(made, type):
            raise registry.not_hosted(typeid, made)
        args, kwds = given
        if made is None:
            if kwds or len(args) != 1:
                raise ValueError("Without callable, must have one non-keyword argument")
            [found] = args
        else:
            if args or kwds:
                named = [f"{key}={_shown(value)}" for key, value in kwds.items()]
                name = f"{typeid}({', '.join([*map(_shown, args), *named])})"
            found = made(*args, **kwds)
        # The arguments are not the program's own, even if it returns one.
        given.clear()
        del args, kwds
        alone = []
        lasting = sys.getrefcount(found) > sys.getrefcount(alone)
        return "made", self._adoption.adopt(name, found, lasting)

    def _do_count(self):
        # What was answered counts no more.
        for thread in list(self._answering):
            thread.join()
        # They stay as long as they are counted.
        replies = list(self._replies)
        self._client._server()._call("collect")
        return "count", self._client.status()["held"] - len(replies)


def _shown(value):
    """What an argument looks like in the name of an object: the same after a restart, as far as it can be."""
    try:
        return re.sub(r" at 0x[0-9a-f]+", "", repr(value))
    except Exception:
        return f"<{type(value).__qualname__}>"


def _found(typeid, pickled):
    """What was registered after this process began."""
    try:
        return pickle.loads(pickled)
    except Exception as error:
        raise registry.NotHosted(
            f"{typeid!r} was registered after start(), and what is to be called cannot be found in the manager's process "
            f"({error}): register it before, or define it in a module"
        ) from None


class Adoption:
    """Objects that the program built in the manager's process, and what they are shared as.

    From then on the shared object counts: what the program does to its own afterwards is not seen.
    """

    def __init__(self, client):
        self._client = client
        self._lock = threading.Lock()
        # By identity: the object, which must not be freed, and its shared one.
        self._adopted = {}
        self._names = set()

    def adopt(self, name, found, lasting):
        """The shared object of one that the program built. lasting: the program itself keeps it."""
        kind = _ADOPTED.get(type(found))
        if kind is None:
            raise registry.not_hosted(name, type(found))
        if not lasting:
            return registry.MAKERS[type(found)][0](self._client, found)[0]
        with self._lock:
            if id(found) not in self._adopted:
                self._adopted[id(found)] = found, self._share(self._free(name), kind, found)
            return self._adopted[id(found)][1]

    def _free(self, name):
        """A name that no other object of this run has."""
        name = name.encode()[:480].decode(errors="ignore")
        free, number = name, 1
        while free in self._names:
            number += 1
            free = f"{name}#{number}"
        self._names.add(free)
        return free

    def _share(self, name, kind, found):
        """What is there already, with the server's data, wins."""
        shared = _native.Object(self._client, kind, name)
        fresh = _native.Object(self._client, kind, name, exists=False)
        method = "update" if kind == "dict" else "extend"
        try:
            fresh._call(method, found)
        except errors.Conflict:
            pass
        except errors.TooLarge:
            # Of what is kept, a crash would leave a part, which would win.
            if self._client.durability is not None:
                raise
            in_pieces(lambda piece: shared._call(method, piece), found)
        shared._call("len")
        return registry.REFERENTS[kind](self._client, kind, name, like=shared)
