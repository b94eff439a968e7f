"""What every proxy stands on."""

import asyncio
from collections.abc import Coroutine

from commonhold import _native


class Object(_native.AsyncObject):
    """A shared object of any kind. `await` it to create it now; otherwise its first write does."""

    __slots__ = ("_door", "_first")

    #: Do its calls differ by who makes them? Then each task is a holder of its own.
    _owned = False

    def __init__(self, *_arguments, **_options):
        # Held while a new object is being made: it is made once.
        self._door = None
        # What has to exist before it can be made.
        self._first = ()

    async def open(self):
        """Creates the object if it is absent, and returns this proxy."""
        for needed in self._first:
            await needed.open()
        self._first = ()
        if self.name is not None:
            await self._finish(self._open)
            return self
        if self._door is None:
            self._door = asyncio.Lock()
        async with self._door:
            if self._oid is None:
                await self._finish(self._open)
        return self

    def __await__(self):
        return self.open().__await__()

    async def pin(self, seconds):
        """Keeps an anonymous object for so long, although nothing may refer to it."""
        await self.open()
        await self._finish(self._pin, seconds)

    async def _call(self, method, /, *arguments, **named):
        """Calls a method that does not wait, or waits for ever."""
        return await self._make_call(False, None, method, arguments, named)

    async def _wait(self, timeout, method, /, *arguments, **named):
        """Calls a method that waits for so many seconds, None for ever; 0 is not at all."""
        return await self._make_call(False, timeout, method, arguments, named)

    async def _read(self, method, /, *arguments, **named):
        """As `_call`; returns what came, to be sent again, and the object that it is."""
        return await self._make_call(True, None, method, arguments, named)

    async def _make_call(self, raw, timeout, method, arguments, named):
        conductor = self.client._conductor
        conductor.expect()
        if self._first:
            await self.open()
        owner = self.client._owner() if self._owned else None
        call = self._begin(owner, timeout, method, arguments, named, raw)
        while type(call) is list:
            for unopened in call:
                await unopened.open()
            conductor.expect()
            call = self._begin(owner, timeout, method, arguments, named, raw)
        return await conductor.finish(call)

    async def _finish(self, begin, *arguments):
        conductor = self.client._conductor
        conductor.expect()
        return await conductor.finish(begin(*arguments))

    def _fenced(self, grant, **own):
        return type(self)(self.client, self.kind, self.name, like=self, fence=grant.fence, **own)

    def __reduce_ex__(self, _protocol):
        raise TypeError(f"{self!r} belongs to its event loop and cannot be pickled: pickle its name")


class Fenceable(Object):
    """What can be written under the fence of a lock."""

    __slots__ = ()

    def fenced(self, grant):
        """The same object, whose calls are refused with `FencedOut` unless the grant of a lock holds."""
        return self._fenced(grant)


class Entered(Coroutine):
    """Something that can be awaited, or entered by `async with`: a coroutine that gives what has to be left again."""

    __slots__ = ("_entered", "_coroutine")

    def __init__(self, coroutine):
        self._coroutine = coroutine

    # As a coroutine, for those who make tasks of it.

    def send(self, value):
        return self._coroutine.send(value)

    def throw(self, *raised):
        return self._coroutine.throw(*raised)

    def close(self):
        return self._coroutine.close()

    def __await__(self):
        return self._coroutine.__await__()

    async def __aenter__(self):
        self._entered = await self._coroutine
        return await self._entered.__aenter__()

    async def __aexit__(self, kind, error, traceback):
        return await self._entered.__aexit__(kind, error, traceback)
