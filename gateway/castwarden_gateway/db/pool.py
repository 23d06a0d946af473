# SPDX-License-Identifier: Apache-2.0
"""One asyncpg pool for the process that lives through restarts of PostgreSQL.

Reads and idempotent transactions are tried again when the connection is lost, until a deadline; then the caller gets
`DatabaseUnavailable`, which the HTTP layer answers with 503.

A `Database` shows no tenant's rows. `database.of(tenant_id)` shows those of one and is what a request uses;
`database.of_all()` shows all, for the parts of the gateway that work for every tenant: see walls.py.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeAlias, TypeVar, cast
from uuid import UUID

import asyncpg
import orjson
from asyncpg import Record
from asyncpg.pool import PoolConnectionProxy
from castwarden_base.logs import get_logger
from prometheus_client import Gauge

from castwarden_gateway.db.calls import Calls, collected
from castwarden_gateway.db.walls import ALL, NONE, Walled, walled

Connection: TypeAlias = "PoolConnectionProxy[Record]"
T = TypeVar("T")
log = get_logger(__name__)
WRITABLE = Gauge("castwarden_gateway_database_writable", "0 while PostgreSQL refuses to write: disk full, read-only")

DRIVER_ERRORS = (
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # what asyncpg may say when the server dies at an unlucky moment
    OSError,  # refused, or the socket is not there yet; TimeoutError is one of these
)
"""All that a statement may fail with."""
_LOST = (
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,  # shut down by an administrator, crashed, or still starting
    asyncpg.TooManyConnectionsError,
    asyncpg.InternalClientError,
    OSError,
)
_CONTENDED = (asyncpg.SerializationError, asyncpg.DeadlockDetectedError)
_REFUSED = (asyncpg.DiskFullError, asyncpg.ReadOnlySQLTransactionError, asyncpg.PostgresIOError)
_CLOSE_SECONDS = 5.0


class DatabaseUnavailable(Exception):
    """PostgreSQL could not be reached before the deadline. The caller may repeat the same call later."""


class DatabaseUnwritable(DatabaseUnavailable):
    """PostgreSQL answers and cannot write: its disk is full, or it is read-only. A person has to look."""


def connection_lost(error: BaseException) -> bool:
    """Whether the same work may succeed on another connection."""
    if isinstance(error, asyncpg.InterfaceError):  # also misuse of the driver, hence the look at the text
        text = str(error)
        return "connection" in text and ("closed" in text or "released" in text)
    return isinstance(error, _LOST)


@dataclass(slots=True)
class _Server:
    """What everybody has in common, whatever they see."""

    pool: "asyncpg.Pool[Record]"
    patience: float
    calls: Calls
    refusal: str | None = None


class Database:
    """The pool and the rules for trying again, as one tenant, all of them or nobody sees the tables."""

    __slots__ = ("_sees", "_server")

    def __init__(self, server: _Server, sees: str = NONE) -> None:
        self._server = server
        self._sees = sees

    @classmethod
    async def open(cls, url: str, *, max_size: int = 10, patience: float = 10.0) -> "Database":
        """A pool that connects on first use. A call is retried for `patience` seconds while PostgreSQL is away."""
        pool = await asyncpg.create_pool(
            url,
            min_size=0,
            max_size=max_size,
            init=_prepare,
            reset=_nothing_to_reset,
            connection_class=Walled,
            timeout=5,
            command_timeout=30,
            max_inactive_connection_lifetime=600,
            server_settings={"application_name": "castwarden-gateway", "timezone": "UTC"},
        )
        WRITABLE.set(1)
        return cls(_Server(pool, patience, Calls(partial(_notify, pool))))

    def of(self, tenant_id: UUID) -> "Database":
        """Shows the rows of one tenant, and writes no others."""
        return Database(self._server, tenant_id.hex)

    def of_all(self) -> "Database":
        """Shows the rows of all tenants: for deliveries, reports, upkeep and the question who it is that asks."""
        return Database(self._server, ALL)

    def of_none(self) -> "Database":
        """As `open` gave it: for what concerns no tenant's rows."""
        return Database(self._server)

    @property
    def refusal(self) -> str | None:
        """Why PostgreSQL refused to write; None from when `wrote` says that it does again."""
        return self._server.refusal

    async def close(self) -> None:
        """Ends the connections, those in use once they are given back; after five seconds by force."""
        try:
            async with asyncio.timeout(_CLOSE_SECONDS):
                await self._server.calls.close()
                await self._server.pool.close()
        except TimeoutError:
            self._server.pool.terminate()

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """A connection outside of any retry, for callers that have their own."""
        async with self._server.pool.acquire() as connection:
            wall = walled(connection)
            if not wall.pooled:
                await wall.show(self._sees)
                yield connection
            elif self._sees == NONE:
                yield connection
            else:
                async with connection.transaction():
                    await wall.show_until_commit(self._sees)
                    yield connection

    async def run(self, work: Callable[[Connection], Awaitable[T]]) -> T:
        """Runs `work` in one transaction, and again from the start when the connection is lost or rows contend.

        A commit whose answer got lost may be repeated, so `work` must be idempotent (ids made by the caller).
        """

        async def attempt(connection: Connection) -> T:
            with collected() as channels:
                async with connection.transaction():
                    found = await work(connection)
            self._server.calls.send(channels)
            return found

        return await self.retry(attempt)

    async def retry(self, work: Callable[[Connection], Awaitable[T]]) -> T:
        """Like `run` without a transaction: for reads and for single idempotent statements."""
        deadline = asyncio.get_running_loop().time() + self._server.patience
        pause = 0.02
        while True:
            try:
                async with self.connection() as connection:
                    return await work(connection)
            except DRIVER_ERRORS as error:
                if isinstance(error, _REFUSED):
                    self._refused(error)
                    raise DatabaseUnwritable(str(error)) from error
                lost = connection_lost(error)
                if not lost and not isinstance(error, _CONTENDED):
                    raise
                if asyncio.get_running_loop().time() + pause > deadline:
                    raise DatabaseUnavailable(str(error) or type(error).__name__) from error
            await asyncio.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311 - jitter
            pause = min(pause * 2, 1.0)

    def wrote(self) -> None:
        """A write of some size has just succeeded."""
        if self.refusal is not None:
            log.info("database_writes_again")
        self._server.refusal = None
        WRITABLE.set(1)

    def _refused(self, error: Exception) -> None:
        if self.refusal is None:
            log.error("database_refuses_writes", reason=str(error))
        self._server.refusal = str(error) or type(error).__name__
        WRITABLE.set(0)

    async def fetch(self, sql: str, *args: Any) -> list[Record]:
        return await self.retry(lambda connection: connection.fetch(sql, *args))

    async def fetchrow(self, sql: str, *args: Any) -> Record | None:
        return await self.retry(lambda connection: connection.fetchrow(sql, *args))

    async def fetchval(self, sql: str, *args: Any) -> Any:
        return await self.retry(lambda connection: connection.fetchval(sql, *args))

    async def execute(self, sql: str, *args: Any) -> str:
        """A single statement that may be repeated without harm."""
        return await self.retry(lambda connection: connection.execute(sql, *args))


async def _notify(pool: "asyncpg.Pool[Record]", channels: set[str]) -> None:
    try:
        async with pool.acquire() as connection:
            await connection.execute("select pg_notify(channel, '') from unnest($1::text[]) as channel", channels)
    except DRIVER_ERRORS as error:
        log.info("not_notified", reason=str(error))  # whoever listens looks by itself soon


async def _nothing_to_reset(_: "asyncpg.Connection[Record]") -> None:
    """Nobody leaves locks, cursors or settings behind; resetting them all would cost each call four statements."""


async def _prepare(connection: "asyncpg.Connection[Record] | PoolConnectionProxy[Record]") -> None:
    """jsonb travels as Python objects. What is signed is stored as text or bytea, never as jsonb."""
    await cast("Walled", connection).look_for_pooler()
    await connection.set_type_codec(
        "jsonb",
        schema="pg_catalog",
        format="binary",
        encoder=lambda value: b"\x01" + orjson.dumps(value, default=_uuid),
        decoder=lambda data: orjson.loads(memoryview(data)[1:]),
    )


def _uuid(value: object) -> str:
    if isinstance(value, UUID):  # asyncpg's own kind of it
        return str(value)
    raise TypeError(f"{type(value).__name__} is not JSON")
