# SPDX-License-Identifier: Apache-2.0
"""A way for one child to one server: a port on loopback whose connections lead there through the guard, and TLS on
the far side where the protocol has it. FFmpeg speaks RTMP and RTSP behind it and reaches nothing else.
"""

import asyncio
import ssl
from collections.abc import Iterable
from contextlib import closing
from typing import Protocol, Self

from castwarden_base.addresses import Network
from castwarden_base.http import BlockedAddress
from castwarden_base.loopback import Loopback

from .dial import dial

_CHUNK = 64 * 1024


class Gate(Protocol):
    """Sees what the server sends and gives what the child may have of it; OSError ends the connection."""

    def feed(self, data: bytes) -> bytes: ...


class Forwarder:
    """`async with Forwarder(host, port, allow) as way: way.port`. `problem` says what went wrong on the way."""

    def __init__(
        self,
        host: str,
        port: int,
        allow: Iterable[Network] = (),
        *,
        tls: bool = False,
        gate: Gate | None = None,
    ) -> None:
        self.port = 0
        self.there = f"{host}:{port}"
        self.reached = False
        self.closed = False  # by the server, in order
        self.problem: OSError | TimeoutError | BlockedAddress | None = None
        self._host = host
        self._port = port
        self._allow = tuple(allow)
        self._tls = ssl.create_default_context() if tls else None
        self._gate = gate
        self._server = Loopback(self._serve)

    async def __aenter__(self) -> Self:
        await self._server.start()
        self.port = self._server.port
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            upstream, sink = await dial(self._host, self._port, self._allow, self._tls)
            self.reached = True
            with closing(sink):
                await self._relay(reader, writer, upstream, sink)
        except (OSError, TimeoutError, BlockedAddress) as error:
            self.problem = error

    async def _relay(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        upstream: asyncio.StreamReader,
        sink: asyncio.StreamWriter,
    ) -> None:
        """Both ways until the server has said everything, or either side is gone."""
        sending = asyncio.create_task(_copy(reader, sink))
        try:
            while data := await upstream.read(_CHUNK):
                writer.write(self._gate.feed(data) if self._gate else data)
                await writer.drain()
            self.closed = True
        finally:
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)


async def _copy(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    while data := await source.read(_CHUNK):
        sink.write(data)
        await sink.drain()
