"""What becomes of objects that are no values, for clients with a codec."""

import pickle

import pytest

import commonhold


class Point:
    def __init__(self, x, inner=None):
        self.x = x
        self.inner = inner

    def __eq__(self, other):
        return type(other) is Point and (other.x, other.inner) == (self.x, self.inner)

    __hash__ = None


@pytest.fixture
def pickling(server):
    with server.connect(codec="pickle") as client:
        yield client


def test_objects_come_back_as_what_they_were(pickling):
    d = pickling.dict("d")
    d["p"] = Point(1, [Point(2)])
    assert d["p"] == Point(1, [Point(2)])


def test_a_proxy_inside_an_object_keeps_its_object(pickling):
    d = pickling.dict("d", durability="memory")
    inner = pickling.list()
    inner.append(7)
    d["p"] = Point(1, {"inner": inner, "again": inner})
    before = pickling.status()["anonymous"]
    del inner
    pickling.counter("n").increment()
    assert pickling.status()["anonymous"] == before
    found = d["p"].inner
    assert found["inner"].copy() == [7]
    found["again"].append(8)
    assert found["inner"].copy() == [7, 8]
    del found, d["p"]
    pickling.counter("n").increment()
    assert pickling.status()["anonymous"] == before - 1


def test_a_list_that_holds_itself_comes_back_so(pickling):
    d = pickling.dict("d")
    endless = [1]
    endless.append(endless)
    d["l"] = endless
    found = d.get("l")
    assert found[0] == 1 and found[1] is found


@pytest.mark.parametrize("value", ["\udc80", 1 << (8 << 20), [["\udc80"]]], ids=["text", "int", "nested"])
def test_builtins_that_are_no_values_are_kept_whole(pickling, value):
    d = pickling.dict("d")
    d["v"] = value
    assert d.get("v") == value


def test_without_a_codec_nothing_is_unpickled(pickling, ch):
    pickling.dict("d")["p"] = Point(1)
    with pytest.raises(commonhold.Error, match="codec"):
        ch.dict("d").get("p")
    with pytest.raises(TypeError, match="codec"):
        ch.dict("d")["q"] = Point(1)


def test_keys_are_read_without_their_values(pickling, ch):
    pickling.dict("d").update({"a": Point(1), "b": 2})
    d = ch.dict("d")
    assert list(d) == list(d.keys()) == ["a", "b"] and len(d) == 2 and "a" in d
    with pytest.raises(commonhold.Error, match="codec"):
        list(d.values())


def test_what_cannot_be_pickled_changes_nothing(pickling):
    d = pickling.dict("d")
    d["v"] = 1
    with pytest.raises((pickle.PicklingError, AttributeError, TypeError)):
        d["v"] = lambda: None
    assert d.copy() == {"v": 1}


def test_a_proxy_of_another_server_is_not_mentioned(pickling, tmp_path):
    other = commonhold._native.Server([str(tmp_path / "s")], b"k")
    client = commonhold.Client(f"unix://{tmp_path}/s", authkey=b"k", codec=commonhold.codecs.Pickle())
    with pytest.raises(ValueError, match="cannot be stored"):
        pickling.dict("d")["p"] = Point(1, client.list())
    client.close()
    other.stop()
