"""Lists and arrays against the plain ones."""

import array
import random

import pytest

import commonhold
from commonhold import tracked

VALUES = [0, 1, True, 2.0, -3, "a", None, [1], (1, "x")]
ERRORS = (IndexError, ValueError, TypeError, OverflowError)


def outcome(act):
    """What it returned, or the type and the words of what was raised."""
    try:
        result = tracked.plain(act())
        return type(result), result
    except ERRORS as error:
        return next(kind for kind in ERRORS if isinstance(error, kind)), str(error)


def index(chance):
    return chance.randrange(-6, 7)


def part(chance):
    parts = [chance.choice([None, index(chance)]) for _ in range(2)]
    return slice(*parts, chance.choice([None, None, 1, 2, -1, -2, 0]))


def values(chance):
    return [chance.choice(VALUES) for _ in range(chance.randrange(4))]


def extended(thing, more):
    thing += more
    return list(thing)


def times(thing, number):
    thing *= number
    return list(thing)


def assigned(thing, where, value):
    thing[where] = value


def deleted(thing, where):
    del thing[where]


# Each makes a function of what may come by chance.
STEPS = [
    lambda c: (lambda l, i=index(c): l[i]),
    lambda c: (lambda l, s=part(c): l[s]),
    lambda c: (lambda l, i=index(c), v=c.choice(VALUES): assigned(l, i, v)),
    lambda c: (lambda l, s=part(c), v=values(c): assigned(l, s, v)),
    lambda c: (lambda l, i=index(c): deleted(l, i)),
    lambda c: (lambda l, s=part(c): deleted(l, s)),
    lambda c: (lambda l, v=c.choice(VALUES): l.append(v)),
    lambda c: (lambda l, v=values(c): l.extend(v)),
    lambda c: (lambda l, v=values(c): l.extend(iter(v))),
    lambda c: (lambda l, v=values(c): extended(l, v)),
    lambda c: (lambda l, n=c.randrange(-1, 3): times(l, n)),
    lambda c: (lambda l, i=index(c), v=c.choice(VALUES): l.insert(i, v)),
    lambda c: (lambda l: l.pop()),
    lambda c: (lambda l, i=index(c): l.pop(i)),
    lambda c: (lambda l, v=c.choice(VALUES): l.remove(v)),
    lambda c: (lambda l, v=c.choice(VALUES): l.index(v)),
    lambda c: (lambda l, v=c.choice(VALUES), i=index(c), j=index(c): l.index(v, i, j)),
    lambda c: (lambda l, v=c.choice(VALUES): l.count(v)),
    lambda c: (lambda l, v=c.choice(VALUES): v in l),
    lambda c: (lambda l: l.reverse()),
    lambda c: (lambda l: list(reversed(l))),
    lambda c: (lambda l: len(l)),
    lambda c: (lambda l: list(l)),
    lambda c: (lambda l, v=values(c): (l + v, v + l, l * 2, 2 * l)),
    lambda c: (lambda l, v=values(c): (l == v, l != v)),
    lambda c: (lambda l: l["x"]),
    lambda c: (lambda l: assigned(l, slice(1, 2), 5)),
    lambda c: (lambda l: (l.clear(), bool(l))),
]
# Clearing the list each time would leave nothing to do.
WEIGHTS = [3] * (len(STEPS) - 1) + [1]


def test_random_programs_do_what_they_do_with_a_list(ch):
    raised = 0
    for number in range(40):
        chance = random.Random(number)
        ours, theirs = ch.list(f"l{number}", durability="memory"), []
        for at in range(40):
            step = chance.choices(STEPS, WEIGHTS)[0](chance)
            expected = outcome(lambda: step(theirs))
            if len(theirs) > 200:
                break
            got = outcome(lambda: step(ours))
            assert got == expected, (number, at)
            raised += expected[0] in ERRORS
            assert ours.copy() == theirs
            assert [type(value) for value in ours] == [type(value) for value in theirs]
    assert 50 < raised < 1500


def test_sorting_is_pythons(ch):
    l = ch.list("l")
    l.extend([3, 1.5, True, -2, 2**70])
    plain = l.copy()
    l.sort(key=lambda number: number % 3)
    assert l == sorted(plain, key=lambda number: number % 3)
    l.sort()
    assert l == sorted(plain)
    l.sort(reverse=True)
    assert l == sorted(plain, reverse=True)
    l.append("x")
    with pytest.raises(TypeError, match="^'<' not supported between instances of 'str' and 'int'$"):
        l.sort()


