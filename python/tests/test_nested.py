"""Containers inside a shared dict: real ones, whose mutators write through."""

import copy
import heapq
import json
import pickle
import random
import threading

import pytest
from children import Thread, fork, wait_for

import commonhold
from commonhold.nested import SharedDict, SharedList


def test_what_is_read_is_a_dict_or_a_list(ch):
    d = ch.dict("d")
    d["a"] = {"l": [1, {"x": 2}], "t": (3,)}
    a = d["a"]
    assert isinstance(a, dict) and isinstance(a["l"], list) and a == {"l": [1, {"x": 2}], "t": (3,)}
    assert json.dumps(a) == '{"l": [1, {"x": 2}], "t": [3]}'
    assert repr(a) == "{'l': [1, {'x': 2}], 't': (3,)}"
    for plain in (pickle.loads(pickle.dumps(a)), copy.deepcopy(a)):
        assert type(plain) is dict and type(plain["l"]) is list and type(plain["l"][1]) is dict
    assert type(a.copy()) is dict and type(copy.copy(a)) is dict and type(a["l"].copy()) is list
    assert type(d.get("a")) is dict and type(d.plain["a"]) is dict


def test_mutators_write_through(ch):
    d = ch.dict("d")
    d["a"] = {"l": [3, 1, 2], "n": 1}
    a = d["a"]
    a["l"].append(9)
    a["l"].sort()
    a["l"][0] += 10
    a["n"] += 1
    a["new"] = {"deep": []}
    a["new"]["deep"].extend([1, 2])
    del a["l"][1]
    assert a.pop("n") == 2
    a.setdefault("s", 5)
    assert d.get("a") == {"l": [11, 3, 9], "new": {"deep": [1, 2]}, "s": 5} == a
    a.clear()
    assert d.get("a") == {} == a


def test_in_place_operators_of_containers_write_through_once(ch):
    d = ch.dict("d")
    d["l"], d["m"] = [1], {"a": 1}
    d["l"] += [2]
    d["l"] *= 2
    d["m"] |= {"b": 2}
    assert (d.get("l"), d.get("m")) == ([1, 2, 1, 2], {"a": 1, "b": 2})
    d["o"] = {"l": [1]}
    d["o"]["l"] += [2]
    assert d.get("o") == {"l": [1, 2]}
    # Elsewhere it is stored.
    l = d["l"]
    l += [9]
    d["other"] = l
    assert d.get("other") == d.get("l") == [1, 2, 1, 2, 9]


def test_two_processes_that_append_lose_nothing(ch):
    d = ch.dict("d", durability="memory")
    d["l"] = []

    def append(which):
        for number in range(50):
            d["l"].append((which, number))

    children = [fork(lambda which=which: append(which)) for which in range(2)]
    append(2)
    for child in children:
        wait_for(child)
    items = d.get("l")
    assert len(items) == 150
    for which in range(3):
        assert [number for other, number in items if other == which] == list(range(50))


def test_threads_that_count_inside_lose_nothing(ch):
    d = ch.dict("d", durability="memory")
    d["a"] = {"n": 0, "l": [0]}

    def count():
        for _ in range(30):
            d["a"]["n"] += 1
            d["a"]["l"][0] += 1
            d["a"]["l"][-1] *= 1

    for thread in [Thread(count) for _ in range(3)]:
        thread.result()
    assert d.get("a") == {"n": 90, "l": [90]}


def test_what_was_read_inside_a_list_that_was_rearranged_refuses(ch):
    d = ch.dict("d")
    d["l"] = [[1], [2]]
    outer = d["l"]
    inner = outer[0]
    outer.reverse()
    with pytest.raises(commonhold.Conflict, match="read it again"):
        inner.append(3)
    outer[1].append(3)
    assert d.get("l") == [[2], [1, 3]] == outer
    deep = outer[1]
    outer[1] = [7]
    with pytest.raises(commonhold.Conflict):
        deep.append(4)
    d["o"] = {"a": {"b": {}}}
    a = d["o"]["a"]
    b = a["b"]
    del a["b"]
    with pytest.raises(commonhold.Conflict):
        b["x"] = 1


def test_what_lies_deeper_refuses_too(ch):
    d = ch.dict("d")
    d["l"] = [{"deep": [1]}, {"deep": [2]}]
    outer = d["l"]
    deep = outer[0]["deep"]
    outer.reverse()
    with pytest.raises(commonhold.Conflict):
        deep.append(3)
    assert d.get("l") == [{"deep": [2]}, {"deep": [1]}]


