"""What a dict keeps, and what it refuses."""

import math
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
    with pytest.raises(TypeError, match="bytearray"):
        d["x"] = [bytearray()]
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
