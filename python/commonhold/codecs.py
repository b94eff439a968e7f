"""Codecs: what makes bytes of objects that are no values, for clients that ask for it."""

import pickle


class Pickle:
    """Python's pickle. Whoever may write to the server can have a client with this codec run any code."""

    name = "pickle"

    def dumps(self, value):
        return pickle.dumps(value, protocol=5)

    def loads(self, data):
        return pickle.loads(data)


_BY_NAME = {Pickle.name: Pickle}


def codec_of(codec):
    """The codec of a name, or the object itself: it needs a `name`, `dumps` and `loads`."""
    if codec is None or not isinstance(codec, str):
        return codec
    try:
        return _BY_NAME[codec]()
    except KeyError:
        raise ValueError(f"there is no codec {codec!r}; there are {', '.join(_BY_NAME)}") from None