def test_sorting_by_a_key_begins_again_if_others_write(ch):
    l = ch.list("l")
    l.extend([3, 1, 2])
    met = []

    def key(number):
        met.append(number)
        if len(met) == 2:
            l.insert(0, 9)
        if len(met) == 5:
            l.append(0)
        return number

    l.sort(key=key)
    assert met == [3, 1, 2, 9, 3, 1, 2] and l == [1, 2, 3, 9, 0]


def test_lists_are_compared_as_lists(ch):
    one, other = ch.list("one"), ch.list("other")
    one.extend([1, 2])
    other.extend([1, 3])
    assert one < other and one <= other and other > one and other >= one and one != other
    assert one == [1, 2] and [1, 2] == one and one < [2] and one != (1, 2)
    with pytest.raises(TypeError):
        one < (1, 2)
    with pytest.raises(TypeError):
        hash(one)
    with pytest.raises(TypeError):
        one + (1,)
    assert one + other == [1, 2, 1, 3]
    one.extend(one)
    one[1:1] = one
    assert one == [1, 1, 2, 1, 2, 2, 1, 2]


def test_indexes_may_be_what_has_an_index(ch):
    class One:
        def __index__(self):
            return 1

    l = ch.list("l")
    l.extend([1, 2, 3])
    l[One()] += 5
    assert (l[One()], l[One() :], l.pop(One())) == (7, [7, 3], 7)
    for wrong in (1.0, None, "x"):
        with pytest.raises(TypeError):
            l[wrong]
        with pytest.raises(TypeError):
            l.insert(wrong, 1)


def test_an_absent_list_is_not_an_empty_one_if_it_must_be_there(ch):
    with pytest.raises(commonhold.NotFound, match="none"):
        ch.list("none", exists=True)[0]
    with pytest.raises(commonhold.NotFound):
        ch.list("none", exists=True).pop()
    with pytest.raises(IndexError):
        ch.list("none")[0]
    assert list(ch.ls()) == []


def test_iteration_goes_on_while_others_write(ch):
    l = ch.list("l", durability="memory")
    l.extend(range(2500))
    seen = []
    for value in l:
        if value == 10:
            del l[:10]
        if value == 1500:
            l.clear()
        seen.append(value)
    assert seen[:1500] == list(range(1500)) and len(seen) <= 2000


@pytest.mark.parametrize("typecode", "bBhHiIlLqQfd")
def test_random_programs_do_what_they_do_with_an_array(ch, typecode):
    numbers = [0, 1, 7, True, -1, 100, 300, 70_000, 2**31, 2**33, 2**63, 2**64, 1.5, "x", None]
    raised = 0
    for number in range(4):
        chance = random.Random(f"{typecode} {number}")
        theirs = array.array(typecode, [1, 2, 3, 2])
        ours = ch.array(f"{typecode}{number}", typecode, theirs, durability="memory")
        for at in range(40):
            where, which, value = index(chance), part(chance), chance.choice(numbers)
            # An empty array would delete a plain one's slice, whatever its step.
            more = array.array(typecode, [chance.randrange(9) for _ in range(chance.randrange(1, 5))])
            step = chance.choice(
                [
                    lambda a: a[where],
                    lambda a: a[which],
                    lambda a: assigned(a, where, value),
                    lambda a: assigned(a, which, more),
                    lambda a: len(a),
                    lambda a: list(a),
                    lambda a: a.index(value),
                    lambda a: a.count(value),
                    lambda a: value in a,
                    lambda a: list(reversed(a)),
                    lambda a: a == more,
                    lambda a: a.tolist(),
                ]
            )
            expected = outcome(lambda: step(theirs))
            got = outcome(lambda: step(ours))
            if expected[0] is TypeError:
                # The words name the argument's types in ways of their own.
                assert got[0] is TypeError, (number, at)
            else:
                assert got == expected, (number, at)
            raised += expected[0] in ERRORS
            assert ours.copy() == theirs
    assert raised > 10


def test_an_array_says_what_it_is(ch):
    a = ch.array("a", "h", size=3)
    assert (a.typecode, a.tolist(), len(a)) == ("h", [0, 0, 0], 3)
    a[0] = 0
    assert a == ch.array("a") and a == array.array("h", 3 * [0]) and a != [0, 0, 0]
    assert a.increment(0, 5, max=7) == 5
    with pytest.raises(commonhold.OutOfBounds):
        a.increment(0, 5, max=7)
    assert a.increment(0, 5, max=7, clamp=True) == 7
    assert a.compare_and_set(0, 7, 1) and not a.compare_and_set(0, 7, 2)
    with pytest.raises(OverflowError):
        a[0] += 2**15
    a[0] += 1
    assert a[0] == 2
    with pytest.raises(IndexError, match="^array index out of range$"):
        a.increment(3)
    with pytest.raises(ValueError, match="typecode"):
        ch.array("none", "x").tolist()
