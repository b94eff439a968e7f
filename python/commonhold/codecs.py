"""Codecs: what makes bytes of objects that are no values, for clients that ask for it.

A codec has a `name`, and `dumps(value)`, which returns bytes and a list of the shared objects that they mention. The server
keeps those as long as the bytes; `loads(data, objects)` is given them again, in the same order.
"""

import io
import pickle

from commonhold._native import AsyncObject, Object


class _Pickler(pickle.Pickler):
    """Notes the proxies that it meets."""

    def __init__(self, file):
        super().__init__(file, protocol=5)
        self.objects = []

    def persistent_id(self, value):
        if not isinstance(value, (Object, AsyncObject)):
            return None
        self.objects.append(value)
        return len(self.objects) - 1


class _Unpickler(pickle.Unpickler):
    """Puts proxies in their places."""

    def __init__(self, file, objects):
        super().__init__(file)
        self._objects = objects

    def persistent_load(self, index):
        return self._objects[index]


class Pickle:
    """Python's pickle. Whoever may write to the server can have a client with this codec run any code."""

    name = "pickle"

    def dumps(self, value):
        file = io.BytesIO()
        pickler = _Pickler(file)
        pickler.dump(value)
        return file.getvalue(), pickler.objects

    def loads(self, data, objects):
        return _Unpickler(io.BytesIO(data), objects).load()


_BY_NAME = {Pickle.name: Pickle}


def codec_of(codec):
    """The codec of a name, or the object itself: see this module."""
    if codec is None:
        return None
    if not isinstance(codec, str):
        if not all(hasattr(codec, name) for name in ("name", "dumps", "loads")):
            raise TypeError(f"a codec has a name, dumps and loads, and {codec!r} has not")
        return codec
    try:
        return _BY_NAME[codec]()
    except KeyError:
        raise ValueError(f"there is no codec {codec!r}; there are {', '.join(_BY_NAME)}") from None
