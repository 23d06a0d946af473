# SPDX-License-Identifier: Apache-2.0
"""NOTIFY after a commit rather than in it.

A transaction that notifies takes a lock of the whole server until it has reached the disk, so those that record events
would commit one after another. A NOTIFY of its own writes nothing and costs next to nothing; while one is on its way
further calls wait for the next. One that gets lost with its process costs the time to the next look.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from asyncpg import Record
from asyncpg.pool import PoolConnectionProxy

_committing: ContextVar[set[str] | None] = ContextVar("committing", default=None)


async def call(connection: "PoolConnectionProxy[Record]", channel: str) -> None:
    """Once `Database.run` has committed; at once where there is no such transaction."""
    channels = _committing.get()
    if channels is None:
        await connection.execute("select pg_notify($1, '')", channel)
    else:
        channels.add(channel)


@contextmanager
def collected() -> Iterator[set[str]]:
    """The channels that are to be called once the transaction of this block is committed."""
    channels: set[str] = set()
    token = _committing.set(channels)
    try:
        yield channels
    finally:
        _committing.reset(token)


class Calls:
    """Sends them by `notify`, which deals with its own failures."""

    def __init__(self, notify: Callable[[set[str]], Awaitable[None]]) -> None:
        self._notify = notify
        self._wanted: set[str] = set()
        self._sending: asyncio.Task[None] | None = None

    def send(self, channels: set[str]) -> None:
        self._wanted |= channels
        if self._wanted and self._sending is None:
            self._sending = asyncio.create_task(self._send(), name="notify")

    async def close(self) -> None:
        """What is on its way is sent."""
        if self._sending is not None:
            await self._sending

    async def _send(self) -> None:
        try:
            while self._wanted:
                channels, self._wanted = self._wanted, set()
                await self._notify(channels)
        finally:
            self._sending = None
