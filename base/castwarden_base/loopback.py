# SPDX-License-Identifier: Apache-2.0
"""A server on loopback for this process and its children: whoever closes it ends what is connected to it."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import closing

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
_LIMIT = 64 * 1024


class Loopback:
    """`serve` is awaited for each connection, which is closed after it. It has a `port` once it has started."""

    def __init__(self, serve: Serve, *, limit: int = _LIMIT) -> None:
        """`limit` bounds, in bytes, what `readuntil` looks through."""
        self.port = 0
        self._serve = serve
        self._limit = limit
        self._server: asyncio.Server | None = None
        self._clients: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0, limit=self._limit)
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        """Returns when nobody is served any more."""
        if self._server:
            self._server.close()
        for client in self._clients:
            client.cancel()
        await asyncio.gather(*self._clients, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task  # noqa: S101 - asyncio runs this as a task
        self._clients.add(task)
        task.add_done_callback(self._clients.discard)
        with closing(writer):
            await self._serve(reader, writer)
