"""What a dict keeps, and what it refuses."""

import math
import random
import struct

import pytest

import commonhold

VALUES = [
    None,
    True,
    False,
    0,
    -1,
    2**63 - 1,
    -(2**63),
    2**63,
    -(2**63) - 1,
    2**64,
    255 << 64,
    -(2**1000),
    3**5000,
    (1 << ((64 << 13) - 1)) - 1,
    0.0,
    -0.0,
    1.5,
    5e-324,
    math.inf,
    -math.inf,
    "",
    "text",
    "käse 🧀\0",
    b"",
    bytes(range(256)),
    [],
    [1, [2, [None]]],
    (),
    (1, "a", (b"b",)),
    {},
    {"b": 1, "a": [2], 1: {"c": ()}, (1, 2): None, None: False, 2.5: 0, b"k": 1},
    set(),
    {1, "a", (2, 3)},
    frozenset(),
    frozenset({1, frozenset({2})}),
    {frozenset({1}): {1: set()}},
    list(range(1000)),
]


def exact(value):
    """What two values share only if they are the same to the last bit and type."""
    if isinstance(value, float):
        return "float", struct.pack("d", value)
    if isinstance(value, dict):
        return "dict", [(exact(key), exact(value)) for key, value in value.items()]
    if isinstance(value, (set, frozenset)):
        return type(value).__name__, sorted(repr(exact(item)) for item in value)
    if isinstance(value, (list, tuple)):
        return type(value).__name__, [exact(item) for item in value]
    return type(value).__name__, value


@pytest.mark.parametrize("durability", ["durable", "relaxed", "memory"])
def test_every_value_comes_back_as_it_was(ch, durability):
    d = ch.dict("values", durability=durability)
    for number, value in enumerate(VALUES):
        d[number] = value
        assert exact(d.get(number)) == exact(value)
        assert d[number] == value
    assert math.isnan((d.set("nan", math.nan), d["nan"])[1])


def test_every_hashable_value_but_nan_is_a_key(ch):
    d = ch.dict("keys")
    plain = {}
    for number, key in enumerate(VALUES):
        try:
            hash(key)
        except TypeError:
            with pytest.raises(commonhold.Refused):
                d[key] = number
            continue
        d[key] = plain[key] = number
    for key, number in plain.items():
        assert d[key] == number
    with pytest.raises(commonhold.Refused):
        d[math.nan] = 0


def test_a_megabyte_travels_whole(ch):
    d = ch.dict("large", durability="memory")
    large = bytes(range(256)) * 4096
    d["bytes"] = large
    assert d["bytes"] == large


def test_a_missing_key_is_told_as_by_a_dict(ch):
    d = ch.dict("empty")
    assert d.get("x") is None
    assert d.get("x", 7) == 7
    with pytest.raises(KeyError) as raised:
        d[("x", 1)]
    assert raised.value.args == (("x", 1),)
    with pytest.raises(KeyError) as raised:
        d.increment("x", default=None)
    assert raised.value.args == ("x",)
    d["x"] = None
    assert d.get("x", 7) is None


def test_increments_have_a_start_a_step_and_bounds(ch):
    d = ch.dict("numbers")
    assert d.increment("a") == 1
    assert d.increment("a", 4) == 5
    assert d.increment("a", by=-7) == -2
    assert d.increment("b", default=10) == 11
    assert d.increment("c", 0.5) == 0.5
    assert d.increment("big", 2**70) == 2**70
    assert d.increment("a", 100, max=10, clamp=True) == 10
    assert d.increment("a", -100, min=0, clamp=True) == 0
    with pytest.raises(commonhold.OutOfBounds) as raised:
        d.increment("a", 1, max=0)
    assert raised.value.code == "OutOfBounds"
    assert isinstance(raised.value, ValueError)
    with pytest.raises(TypeError):
        d.increment("a", None)
    d["text"] = "a"
    with pytest.raises(commonhold.WrongType):
        d.increment("text")


