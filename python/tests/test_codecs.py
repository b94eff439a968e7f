"""Codecs: what becomes of objects that are no values."""

import array
import collections
import datetime
import enum
import json

import pytest

import commonhold


class Colour(enum.IntEnum):
    RED = 1


Point = collections.namedtuple("Point", "x y")


@pytest.fixture
def coded(server):
    with server.connect(codec="pickle") as client:
        yield client


def test_objects_come_back_as_they_were(coded):
    d = coded.dict("d")
    today = datetime.date(2026, 1, 2)
    values = [
        1j, today, bytearray(b"ab"), array.array("d", [1.5]), Colour.RED, Point(1, 2), collections.OrderedDict(a=1),
        collections.Counter("aab"), range(3), {"nested": [today, {1j}]}, len, Point,
    ]
    for number, value in enumerate(values):
        d[number] = value
        found = d.get(number)
        assert type(found) is type(value) and found == value
    d[today] = "a key"
    assert d[today] == "a key" and today in d


def test_buffers_are_bytes(coded, ch):
    numbers = array.array("d", [1.5, -2.5])
    for client in (coded, ch):
        d = client.dict("d")
        d["view"], d["part"] = memoryview(numbers), [memoryview(b"abcdef")[::2]]
        assert d["view"] == numbers.tobytes() and memoryview(d["view"]).cast("d").tolist() == [1.5, -2.5]
        assert d.get("part") == [b"ace"]
    d["array"] = bytearray(b"xyz")
    assert d["array"] == b"xyz" and type(d["array"]) is bytes
    with pytest.raises(ValueError, match="released"):
        with memoryview(b"x") as gone:
            pass
        d["gone"] = gone


def test_the_package_s_own_subclasses_stay_plain(coded, ch):
    d = coded.dict("d")
    d["n"], d["f"], d["m"] = 1, 1.5, {"l": [1]}
    d["copy"] = [d["n"], d["f"], d["m"]]
    d["m"]["l"].append(d["n"])
    assert ch.dict("d")["copy"] == [1, 1.5, {"l": [1]}]
    assert ch.dict("d")["m"] == {"l": [1, 1]}


def test_containers_of_objects_write_through(coded):
    d = coded.dict("d")
    d["days"] = [datetime.date(2026, 1, 1)]
    d["days"].append(datetime.date(2026, 1, 2))
    d["days"][0] = {datetime.date(2026, 1, 3)}
    assert d.get("days") == [{datetime.date(2026, 1, 3)}, datetime.date(2026, 1, 2)]
    l, s, q, v = coded.list("l"), coded.set("s"), coded.queue("q"), coded.value("v")
    l.append(1j)
    s.add(1j)
    q.put(1j)
    v.value = 1j
    assert 1j in l and 1j in s and q.get() == 1j and v.value == 1j and l.index(1j) == 0


def test_who_has_no_codec_unpickles_nothing(coded, ch):
    coded.dict("d")["x"] = 1j
    with pytest.raises(commonhold.Error, match="pickle"):
        ch.dict("d")["x"]
    assert "x" in ch.dict("d") and ch.dict("d").delete("x")
    with pytest.raises(TypeError, match="codec"):
        ch.dict("d")["x"] = 1j


def test_an_item_that_cannot_be_read_is_not_lost(coded, ch):
    q = coded.queue("q")
    q.put(1j)
    with pytest.raises(commonhold.Error, match="pickle"):
        ch.queue("q").get()
    assert q.get(timeout=20) == 1j


def test_codecs_may_be_ones_own(server, ch):
    class Json:
        name = "json"

        def dumps(self, value):
            return json.dumps(sorted(value)).encode(), []

        def loads(self, data, objects):
            assert objects == []
            return range(len(json.loads(data)))

    with server.connect(codec=Json()) as own:
        own.dict("d")["x"] = range(3)
        assert own.dict("d")["x"] == range(3)
    with pytest.raises(ValueError, match="pickle"):
        server.connect(codec="marshal")
    with server.connect(codec="pickle") as other, pytest.raises(commonhold.Error, match="json"):
        other.dict("d")["x"]


def test_what_a_codec_raises_is_raised(server):
    class Fails:
        name = "fails"

        def dumps(self, value):
            raise LookupError("no way")

        def loads(self, data, objects):
            raise LookupError("no way back")

    class Wrong(Fails):
        def dumps(self, value):
            return "text"

    with server.connect(codec=Fails()) as client, pytest.raises(LookupError, match="no way"):
        client.dict("d")["x"] = 1j
    with server.connect(codec=Wrong()) as client, pytest.raises(TypeError, match="must return bytes"):
        client.dict("d")["x"] = 1j
    with pytest.raises(TypeError, match="has a name, dumps and loads"):
        server.connect(codec=5)


class Growing:
    """Changes what holds it when it is pickled, as another thread might."""

    def __init__(self, change):
        self.change = change

    def __reduce__(self):
        self.change()
        return int, ()


def test_containers_may_change_while_they_are_read(coded):
    d = coded.dict("d")
    pairs = {"a": 1}
    pairs["b"] = Growing(lambda: pairs.update({number: 0 for number in range(100)}))
    pairs["c"] = 2
    d["pairs"] = pairs
    assert d.get("pairs") == {"a": 1, "b": 0, "c": 2}
    members = set()
    members.update([Growing(lambda: members.update(range(100))), "a"])
    d["members"] = members
    assert d.get("members") == {"a", 0}
    items = ["a"]
    items += [Growing(items.clear), "b"]
    d["items"] = items
    assert d.get("items") == ["a", 0]


@pytest.mark.parametrize("size", [0, 1, (16 << 10) - 1, 16 << 10, 300_000])
def test_bytes_of_every_size_come_back(coded, size):
    d = coded.dict("d", durability="memory")
    for value in (bytes(range(256)) * (size // 256 + 1), bytearray(size), array.array("b", bytes(size))):
        d["x"] = value
        assert d["x"] == value and type(d["x"]) is type(value)


def test_what_is_too_large_is_refused(coded):
    d = coded.dict("d", durability="memory")
    d["x"] = 1
    for value in (bytes(300 << 20), bytearray(300 << 20)):
        with pytest.raises(commonhold.TooLarge):
            d["x"] = value
    assert d["x"] == 1


def test_arrays_of_numpy_come_back(coded):
    numpy = pytest.importorskip("numpy")
    d = coded.dict("d", durability="memory")
    value = numpy.arange(100_000, dtype="f8").reshape(100, 1000)
    d["x"] = value
    assert (d["x"] == value).all() and d["x"].dtype == value.dtype
    d["n"] = numpy.int64(3)
    assert d["n"] == 3


def test_what_a_client_cannot_read_is_not_lost(coded, ch):
    theirs, d = coded.dict("d"), ch.dict("d")
    theirs["o"], theirs["l"] = 1j, [1, {"o": 1j}]
    with pytest.raises(commonhold.Unreadable, match='the codec "pickle"') as popped:
        d.pop("l")
    d["again"] = popped.value.value
    with pytest.raises(commonhold.Unreadable) as swapped:
        d.swap("o", 0)
    ch.list("l").append(swapped.value.value)
    assert theirs.copy() == {"o": 0, "again": [1, {"o": 1j}]} and list(coded.list("l")) == [1j]
