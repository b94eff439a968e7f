"""What makes bytes of objects that are no values: the pickle of multiprocessing, which tells of the proxies in it."""

import io
import pickle
from multiprocessing.reduction import ForkingPickler


def pickled(dump, value):
    """Has a pickler dump a value. What that raises is the calling program's own error, and is marked as such."""
    try:
        return dump(value)
    except Exception as error:
        error._commonhold_own = True
        raise


def is_own(error):
    """Whether an error is of `pickled`."""
    return getattr(error, "_commonhold_own", False)


class _Pickler(ForkingPickler):
    def __init__(self, file, address):
        super().__init__(file, pickle.HIGHEST_PROTOCOL)
        self._address = address
        self.objects = []

    def persistent_id(self, value):
        # Looked up by the class: a proxy answers for any attribute that its object may have.
        made = getattr(type(value), "_commonhold_mention", None)
        mention = made and made(value, self._address)
        if not mention:
            return None
        referent, how = mention
        self.objects.append(referent)
        return len(self.objects) - 1, *how


class _Unpickler(pickle.Unpickler):
    def __init__(self, file, proxies):
        super().__init__(file)
        self._proxies = proxies

    def persistent_load(self, mention):
        if isinstance(mention, int):
            return self._proxies[mention]
        index, rebuild, *how = mention
        return rebuild(self._proxies[index], *how)


class Codec:
    """Pickles for a manager at one address: proxies of its objects are mentioned to it, so that it keeps them."""

    name = "pickle"

    def __init__(self, address):
        self._address = address

    def dumps(self, value):
        file = io.BytesIO()
        pickler = _Pickler(file, self._address)
        pickled(pickler.dump, value)
        return file.getvalue(), pickler.objects

    def loads(self, data, proxies):
        return _Unpickler(io.BytesIO(data), proxies).load()