def test_an_index_from_the_end_is_that_of_the_snapshot(ch):
    d = ch.dict("d")
    d["l"] = [1, 2, 3]
    snapshot = d["l"]
    d.at("l").append(4)
    snapshot[-1] = 30
    assert d.get("l") == [1, 2, 30, 4]
    n = snapshot[-1]
    n += 1
    snapshot[2] = 50
    snapshot[-1] = n
    assert d.get("l")[2] == 31
    with pytest.raises(IndexError):
        snapshot[9] = 1
    with pytest.raises(IndexError):
        snapshot[-9]


def test_what_cannot_be_shared_changes_neither(ch):
    d = ch.dict("d")
    d["l"], d["m"] = [1], {"a": 1}
    l, m = d["l"], d["m"]
    for act in (lambda: l.append(object()), lambda: l.__setitem__(0, object()), lambda: m.update(a=object())):
        with pytest.raises(TypeError):
            act()
    assert (l, m, d.get("l"), d.get("m")) == ([1], {"a": 1}, [1], {"a": 1})


def test_what_was_deleted_meanwhile_is_told(ch):
    d = ch.dict("d")
    d["a"] = {"x": {"y": 1}}
    x = d["a"]["x"]
    # As another process would.
    d._call("delete", "a")
    for act in (lambda: x.update(y=2), lambda: x.__setitem__("y", 2), lambda: x.pop("y")):
        with pytest.raises(KeyError):
            act()


def test_nan_inside_does_not_stand_in_the_way(ch):
    d = ch.dict("d")
    d["l"] = [float("nan")]
    d["l"].append(1)
    assert d.get("l")[1] == 1


def test_code_in_c_sees_and_edits_the_snapshot(ch):
    d = ch.dict("d")
    d["l"] = [3, 1, 2]
    snapshot = d["l"]
    heapq.heapify(snapshot)
    assert snapshot[0] == 1 and d.get("l") == [3, 1, 2]
    assert sorted(d["l"]) == [1, 2, 3] and [*d["l"]] == [3, 1, 2] 
    d["m"] = {"k": [1]}
    assert {**d["m"]} == {"k": [1]}


def test_places_are_reached_without_reading(ch):
    d = ch.dict("d")
    d["a"] = {"b": {"n": 1, "l": []}}
    at = d.at("a", "b")
    assert at.at("n").increment(2) == 3
    at.at("l").append(1)
    at.at("l").extend([2, 3])
    at.at("m").set({"x": 1})
    at.at("m").update(y=2)
    assert at.get() == {"n": 3, "l": [1, 2, 3], "m": {"x": 1, "y": 2}}
    assert at.at("m").contains() and at.at("m", "x").pop() == 1 and not at.at("m", "x").contains()
    marker = object()
    assert at.at("none").get(marker) is marker and at.at("none").pop(marker) is marker and at.at("none").get() is None
    at.at("m").delete()
    assert at.at("l").change(lambda items: items.pop()) == 3
    for act in (at.at("none").delete, at.at("none").pop, lambda: at.at("none", "x").set(1)):
        with pytest.raises(KeyError):
            act()
    with pytest.raises(IndexError):
        at.at("l", 9).set(1)
    assert at.at("n").increment(1, max=3, clamp=True) == 3
    assert repr(at) == f"<place ['a']['b'] of {d!r}>"


LIST_STEPS = "append extend insert pop remove reverse sort clear set delete slice cut iadd imul inner count".split()
DICT_STEPS = "set delete pop popitem setdefault update clear ior inner count".split()


def step(container, chance):
    """Does one thing to a container of ints and containers, plain or shared."""
    if isinstance(container, list):
        name, index, value = chance.choice(LIST_STEPS), chance.randrange(-4, 4), chance.randrange(5)
        more = [chance.randrange(5) for _ in range(chance.randrange(3))]
        if name in ("append", "remove"):
            getattr(container, name)(value)
        elif name == "extend":
            container.extend(more)
        elif name == "insert":
            container.insert(index, [value] if value == 0 else value)
        elif name == "pop":
            container.pop(index)
        elif name in ("reverse", "sort", "clear"):
            if name != "sort" or all(type(item) in (int,) for item in list(container)):
                getattr(container, name)()
        elif name == "set":
            container[index] = {"k": value} if value == 1 else value
        elif name == "delete":
            del container[index]
        elif name == "slice":
            container[index : index + 2] = more
        elif name == "cut":
            del container[index:]
        elif name == "iadd":
            container += more
        elif name == "imul":
            # Twice the same container is one in a plain list; here each is its own.
            if len(container) < 20 and not any(isinstance(item, (list, dict)) for item in container):
                container *= 2
        elif name == "count":
            container[index] += value
        elif isinstance(container[index], (list, dict)):
            step(container[index], chance)
        return
    name, key, value = chance.choice(DICT_STEPS), chance.choice("ab"), chance.randrange(5)
    if name == "set":
        container[key] = [value] if value < 2 else value
    elif name == "delete":
        del container[key]
    elif name == "pop":
        container.pop(key)
    elif name == "setdefault":
        container.setdefault(key, value)
    elif name == "update":
        container.update({key: value})
    elif name == "ior":
        container |= {key: [value]}
    elif name in ("popitem", "clear"):
        getattr(container, name)()
    elif name == "count":
        container[key] += value
    elif isinstance(container[key], (list, dict)):
        step(container[key], chance)


