"""What libraries make of the numbers and containers that are read from shared objects: docs/python.md tells it."""

import array
import decimal
import json
import operator
import pickle
import sqlite3
import struct

import pytest
from numbers_between import between

from commonhold import tracked


def test_the_standard_library_takes_them_for_numbers(d):
    n, f = d["n"], d["f"]
    assert json.dumps({"n": n, "f": f}) == '{"n": 1, "f": 1.5}'
    assert type(pickle.loads(pickle.dumps([n]))[0]) is int
    assert struct.pack("<qd", n, f) == struct.pack("<qd", 1, 1.5)
    assert array.array("q", [n])[0] == 1
    with sqlite3.connect(":memory:") as database:
        assert database.execute("select ?, ?, typeof(?)", (n, f, n)).fetchone() == (1, 1.5, "integer")
    database.close()
    assert decimal.Decimal(f) == decimal.Decimal("1.5")
    assert eval(repr(n)) == 1


def test_numpy_takes_them_for_numbers(d):
    numpy = pytest.importorskip("numpy")
    made = numpy.array([d["n"], d["f"]])
    assert made.dtype == numpy.float64 and numpy.array([d["n"]]).dtype == numpy.int64
    # What it adds is added at the store.
    assert between(d, lambda n: operator.iadd(n, numpy.int64(5))) == 106
    assert between(d, lambda f: operator.iadd(f, numpy.float64(0.5)), "f") == 102.0
    d[numpy.int64(3).item()] = 1
    n = d["n"]
    n += made
    assert isinstance(n, numpy.ndarray)


def test_pandas_takes_them_for_numbers(d):
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"n": [d["n"], 2], "f": [d["f"], 2.5]})
    assert [str(kind) for kind in frame.dtypes] == ["int64", "float64"]


def test_msgpack_takes_them_for_numbers_unless_it_is_strict(d):
    msgpack = pytest.importorskip("msgpack")
    assert msgpack.packb([d["n"], d["f"]]) == msgpack.packb([1, 1.5])
    with pytest.raises(TypeError):
        msgpack.packb(d["n"], strict_types=True)
    assert msgpack.packb(d.plain["n"], strict_types=True) == msgpack.packb(1)


def test_yaml_wants_plain_numbers(d):
    yaml = pytest.importorskip("yaml")
    with pytest.raises(yaml.representer.RepresenterError):
        yaml.safe_dump({"n": d["n"]})
    assert yaml.safe_dump({"n": d.plain["n"], "f": d.get("f")}) == "f: 1.5\nn: 1\n"


def test_plain_proxies_see_and_tell_the_same(d):
    n = d["n"]
    n += 1
    d.plain["n"] = 5
    d["n"] = n
    assert d.get("n") == 2
    d["list"] = [1]
    assert type(d.plain["list"]) is list
    assert tracked.plain(d["n"]) == 2 and type(tracked.plain(d["n"])) is int
