"""What a program registers, and has called in the manager's process: before the start and after it."""

import sys
import threading

import pytest
from children import Tick, Ticks

from commonhold import testing
from commonhold.multiprocessing import BaseManager, IteratorProxy, ListProxy, MakeProxyType, RemoteError, SyncManager

KEPT = {"a": 1}


def kept():
    return KEPT


def make(**pairs):
    return dict(pairs)


def same(given):
    return given


class Farewell(BaseException):
    pass


def leave(kind):
    raise kind("on purpose")


class Leaves:
    """Something whose unpickling ends a process."""

    def __reduce__(self):
        return sys.exit, ("on purpose",)


class Own(SyncManager):
    pass


Own.register("kept", kept)
Own.register("same", same)
Own.register("given")
Own.register("leave", leave)
Own.register("walked", list, MakeProxyType("Walked", ("__iter__", "copy")), method_to_typeid={"__iter__": "Iterator"})
Own.register("copied", dict, method_to_typeid={"keys": "list", "copy": "copied", "get": "list"})


@pytest.fixture
def own():
    # Classes that tests derive register more: this one's registry stays as it is.
    class Here(Own):
        pass

    with Here() as manager:
        yield manager


@pytest.mark.parametrize("kind", [SystemExit, KeyboardInterrupt, GeneratorExit, Farewell])
def test_a_callable_that_means_to_exit_is_an_error_of_its_call(own, kind):
    with pytest.raises(RemoteError, match=f"{kind.__name__}: on purpose"):
        own.leave(kind)
    with pytest.raises(RemoteError, match="SystemExit: on purpose"):
        own.same(Leaves())
    assert own.kept()["a"] == 1


def test_arguments_are_not_the_programs_own(own):
    for number in range(20):
        for found in (own.same({"n": number}), own.given({"n": number})):
            assert found.copy() == {"n": number}
    del found
    assert own._number_of_objects() == 0


class Box:
    """A program's own, whose method gives what it keeps."""

    def __init__(self):
        self.kept = {"n": 0}

    def get(self, *_given):
        return self.kept

    def __repr__(self):
        raise RuntimeError("no repr")


def test_a_method_that_is_registered_late_is_of_one_object(own):
    type(own).register("boxed", Box().get)
    for expected in (1, 2, 3):
        own.boxed()["n"] += 1
        assert own.boxed()["n"] == expected
    assert own.boxed(Box())["n"] == 3, "what is given need not look like anything"


LARGE = {"many": dict.fromkeys(range(150_000)), "long": ["x" * 100_000] * 700}


def large(which):
    return LARGE[which]


Own.register("large", large)


def test_large_objects_of_the_program_are_shared_whole(own):
    assert len(own.large("many")) == 150_000 and own.large("many").keys() == list(LARGE["many"])
    assert own.large("long")[:] == LARGE["long"]


def test_a_function_may_be_registered_after_the_start(own):
    with pytest.raises(AttributeError):
        own.late
    type(own).register("late", kept)
    early, late = own.kept(), own.late()
    late["a"] += 1
    assert early["a"] == 2 and early._id == late._id
    type(own).register("late", make)
    assert own.late(b=1).copy() == {"b": 1}, "the newest counts"
    other = BaseManager(own.address)
    other.connect()
    assert other.late(c=1)["c"] == 1
    type(own).register("typed", dict)
    assert own.typed(a=1).copy() == {"a": 1}


def test_a_function_that_the_managers_process_cannot_find_is_refused_with_a_sentence(own, monkeypatch):
    type(own).register("late", lambda: {})
    with pytest.raises(RemoteError, match="'late' was registered after start.*cannot be sent.*define it in a module"):
        own.late()

    def fresh():
        return {}

    fresh.__qualname__ = fresh.__name__
    monkeypatch.setattr(sys.modules[__name__], "fresh", fresh, raising=False)
    type(own).register("late", fresh)
    with pytest.raises(RemoteError, match="'late' was registered after start.*cannot be found.*define it in a module"):
        own.late()


def test_who_only_connects_sends_no_functions(own):
    class Late(Own):
        pass

    Late.register("late", make)
    late = Late(own.address)
    late.connect()
    with pytest.raises(RemoteError, match="'late' is not registered in the manager's process"):
        late.late()
    Late.register("made_here", dict)
    assert late.made_here(a=1).get("a") == 1


def test_results_of_methods_become_proxies(own):
    walked = own.walked([1, 2])
    found = walked._callmethod("__iter__")
    assert type(found) is IteratorProxy and list(found) == [1, 2] and walked.copy() == [1, 2]
    copied = own.copied(a=1)
    keys, again = copied.keys(), copied.copy()
    again["b"] = 2
    assert keys[:] == ["a"] and type(again).__name__ == "AutoProxy[copied]" and again.keys()[:] == ["a", "b"]
    inner = own.copied(a=[1]).get("a")
    assert type(keys) is type(inner) is ListProxy and inner[:] == [1]
    with pytest.raises(RemoteError, match="list is a builtins.int: this version shares"):
        copied.get("a")


@pytest.mark.parametrize("bad", [lambda: None, threading.Lock()], ids=["function", "lock"])
def test_what_cannot_be_pickled_is_the_callers_own_error(own, bad):
    for act in (lambda: own.list([bad]), lambda: own.dict(bad=bad), lambda: own.same(bad)):
        with pytest.raises(Exception, match="pickle|local object") as caught:
            act()
        assert caught.type is not RemoteError


# The handler may run in a callback of the interpreter's own, which cannot raise.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_handlers_exception_is_not_the_managers(own):
    rung = 0
    with Ticks() as ticks:
        while rung < 20:
            try:
                ticks.arm(0.0005)
                ticks.until_then(lambda: own.list([1]))
            except Tick:
                rung += 1
    assert own.list([1])[:] == [1]


def test_a_server_that_is_no_managers_calls_nothing():
    with testing.server() as server:
        manager = SyncManager(server.url.removeprefix("unix://"), server.authkey)
        manager.connect()
        assert manager.dict(a=1)["a"] == 1
        with pytest.raises(AttributeError, match="nothing is registered as 'nobody'"):
            manager.nobody
        with pytest.raises(RemoteError, match="nothing can be called at .*: the server there is in no manager's process"):
            manager._create("nobody")