def test_random_programs_do_what_they_do_with_plain_containers(ch):
    raised = 0
    d = ch.dict("d", durability="memory")
    for number in range(100):
        plain = {"x": [1, [2, 3], {"a": 1}], "y": {"a": [1], "b": 2}}
        d.clear()
        d.update(plain)
        chance, again = random.Random(number), random.Random(number)
        snapshots = {}
        for at in range(15):
            key = "xy"[chance.randrange(2)]
            assert key == "xy"[again.randrange(2)]
            # A snapshot is kept for some steps, and read anew for others.
            if chance.random() < 0.3:
                snapshots.pop(key, None)
            again.random()
            ours = snapshots.setdefault(key, d[key])
            expected = got = None
            try:
                step(plain[key], again)
            except (KeyError, IndexError, ValueError, TypeError) as error:
                expected = type(error)
            try:
                step(ours, chance)
            except (KeyError, IndexError, ValueError, TypeError) as error:
                got = type(error)
            raised += expected is not None
            told = number, at
            assert got is None if expected is None else issubclass(got, expected), told
            assert d.copy() == plain, told
            assert ours == plain[key], told
            chance, again = random.Random(f"{number} {at}"), random.Random(f"{number} {at}")
    assert raised > 100


def test_kinds_of_snapshots(ch):
    d = ch.dict("d")
    d["l"], d["m"] = [1], {"a": 1}
    assert type(d["l"]) is SharedList and type(d["m"]) is SharedDict
    # What a method returns and what a slice gives is plain.
    assert type(d["l"][:]) is list and type(d["m"] | {}) is dict and type(d["l"] + []) is list


def test_common_idioms_reach_the_server(ch):
    d = ch.dict("d")
    d.setdefault("l", []).append(1)
    d["m"] = {"x": [1], "y": [2]}
    d["m"].setdefault("z", []).append(3)
    for items in d["m"].values():
        items.append(0)
    for _, items in d["m"].items():
        items.append(9)
    for items in [*d["m"].values()][:1]:
        items.clear()
    assert d.get("l") == [1]
    assert d.get("m") == {"x": [], "y": [2, 0, 9], "z": [3, 0, 9]}
    d["rows"] = [[1], [2]]
    for row in d["rows"]:
        row.append(5)
    for row in d["rows"][1:]:
        row.append(6)
    d["rows"].extend(row for row in ([7], [8]))
    assert d.get("rows") == [[1, 5], [2, 5, 6], [7], [8]]


def test_what_was_replaced_refuses(ch):
    d = ch.dict("d")
    for replace in (lambda: d.update(l=[0]), lambda: d.set("l", [0]), lambda: d.__setitem__("l", [0]), d.clear):
        d["l"] = [1]
        old = d["l"]
        old += [2]
        replace()
        with pytest.raises(commonhold.Conflict, match="read it again"):
            old.append(3)
        # It is stored, as another list would be.
        d["l"] = old
        assert d.get("l") == [1, 2]


def test_what_code_in_c_edited_is_stored(ch):
    d = ch.dict("d")
    d["l"] = [3, 1]
    l = d["l"]
    l += [2]
    heapq.heapify(l)
    d["l"] = l
    assert d.get("l") == [1, 3, 2]


def test_what_another_wrote_meanwhile_is_never_undone(ch, server):
    ch.dict("d")["k"] = {"log": [], "busy": False}
    done = threading.Event()
    undone = []

    def toggle():
        with server.connect() as other:
            busy = other.dict("d").at("k", "busy")
            while not done.is_set():
                for truth in (True, False):
                    busy.set(truth)
                    undone.extend([truth] * (busy.get() is not truth))

    toggling = threading.Thread(target=toggle)
    toggling.start()
    log = ch.dict("d")["k"]["log"]
    try:
        for number in range(1000):
            log.append(number)
    finally:
        done.set()
        toggling.join()
    assert ch.dict("d").get("k")["log"] == list(range(1000)) and not undone


