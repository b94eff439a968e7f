"""Proxies that go to other processes, and back."""

import copy
import multiprocessing
import pickle

import pytest
from children import Thread

import commonhold
from commonhold import pickling

KINDS = {
    "dict": {},
    "list": {},
    "set": {},
    "counter": {},
    "value": {"initial": 5},
    "array": {"typecode": "d", "values": [1.5]},
    "namespace": {},
    "queue": {"maxsize": 3, "lifo": True},
    "lock": {},
    "rlock": {},
    "rwlock": {},
    "condition": {},
    "semaphore": {"permits": 2},
    "bounded_semaphore": {"permits": 2},
    "event": {},
    "barrier": {"parties": 2},
    "latch": {"count": 2},
}


@pytest.fixture
def key(server, monkeypatch):
    """The key is found by the environment, as by whoever unpickles."""
    monkeypatch.setenv("COMMONHOLD_AUTHKEY_FILE", server.key_file)


def name_of(proxy):
    return object.__getattribute__(proxy, "name")


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_goes_by_its_name_and_its_options(ch, kind):
    proxy = getattr(ch, kind)("x", **KINDS[kind], durability="memory")
    for again in (pickle.loads(pickle.dumps(proxy)), copy.copy(proxy)):
        assert type(again) is type(proxy) and again is not proxy
        assert name_of(again) == "x"
        assert object.__getattribute__(again, "client") is ch
        assert again._made == proxy._made


def test_what_is_created_by_an_unpickled_proxy_is_as_it_was_to_be(ch):
    q = pickle.loads(pickle.dumps(ch.queue("q", 1, durability="memory")))
    q.put(1)
    assert q.full()
    assert [row["durability"] for row in ch.ls("q")] == ["memory"]
    permits = pickle.loads(pickle.dumps(ch.semaphore("s", 2)))
    assert permits.acquire(n=2)
    with pytest.raises(commonhold.NotFound):
        pickle.loads(pickle.dumps(ch.dict("none", exists=True))).get("x")


def test_what_a_block_waits_for_goes_along(ch):
    lock = pickle.loads(pickle.dumps(ch.lock("l", wait=0.01, note="n")))
    with ch.lock("l"), pytest.raises(commonhold.LockTimeout):
        Thread(lock.__enter__).result()
    with lock:
        assert ch.who("l")["holders"][0]["note"] == "n"


def test_a_fence_goes_along(ch):
    d, lock = ch.dict("d"), ch.lock("l")
    with pytest.raises(commonhold.LockLost), lock as grant:
        fenced = pickle.loads(pickle.dumps(d.fenced(grant)))
        fenced["x"] = 1
        lock.force_release()
        with pytest.raises(commonhold.FencedOut):
            fenced["x"] = 2


def test_the_key_does_not_go_along(ch, server):
    with open(server.key_file, "rb") as file:
        key = file.read().strip()
    pickled = pickle.dumps(ch.dict("d"))
    assert key not in pickled and key.removeprefix(b"chk1_") not in pickled


def test_a_closed_client_is_not_taken_for_one(server, key):
    first = server.connect()
    pickled = pickle.dumps(first.dict("d"))
    first.close()
    one, other = pickle.loads(pickled), pickle.loads(pickled)
    one["x"] = 1
    assert other["x"] == 1
    assert one.client is other.client and one.client is not first
    one.client.close()
    again = pickle.loads(pickled)
    assert again["x"] == 1
    again.client.close()


def count_up(ch):
    return ch.counter("c").increment()


def test_a_client_goes_as_where_its_server_is(server, ch, key):
    assert pickle.loads(pickle.dumps(ch)) is ch and copy.copy(ch) is ch
    with open(server.key_file, "rb") as file:
        assert file.read().strip() not in pickle.dumps(ch)
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        assert pool.apply(count_up, (ch,)) == 1
    assert ch.counter("c").increment() == 2


def test_codecs_go_along(server, ch):
    with server.connect(codec="pickle") as coded:
        d = coded.dict("d")
        d["x"] = 1j
        assert pickle.loads(pickle.dumps(d)).client is coded
        assert pickle.loads(pickle.dumps(d))["x"] == 1j
        assert pickle.loads(pickle.dumps(ch.dict("d"))).client is ch


def test_anonymous_objects_are_kept_on_their_way(ch, monkeypatch):
    monkeypatch.setattr(pickling, "KEPT", 1)
    d = ch.dict()
    d["x"] = 1
    pickled = pickle.dumps(d)
    del d
    again = pickle.loads(pickled)
    assert again["x"] == 1 and again.name is None and type(again) is commonhold.Dict
    # It lives by the new proxy, and dies with it.
    until_gone(lambda: ch.status()["anonymous"] == 1)
    assert again["x"] == 1
    del again
    until_gone(lambda: ch.status()["anonymous"] == 0)


def until_gone(condition):
    from children import until

    until(condition)


def work(d, l, anonymous, lock, results):
    for _ in range(50):
        d["n"] += 1
        with lock:
            l[0] = l[0] + 1
        anonymous.increment("n")
    results.put("done")


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_children_share_what_they_are_given(server, ch, key, method):
    context = multiprocessing.get_context(method)
    d, l, anonymous, lock, results = ch.dict("d"), ch.list("l"), ch.dict(), ch.lock("lock"), ch.queue()
    d["n"] = 0
    l.append(0)
    children = [context.Process(target=work, args=(d, l, anonymous, lock, results)) for _ in range(3)]
    for child in children:
        child.start()
    assert [results.get(timeout=60) for _ in children] == ["done"] * 3
    for child in children:
        child.join()
    assert [child.exitcode for child in children] == [0] * 3
    assert (d["n"], l[0], anonymous["n"]) == (150, 150, 150)


def give_back(d):
    d["made"] = d.client.dict(durability="durable")
    d["made"]["x"] = 7
    return d["made"], d


def test_a_pool_gives_proxies_back(ch, key):
    d = ch.dict("d")
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        made, same = pool.apply(give_back, (d,))
    assert made["x"] == 7
    assert same.client is ch and same["made"]["x"] == 7
