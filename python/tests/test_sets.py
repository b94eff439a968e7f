"""Sets against the plain ones."""

import random

import pytest

MEMBERS = [0, 1, True, 2.0, "a", b"a", (1, "x"), None, frozenset({1})]


def outcome(act, *arguments):
    try:
        return act(*arguments)
    except (KeyError, TypeError) as error:
        return type(error) if isinstance(error, KeyError) else TypeError, error.args if isinstance(error, KeyError) else ()


def test_random_programs_do_what_they_do_with_a_set(ch):
    ours = ch.set("s", durability="memory")
    theirs = set()
    other = ch.set("other", durability="memory")
    chance = random.Random("sets")
    for step in range(600):
        some = {chance.choice(MEMBERS) for _ in range(chance.randrange(4))}
        member = chance.choice(MEMBERS)
        shared = chance.random() < 0.2
        if shared:
            other.clear()
            other.update(some)
        name = chance.choice(
            "add discard remove update difference_update intersection_update symmetric_difference_update ior iand isub ixor "
            "and or sub xor rand ror rsub rxor lt le gt ge eq contains union intersection difference isdisjoint "
            "symmetric_difference issubset issuperset".split()
        )
        argument = member if name in ("add", "discard", "remove", "contains") else some
        theirs_argument = argument
        ours_argument = other if shared and argument is some else argument
        if name in ("contains", "lt", "le", "gt", "ge", "eq", "ior", "iand", "isub", "ixor") or name in (
            "and", "or", "sub", "xor", "rand", "ror", "rsub", "rxor"
        ):
            name = f"__{name}__"
        expected = outcome(getattr(theirs, name), theirs_argument)
        got = outcome(getattr(ours, name), ours_argument)
        told = step, name, argument
        if name.startswith("__i"):
            assert got is ours, told
        elif name not in ("add", "discard"):
            assert (type(got), got) == (type(expected), expected), told
        assert ours.copy() == theirs, told
        assert (len(ours), set(ours)) == (len(theirs), theirs), told


def test_add_and_discard_tell_whether_they_did(ch):
    s = ch.set("s")
    assert (s.add(1), s.add(True), s.discard(1), s.discard(1)) == (True, False, True, False)
    assert (s.add_many([1, 2, 2]), s.discard_many([2, 3])) == (2, 1)


def test_what_is_not_there_is_told_as_by_a_set(ch):
    s = ch.set("s")
    with pytest.raises(KeyError) as raised:
        s.remove(("x", 1))
    assert raised.value.args == (("x", 1),)
    with pytest.raises(KeyError) as raised:
        s.pop()
    assert raised.value.args == ("pop from an empty set",)
    with pytest.raises(TypeError):
        s.add([])
    with pytest.raises(TypeError):
        hash(s)
    with pytest.raises(TypeError):
        s |= [1]
    with pytest.raises(TypeError):
        s & [1]


def test_sets_meet_sets(ch):
    one, other = ch.set("one"), ch.set("other")
    one.update([1, 2], [3])
    other.update([2, 3, 4])
    assert one & other == {2, 3} and one | other == {1, 2, 3, 4} and one - other == {1} and one ^ other == {1, 4}
    assert {1, 9} - one == {9} and {1, 9} ^ one == {2, 3, 9} and {1} <= one and {1, 2, 3} == one and one == one
    assert one != other and not one < other and one > {1}
    one ^= one
    assert not one and len(one) == 0
    other -= other
    assert other == set()


def test_iteration_goes_on_while_others_write(ch):
    s = ch.set("s", durability="memory")
    s.update(range(2500))
    seen = []
    for member in s:
        if not seen:
            s.clear()
        seen.append(member)
    assert 0 < len(seen) <= 1000
    s.update(range(2500))
    assert set(s) == set(range(2500))
    assert sorted(s)[0] == 0 and sum(1 for _ in s) == 2500
