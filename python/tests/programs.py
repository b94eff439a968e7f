"""Random programs on containers of numbers, and what becomes of them: see test_tracked.py."""

import operator
import random

from commonhold import tracked

KEYS = ["a", "b", 1]
INDEXES = [0, 1, 2, -1, -3]
CONSTANTS = [0, 1, -2, 7, 2**63 - 1, 3.5, -0.0, 1e308, True, "s", None, ()]
# Text and tuples are operands that no number is tracked through.
OPERANDS = [0, 1, 1, 2, -3, 10**20, 0.1, -2.5, True, "s", (1,), None]
FREE = ["iadd", "iadd", "iadd", "isub", "isub", "imul", "itruediv", "ifloordiv", "imod"]
# Those that would grow without bounds have operands of their own.
CLOSE = {
    "ipow": [0, 1, 2, -1, 0.5],
    "ilshift": [0, 3, -1],
    "irshift": [0, 2],
    "iand": [6, True],
    "ior": [9, False],
    "ixor": [5],
}
PLAIN_OF = {"i" + name: name for name in ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow")}
PLAIN_OF |= {"ilshift": "lshift", "irshift": "rshift", "iand": "and_", "ior": "or_", "ixor": "xor"}


def random_program(chance, places, things, others):
    """So many steps. Mostly those that the rule is about: reads, operators and stores of few numbers."""
    steps = []
    for _ in range(chance.randint(4, 14)):
        thing, place = chance.randrange(things), chance.choice(places)
        register, other = chance.randrange(3), chance.randrange(3)
        kind = chance.choices(
            ["read", "in place", "plainly", "move", "store", "constant", "augmented", "other"],
            [20, 25, 5, 5, 25, 6, 8, 6 if others else 0],
        )[0]
        if kind in ("in place", "plainly", "augmented"):
            name = chance.choice(FREE) if chance.random() < 0.8 else chance.choice([*CLOSE])
            if name not in CLOSE and kind != "augmented" and chance.random() < 0.2:
                operand = ("register", other)
            else:
                operand = ("constant", chance.choice(CLOSE.get(name, OPERANDS)))
            steps.append((kind, thing, place, register, name, operand))
        elif kind == "constant":
            steps.append((kind, thing, place, chance.choice(CONSTANTS)))
        elif kind == "other":
            steps.append((kind, thing, place, chance.choice(others)))
        else:
            steps.append((kind, thing, place, register, other))
    return steps


def too_large(value):
    """Would it soon be too large to be worth the time?"""
    if isinstance(value, int):
        return value.bit_length() > 2000
    return isinstance(value, (str, tuple)) and len(value) > 1000


class Run:
    """A program that runs on things: `get`, `put` and the functions in steps tell how they are used."""

    def __init__(self, things, get, put):
        self.things = things
        self.get = get
        self.put = put
        self.registers = [None] * 3

    def step(self, kind, thing, place, *more):
        """Takes a step; returns the registers, or what was raised."""
        try:
            self._step(kind, self.things[thing], place, *more)
        except Exception as error:
            return next(kind.__name__ for kind in BASES if isinstance(error, kind)), shown(self.registers)
        return "done", shown(self.registers)

    def _step(self, kind, thing, place, *more):
        if kind == "other":
            more[0](thing, place)
        elif kind == "read":
            self.registers[more[0]] = self.get(thing, place)
        elif kind == "constant":
            self.put(thing, place, more[0])
        elif kind == "move":
            self.registers[more[0]] = self.registers[more[1]]
        elif kind == "store":
            self._store(thing, place, self.registers[more[0]])
        else:
            register, name, (source, operand) = more
            if source == "register":
                operand = self.registers[operand]
            number = self.get(thing, place) if kind == "augmented" else self.registers[register]
            if too_large(number) or too_large(operand):
                number = operand = 1
            name = PLAIN_OF[name] if kind == "plainly" else name
            result = getattr(operator, name)(number, operand)
            if kind == "augmented":
                self._store(thing, place, result)
            else:
                self.registers[register] = result

    def _store(self, thing, place, value):
        if isinstance(value, complex):
            raise TypeError("cannot be shared")
        self.put(thing, place, value)


BASES = [KeyError, IndexError, AttributeError, ZeroDivisionError, OverflowError, TypeError, ValueError, Exception]


def shown(value):
    """Its type and what it is to the last bit."""
    if isinstance(value, (list, tuple)):
        return [shown(item) for item in value]
    if isinstance(value, dict):
        return [(shown(key), shown(item)) for key, item in value.items()]
    return type(tracked.plain(value)).__name__, repr(value)


def check(count, seed, places, others, make, get, put, contents):
    """Runs so many programs on shared and plain things; returns how many there were in which something was raised.

    make: returns the shared things and the plain ones; contents: all that is in one of them.
    """
    raised = 0
    for number in range(count):
        chance = random.Random(f"{seed} {number}")
        shared, plain = make()
        program = random_program(chance, places, len(plain), others)
        ours, theirs = Run(shared, get, put), Run(plain, get, put)
        failed = False
        for at, step in enumerate(program):
            told = f"program {number}, step {at} of {program[: at + 1]}"
            expected = theirs.step(*step)
            assert ours.step(*step) == expected, told
            failed |= expected[0] != "done"
            for one, other in zip(shared, plain):
                assert shown(contents(one)) == shown(contents(other)), told
        raised += failed
    return raised