def test_what_cannot_be_shared_is_refused_before_it_is_sent(ch):
    d = ch.dict("refused")
    with pytest.raises(TypeError, match="object is not a value"):
        d["x"] = object()
    with pytest.raises(TypeError, match="complex"):
        d["x"] = [1j]
    with pytest.raises(UnicodeEncodeError):
        d["x"] = "\ud800"
    round_and_round = []
    round_and_round.append(round_and_round)
    with pytest.raises(ValueError, match="32"):
        d["x"] = round_and_round
    with pytest.raises(ValueError, match="eternal"):
        ch.dict("x", durability="eternal")
    with pytest.raises(ValueError, match="64 KiB"):
        d["x"] = 1 << (64 << 13)
    assert d.get("x") is None


def test_the_deepest_value_comes_back(ch):
    deepest = None
    for _ in range(31):
        deepest = [deepest]
    d = ch.dict("deep")
    d["x"] = deepest
    assert d["x"] == deepest
    with pytest.raises(ValueError):
        d["x"] = [deepest]


def test_an_object_of_another_durability_is_refused(ch):
    ch.dict("one", durability="memory")["x"] = 1
    with pytest.raises(commonhold.Refused) as raised:
        ch.dict("one", durability="durable")["x"] = 2
    assert raised.value.code == "Conflict"
    assert "memory" in str(raised.value)


def test_proxies_say_what_they_are(server, ch):
    d = ch.dict("hits")
    assert repr(d) == f"<commonhold dict 'hits' at {server.url}>"
    assert repr(ch) == f"<commonhold client at {server.url}>"
    assert (d.name, d.client, ch.url) == ("hits", ch, server.url)


KEYS = ["a", "b", 1, 2.5, (1, "x"), None, b"a", frozenset({1})]


def outcome(act):
    try:
        result = act()
    except (KeyError, TypeError, RuntimeError) as error:
        return next(kind for kind in (KeyError, TypeError, RuntimeError) if isinstance(error, kind)), error.args
    return exact(result)


def test_random_programs_do_what_they_do_with_a_dict(ch):
    raised = 0
    for number in range(25):
        chance = random.Random(number)
        ours, theirs = ch.dict(f"d{number}", durability="memory"), {}
        for at in range(40):
            key, value = chance.choice(KEYS), chance.choice(["x", (1,), None, True, b"y"])
            some = {chance.choice(KEYS): chance.choice("xyz") for _ in range(chance.randrange(3))}
            step = chance.choice(
                [
                    lambda d: d[key],
                    lambda d: d.__setitem__(key, value),
                    lambda d: d.__setitem__(key, value),
                    lambda d: d.__delitem__(key),
                    lambda d: d.get(key),
                    lambda d: d.get(key, value),
                    lambda d: d.pop(key),
                    lambda d: d.pop(key, value),
                    lambda d: d.popitem(),
                    lambda d: d.setdefault(key, value),
                    lambda d: d.update(some),
                    lambda d: d.update(list(some.items())),
                    lambda d: d.update(some, named=value),
                    lambda d: key in d,
                    lambda d: len(d),
                    lambda d: list(d),
                    lambda d: list(reversed(d)),
                    lambda d: list(d.items()),
                    lambda d: list(reversed(d.items())),
                    lambda d: list(d.values()),
                    lambda d: list(reversed(d.values())),
                    lambda d: list(reversed(d.keys())),
                    lambda d: (d | some, some | d),
                    lambda d: d == some,
                    lambda d: (key, value) in d.items(),
                    lambda d: value in d.values(),
                    lambda d: d.keys() & some.keys(),
                    lambda d: d.keys() == some.keys(),
                    lambda d: bool(d),
                    lambda d: d.copy(),
                    lambda d: d.clear() if chance.random() < 0.2 else None,
                ]
            )
            state = chance.getstate()
            expected = outcome(lambda: step(theirs))
            chance.setstate(state)
            assert outcome(lambda: step(ours)) == expected, (number, at)
            raised += expected[0] is KeyError
            assert exact(ours.copy()) == exact(theirs), (number, at)
    assert raised > 50


