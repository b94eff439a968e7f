"""A server for each test that asks for one."""

import asyncio
import tempfile

import pytest

from servers import Server


@pytest.fixture
def server():
    # A short path: a socket's name is limited.
    with tempfile.TemporaryDirectory(prefix="commonhold-") as folder:
        server = Server(folder)
        server.start()
        yield server
        server.resume()
        server.kill()


@pytest.fixture
def ch(server):
    with server.connect() as client:
        yield client


@pytest.fixture
def d(ch):
    """A dict with an int and a float."""
    d = ch.dict("x")
    d.update({"n": 1, "f": 1.5})
    return d


@pytest.fixture
def run(server):
    """Runs a coroutine function with a client of asyncio's."""

    def run(main):
        async def with_client():
            async with await server.aio() as ch:
                await main(ch)

        asyncio.run(with_client())

    return run
