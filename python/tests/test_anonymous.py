"""Objects without names live as long as something refers to them."""

import gc

import pytest
from children import until

import commonhold


def alive(ch):
    return ch.status()["anonymous"]


def test_an_object_goes_with_its_last_proxy(ch):
    d = ch.dict()
    assert d.name is None and alive(ch) == 1
    again = d.fenced(type("Fence", (), {"fence": (0, 0)}))
    del d
    gc.collect()
    assert alive(ch) == 1
    del again
    until(lambda: alive(ch) == 0)


def test_every_kind_goes_without_a_name(ch):
    made = [
        ch.dict(), ch.list(), ch.set(), ch.counter(), ch.value(initial=1), ch.array(typecode="d", size=2), ch.namespace(),
        ch.queue(maxsize=2), ch.lock(), ch.rlock(), ch.rwlock(), ch.condition(), ch.semaphore(permits=1),
        ch.bounded_semaphore(permits=1), ch.event(), ch.barrier(parties=2), ch.latch(count=1),
    ]
    assert alive(ch) >= len(made)
    made[0]["x"] = 1
    with made[8], made[11], made[12]:
        pass
    assert (made[4].value, list(made[5])) == (1, [0.0, 0.0])
    assert repr(made[0]).startswith("<commonhold anonymous dict ")
    del made
    gc.collect()
    until(lambda: alive(ch) == 0)


def test_a_container_keeps_what_it_refers_to(server, ch):
    d = ch.dict("d", durability="memory")
    inner = ch.list()
    inner.append(1)
    d["l"] = [inner]
    d["again"] = inner
    del inner
    gc.collect()
    with server.connect() as other:
        found = other.dict("d")["l"][0]
        assert type(found) is commonhold.List and found == [1]
        found.append(2)
    assert d["again"] == [1, 2]
    del d["l"]
    assert d["again"] == [1, 2]
    d.clear()
    until(lambda: alive(ch) == 0)


def test_what_a_killed_client_had_goes(server, ch):
    other = server.connect()
    kept = other.dict()
    kept["x"] = 1
    assert alive(ch) == 1
    other.close()
    until(lambda: alive(ch) == 0)
    with pytest.raises(commonhold.Error):
        kept["x"]


def test_a_proxy_of_another_server_is_refused(server, ch, tmp_path):
    from servers import Server

    other = Server(tmp_path)
    other.start()
    try:
        with other.connect() as there:
            with pytest.raises(ValueError, match="cannot be stored"):
                ch.dict("d")["x"] = there.dict("e")
    finally:
        other.kill()


def test_references_to_named_objects_are_proxies_of_their_kinds(ch):
    d = ch.dict("d")
    d["q"], d["n"], d["d"] = ch.queue("q", 1), ch.namespace("n"), d
    d["n"].x = 1
    d["q"].put(1)
    assert d["q"].full() and d["n"].x == 1 and d["d"]["d"]["n"].x == 1
    # Numbers that were read through either are of one object.
    value = d["n"].x
    value += 1
    d["n"].x = value
    assert ch.namespace("n").x == 2
