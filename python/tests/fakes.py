"""Proxies on plain data in this process, which are the package's own but for the way to the server."""

import commonhold
from commonhold.errors import Missing, OutOfBounds, WrongType


def number(value):
    if not isinstance(value, (int, float)):
        raise WrongType(f"a {type(value).__name__} is not a number")
    return value


class Fake:
    """The methods that numbers are tracked through, as the server has them. `data` is a dict, a list or an array."""

    data = None

    def _call(self, method, *arguments, value=None):
        data = self.data
        if value is not None:
            # To set what is missing.
            return data.setdefault(arguments[0], value) is value
        if method in ("get", "set", "increment", "compare_and_set", "delete"):
            # Reads never say what is missing otherwise.
            try:
                return self._at(data, method, *arguments)
            except (KeyError, IndexError) as missing:
                raise Missing(str(missing)) from None
            except OverflowError as beyond:
                raise OutOfBounds(str(beyond)) from None
        if method == "set_slice":
            data[slice(*arguments[1:])] = arguments[0]
            return None
        try:
            return getattr(data, method)(*arguments)
        except (KeyError, IndexError) as missing:
            raise Missing(str(missing)) from None

    @staticmethod
    def _at(data, method, key, *arguments):
        if method == "get":
            return data.get(key, *arguments) if arguments else data[key]
        if method == "delete":
            del data[key]
        elif method == "set":
            data[key] = arguments[0]
        elif method == "increment":
            if key not in data and isinstance(data, dict) and arguments[1:] != (None,):
                data[key] = 0
            data[key] = number(data[key]) + number(arguments[0])
            return data[key]
        elif data[key] == arguments[0]:
            data[key] = arguments[1]
            return True
        return False


class FakeDict(Fake, commonhold.Dict):
    pass


class FakeNamespace(Fake, commonhold.Namespace):
    def __getattribute__(self, name):
        # The data is this process's own.
        return object.__getattribute__(self, name) if name == "data" else super().__getattribute__(name)

    def __setattr__(self, name, value):
        object.__setattr__(self, name, value) if name == "data" else super().__setattr__(name, value)


class FakeList(Fake, commonhold.List):
    pass


class FakeArray(Fake, commonhold.Array):
    pass


class FakeValue(Fake, commonhold.Value):
    """Its data is a list of one."""

    def _call(self, method, *arguments):
        return super()._call(method, 0, *arguments)
