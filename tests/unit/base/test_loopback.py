# SPDX-License-Identifier: Apache-2.0
"""Servers on loopback end what is connected to them."""

import asyncio

import pytest
from castwarden_base.loopback import Loopback

pytestmark = pytest.mark.asyncio


async def test_a_connection_is_closed_when_it_was_served() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(await reader.readline())

    server = Loopback(serve)
    await server.start()
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(b"one\ntwo\n")
    assert await reader.read() == b"one\n"
    writer.close()
    await server.close()


async def test_whoever_closes_it_ends_its_connections_and_waits_until_nobody_is_served() -> None:
    begun, ended = asyncio.Event(), False

    async def serve(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        nonlocal ended
        begun.set()
        try:
            await reader.read()
        finally:
            ended = True

    server = Loopback(serve)
    await server.start()
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    await begun.wait()
    await server.close()
    assert ended
    assert await reader.read() == b""
    writer.close()
