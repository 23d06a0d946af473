# SPDX-License-Identifier: Apache-2.0
"""Receivers that answer without end, or for ever so slowly: little is read, and the attempt says what happened."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, suppress
from typing import Any

import pytest
from castwarden_base.waiting import wait_until

from tests.integration.webhooks.conftest import Bench, Engines, Received, Receivers

MIB = 2**20
MOST = 16 * MIB  # what the sockets of both sides may hold of an answer that is not read; it would go on for a gigabyte
GIGABYTE = 2**30
OK, BROKEN = b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 500 Broken\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n\r\n"
Talk = Callable[[bytes, bytes], Awaitable["Talker"]]


class Talker:
    """Answers every request with `head` and then with `piece` after `piece`, up to a gigabyte or until hung up on."""

    def __init__(self, head: bytes, piece: bytes) -> None:
        self.url = ""
        self.sent = 0
        self.hung_up = False
        self._head, self._piece = head, piece

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            head = await reader.readuntil(b"\r\n\r\n")
            await reader.readexactly(int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]))
            writer.write(self._head)
            while self.sent < GIGABYTE:
                writer.write(self._piece)
                await writer.drain()
                self.sent += len(self._piece)
        self.hung_up = self.sent < GIGABYTE
        writer.close()


@pytest.fixture
async def talk() -> AsyncIterator[Talk]:
    async with AsyncExitStack() as stack:

        async def start(head: bytes, piece: bytes) -> Talker:
            talker = Talker(head, piece)
            server = await asyncio.start_server(talker.serve, "127.0.0.1", 0)
            stack.callback(server.close)
            talker.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
            return talker

        yield start


async def attempt(bench: Bench) -> Any:
    return await wait_until(lambda: bench.row("select * from webhook_attempts"), 60)


ENDLESS = {
    "headers": (OK, b"X-A: " + b"y" * 1000 + b"\r\n", "protocol"),
    "one header": (OK + b"X-A: ", b"y" * 65536, "protocol"),
    "small headers": (OK, b"a:b\r\n" * 10_000, "protocol"),
    "one status line": (b"HTTP/1.1 200 ", b"OK" * 10_000, "protocol"),
    "interim answers": (b"", b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" * 100, "protocol"),
    "something else": (b"", b"\x16\x03\x01\x02" * 10_000, "protocol"),
    "a body": (BROKEN + b"\r\n", b"x" * 65536, "status_500"),
    "a body that is good news": (OK + b"\r\n", b"x" * 65536, None),
    "a body of a terabyte": (BROKEN + b"Content-Length: 1099511627776\r\n\r\n", b"x" * 65536, "status_500"),
    "chunks": (BROKEN + CHUNKED, b"1000\r\n" + b"x" * 4096 + b"\r\n", "status_500"),
    "one chunk": (BROKEN + CHUNKED + b"ffffffffffffff\r\n", b"x" * 65536, "status_500"),
    "a chunk's extension": (BROKEN + CHUNKED + b"1;", b"x" * 65536, "status_500"),
    "trailers": (BROKEN + CHUNKED + b"0\r\n", b"X-A: y\r\n" * 1000, "status_500"),
}


@pytest.mark.parametrize(("head", "piece", "error"), ENDLESS.values(), ids=ENDLESS)
async def test_an_answer_without_end_is_hung_up_on_and_the_attempt_has_its_error_class(
    bench: Bench, engine: Engines, talk: Talk, head: bytes, piece: bytes, error: str | None
) -> None:
    talker = await talk(head, piece)
    await bench.endpoint(talker.url, timeout_seconds=30)
    await engine()
    await bench.emit("stream.started")
    made = await attempt(bench)
    assert (made["outcome"], made["error"]) == ("failed" if error else "sent", error)
    assert len(made["response_body"]) <= 16 * 1024
    assert len(str(made["response_headers"])) < 4096
    await wait_until(lambda: talker.hung_up, 30)
    assert talker.sent < MOST


DRIPS = {
    "nothing but a status line": (b"HTTP/1.1 2", "timeout"),
    "headers": (OK + b"X-A: ", "timeout"),
    "a body": (BROKEN + b"\r\n", "status_500"),
    "a body with a length": (BROKEN + b"Content-Length: 1000\r\n\r\n", "status_500"),
}


@pytest.mark.parametrize(("head", "error"), DRIPS.values(), ids=DRIPS)
async def test_a_receiver_that_drips_a_byte_a_second_is_cut_off_at_its_timeout_and_others_get_theirs(
    bench: Bench, engine: Engines, receiver: Receivers, head: bytes, error: str
) -> None:
    at_an_end = asyncio.Event()

    async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(head)
            while not reader.at_eof():
                writer.write(b"0")
                await writer.drain()
                with suppress(TimeoutError):
                    await asyncio.wait_for(at_an_end.wait(), 1.0)
        writer.close()

    server = await asyncio.start_server(drip, "127.0.0.1", 0)
    quick = await receiver()
    await bench.endpoint(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/", timeout_seconds=2)
    await bench.endpoint(quick.url)
    await engine()
    events = await bench.emit("stream.started")
    others: list[Received] = await wait_until(lambda: quick.received, 30)
    assert others[0].id == str(events[0])
    failed = await wait_until(lambda: bench.row("select * from webhook_attempts where outcome = 'failed'"), 30)
    assert failed["error"] == error
    at_an_end.set()
    server.close()