def test_defaults_are_the_very_ones(ch):
    d = ch.dict("d")
    marker = object()
    assert d.get("x", marker) is marker and d.pop("x", marker) is marker
    assert d.at("x", "y").get(marker) is marker


def test_methods_beyond_a_dicts(ch):
    d = ch.dict("d")
    assert d.add("x", 1) and not d.add("x", 2) and d.swap("x", 3) == 1 and d.swap("y", 1) is None
    assert d.compare_and_set("x", 3, 4) and not d.compare_and_set("x", 3, 5)
    assert not d.compare_and_delete("x", 3) and d.compare_and_delete("x", 4) and not d.contains("x")
    d.update({"a": 1, "b": 2, "c": 3})
    assert d.get_many(["a", "c", "z"]) == {"a": 1, "c": 3} and d.delete_many(["a", "z"]) == 1
    assert d.delete("b") is True and d.delete("b") is False and d.len() == 2


def test_dicts_are_compared_and_not_hashed(ch):
    one, other = ch.dict("one"), ch.dict("other")
    one["x"] = other["x"] = [1]
    assert one == other and one == {"x": [1]} and {"x": [1]} == one and one == one
    other["y"] = 1
    assert one != other and one != [("x", [1])]
    with pytest.raises(TypeError):
        hash(one)
    one |= other
    assert one == other


def test_iteration_goes_on_while_others_write(ch):
    d = ch.dict("d", durability="memory")
    d.update({number: number for number in range(2500)})
    seen = []
    for key in d:
        if key == 100:
            d.delete_many(range(50))
            d["new"] = 1
        seen.append(key)
    assert seen[:2500] == list(range(2500)) and seen[2500:] in ([], ["new"])
    d.clear()
    d.update({number: number for number in range(2500)})
    seen = []
    for key, _ in d.items():
        if key == 10:
            d.clear()
        seen.append(key)
    assert seen == list(range(len(seen))) and 10 < len(seen) <= 1000


def test_an_iterator_that_ended_stays_so(ch):
    d = ch.dict("d")
    d["x"] = 1
    keys = iter(d)
    assert list(keys) == ["x"]
    d["y"] = 1
    assert list(keys) == []


def test_ls_turns_pages(ch):
    for number in range(1203):
        ch.counter(f"c{number:04}", durability="memory").increment()
    ch.dict("d")["x"] = 1
    names = [row["name"] for row in ch.ls()]
    assert names == [f"c{number:04}" for number in range(1203)] + ["d"]
    assert [row["name"] for row in ch.ls("c12")] == ["c1200", "c1201", "c1202"]
    assert [row["entries"] for row in ch.ls(kind="dict")] == [1]
    ch.delete("d")
    assert list(ch.ls("d")) == []
    with pytest.raises(commonhold.NotFound):
        ch.delete("d")


def test_a_proxy_outlives_its_object_s_name(ch):
    d = ch.dict("d")
    d["x"] = 1
    ch.delete("d")
    with pytest.raises(commonhold.ObjectGone):
        d["x"] = 2
    assert ch.dict("d").get("x") is None


def test_every_call_of_a_closed_client_says_so(server):
    ch = server.connect()
    d, l, lock, q = ch.dict("d"), ch.list("l"), ch.lock("k"), ch.queue("q")
    d["x"] = {"y": [1]}
    inner = d["x"]
    ch.close()
    assert ch.closed
    for act in (
        lambda: inner["y"].append(2), lambda: d["x"], lambda: d.update(x=1), lambda: list(d), lambda: len(l), lambda: l.append(1), lock.acquire, q.get,
        lambda: list(ch.ls()), ch.status, ch.dict,
    ):
        with pytest.raises(commonhold.Error, match="closed"):
            act()
    assert repr(d)
    ch.close()
