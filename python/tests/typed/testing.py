"""What a type checker learns of servers for test suites."""

from pathlib import Path
from typing import assert_type

import commonhold
import commonhold.testing
from commonhold import aio


async def counting(server: commonhold.testing.Server) -> None:
    async with await server.connect_aio(name="tests", codec="pickle") as ch:
        assert_type(ch, aio.AsyncClient)
    await server.connect_aio("tests")  # type: ignore[call-arg]


def test_counting(tmp_path: Path) -> None:
    with commonhold.testing.server(data=tmp_path) as server:
        assert_type(server, commonhold.testing.Server)
        assert_type(server.url, str)
        assert_type(server.authkey, bytes)
        assert_type(server.pid, int)
        with server.connect(name="tests", codec="pickle") as ch:
            assert_type(ch, commonhold.Client)
            assert_type(ch.counter("n").increment(), int)
    # Mistakes, each of which a checker tells: one that it does not tell is an ignore too many.
    commonhold.testing.server(tmp_path)  # type: ignore[call-arg]
    server.connect("tests")  # type: ignore[call-arg]
    server.pid = 1  # type: ignore[misc]