def test_what_is_too_large_to_be_edited_in_place_is_changed_all_the_same(ch):
    d = ch.dict("d")
    d["k"] = {"log": [1], "ballast": bytes(100_000)}
    d["k"]["log"].append(2)
    assert d.at("k", "log").change(lambda log: log.pop(0)) == 1
    # It becomes so by the change.
    d["l"] = {"parts": [bytes(60_000)]}
    d["l"]["parts"].append(bytes(60_000))
    assert d.get("k")["log"] == [2] and [len(part) for part in d.get("l")["parts"]] == [60_000] * 2


def test_what_leads_nowhere_is_named(ch):
    d = ch.dict("d")
    d["k"] = {"list": [1], "n": 1}
    long = "long" * 100
    for path, error, named in (
        (("j", "list"), KeyError, "j"),
        (("k", "j", "list"), KeyError, "j"),
        (("k", ("it's", 1), "list"), KeyError, ("it's", 1)),
        (("k", long), KeyError, long),
        (("k", "list", 1), IndexError, "list index out of range"),
        (("k", "n", 0), TypeError, "a path cannot go into an int"),
    ):
        for act in (lambda place: place.append(2), lambda place: place.pop(), lambda place: place.delete()):
            with pytest.raises(error) as raised:
                act(d.at(*path))
            assert raised.value.args == (named,)


def test_an_in_place_operator_adds_only_to_what_was_not_set_since(ch):
    d = ch.dict("d")
    for write in (
        lambda: d["m"].__setitem__("n", 100),
        lambda: d.at("m", "n").set(100),
        lambda: d.plain.at("m", "n").set(100),
        lambda: d["m"].update(n=100),
        lambda: d.set("m", {"n": 100}),
    ):
        d["m"] = {"n": 5}
        read = d["m"]
        number = read["n"]
        number += 1
        write()
        d["m"]["n"] = number
        assert d.get("m") == {"n": 6}
    # Set elsewhere, or by others.
    d["m"] = {"n": 5, "o": 0, "l": [1]}
    number, first = d["m"]["n"], d["m"]["l"][0]
    number += 1
    first += 10
    d["m"]["o"] = 100
    ch.dict("d", durability=None).plain.at("m", "o").increment()
    run = threading.Thread(target=lambda: (d["m"].update(n=50), d.at("m", "l", 0).set(60)))
    run.start()
    run.join()
    d["m"]["n"], d["m"]["l"][0] = number, first
    assert d.get("m") == {"n": 51, "o": 101, "l": [70]}


def test_what_is_met_backwards_and_in_copies_writes_through(ch):
    d = ch.dict("d")
    d["l"] = [{"a": 1}, {"a": 1}]
    for item in reversed(d["l"]):
        item["a"] += 1
    (d["l"] + [])[0]["a"] += 10
    (d["l"] * 1)[1]["a"] += 20
    assert d.get("l") == [{"a": 12}, {"a": 22}]
    d["m"] = {"x": [1], "n": 1}
    for copied in ({**d["m"]}, dict(d["m"]), d["m"].copy(), (lambda **named: named)(**d["m"]), d["m"] | {}, {} | d["m"]):
        assert type(copied) is dict and copied["n"] == 1
        copied["x"].append(2)
    assert d.get("m") == {"x": [1, 2, 2, 2, 2, 2, 2], "n": 1}
    assert list(reversed(d["m"])) == ["n", "x"] and copy.copy(d["m"]) == d.get("m")


def test_nothing_nests_deeper_than_can_be_read(ch):
    d = ch.dict("d")
    d["chain"] = {}
    inner, depth = d["chain"], 0
    with pytest.raises(commonhold.TooLarge):
        while True:
            inner["next"] = {}
            inner, depth = inner["next"], depth + 1
    assert depth == 30 and len(str(d.get("chain"))) == len("{'next': }") * depth + 2
    endless = []
    endless.append(endless)
    for store in (lambda: d["chain"].update(x=endless), lambda: d["chain"].__setitem__("x", endless)):
        with pytest.raises(ValueError, match="32 deep"):
            store()
    d["n"] = (1 << 524287) - 1
    with pytest.raises(commonhold.TooLarge):
        d.increment("n")
    assert d.get("n") == (1 << 524287) - 1
