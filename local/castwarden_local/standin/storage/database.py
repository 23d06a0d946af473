# SPDX-License-Identifier: Apache-2.0
"""The stand-in's one PostgreSQL session: its lock, its statements, and how it comes back after a lost connection."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar
from uuid import uuid4

import asyncpg
from castwarden_base.logs import get_logger
from castwarden_base.retry import backoff
from castwarden_gateway.db.sql import statements

from castwarden_local.standin.storage.records import Change

T = TypeVar("T")
SQL = statements(__file__)
log = get_logger(__name__)
LOCK_SECONDS = 10.0
# asyncpg answers InternalClientError when a connection breaks between two steps of one statement
_TROUBLE = (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)


class Taken(Exception):
    """Another process keeps its objects in this database."""


class Database:
    """Every call but `open` waits and tries again until PostgreSQL answers."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._connection: asyncpg.Connection[Any] | None = None
        self._busy = asyncio.Lock()
        self._owner = str(uuid4())
        self.trouble: str | None = None

    async def open(self) -> tuple[int, int]:
        """Connects, takes the lock, makes the tables; answers (revision, compacted). Raises Taken."""
        self._connection = await self._connect()
        await self._connection.execute(SQL.schema)
        row = await self._connection.fetchrow(SQL.own, self._owner)
        assert row is not None  # noqa: S101 - the schema put it there
        return row["revision"], row["compacted"]

    async def objects(self) -> "Sequence[asyncpg.Record]":
        return await self._retried(lambda connection: connection.fetch(SQL.objects))

    async def history(self) -> "Sequence[asyncpg.Record]":
        return await self._retried(lambda connection: connection.fetch(SQL.history))

    async def commit(self, changes: Sequence[Change]) -> None:
        rows = [(change.revision, *change.record.key, change.type, change.record.raw.decode()) for change in changes]
        columns = [list(column) for column in zip(*rows, strict=True)]
        latest = changes[-1].revision
        await self._retried(lambda connection: connection.execute(SQL.commit, *columns, latest))

    async def compact(self, revision: int) -> None:
        await self._retried(lambda connection: connection.execute(SQL.compact, revision))

    async def ping(self, timeout: float) -> bool:
        """Whether PostgreSQL answers now. While a commit is under way, whether that has had no trouble."""
        if self._busy.locked():
            return self.trouble is None
        try:
            async with asyncio.timeout(timeout):
                await self._retried(lambda connection: connection.fetchval("SELECT 1"))
        except TimeoutError:
            return False
        return True

    async def close(self) -> None:
        if self._connection is not None:
            try:
                await self._connection.close(timeout=5)
            except _TROUBLE:
                self._abandon()
            self._connection = None

    async def _retried(self, call: Callable[["asyncpg.Connection[Any]"], Awaitable[T]]) -> T:
        async with self._busy:
            waits = backoff(0.1, 2.0)
            while True:
                try:
                    if self._connection is None:
                        self._connection = await self._reconnect()
                    answer = await call(self._connection)
                except _TROUBLE as error:
                    if self.trouble is None:
                        log.warning("postgres_away", error=repr(error))
                    self.trouble = repr(error)
                    self._abandon()
                    await asyncio.sleep(next(waits))
                    continue
                if self.trouble is not None:
                    log.info("postgres_back")
                    self.trouble = None
                return answer

    def _abandon(self) -> None:
        """After trouble nobody knows what state a session is in."""
        if self._connection is not None:
            self._connection.terminate()
            self._connection = None

    async def _reconnect(self) -> "asyncpg.Connection[Any]":
        connection = await self._connect()
        if await connection.fetchval(SQL.owner) != self._owner:
            await connection.close()
            raise Taken("another stand-in has used this database in the meantime")
        return connection

    async def _connect(self) -> "asyncpg.Connection[Any]":
        connection: asyncpg.Connection[Any] = await asyncpg.connect(self._url, timeout=10, command_timeout=30)
        deadline = asyncio.get_running_loop().time() + LOCK_SECONDS
        while not await connection.fetchval(SQL.lock):
            if asyncio.get_running_loop().time() > deadline:
                await connection.close()
                raise Taken("another stand-in uses this database")
            await asyncio.sleep(0.1)
        return connection
