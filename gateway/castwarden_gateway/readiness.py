# SPDX-License-Identifier: Apache-2.0
"""Whether this process can do its work now, as /readyz asks. Looks at PostgreSQL on its own, never on request."""

import asyncio
from contextlib import suppress

import asyncpg

from castwarden_gateway.db import Connection, Database, DatabaseUnavailable, statements
from castwarden_gateway.db.migrate import MigrationError, beyond, migrations, missing

SQL = statements(__file__)
_EVERY_SECONDS = 2.0
_PROBE = "write-probe"


class Readiness:
    """Reasons why not, by name; None means fine."""

    def __init__(self) -> None:
        self.draining = False
        self.started = False
        self.usable = asyncio.Event()
        """Set once the database has been seen at this version's schema."""
        self._schema: str | None = "not looked at yet"
        self._database: str | None = "not looked at yet"
        self._wanted = migrations()

    def database(self) -> str | None:
        return self._database

    def schema(self) -> str | None:
        return self._schema

    def serving(self) -> str | None:
        if self.draining:
            return "draining"
        return None if self.started else "starting"

    async def watch(self, database: Database) -> None:
        """Works until cancelled."""
        while True:
            await self.look(database)
            await asyncio.sleep(_EVERY_SECONDS)

    async def look(self, database: Database) -> None:
        """Asks once, without patience."""
        try:
            async with asyncio.timeout(5), database.connection() as connection:
                self._database = None
                self._schema = await self._unfit(connection)
            if self._schema is None:
                self.usable.set()
            if self._schema is None and database.refusal is not None:
                await self._try_to_write(database)
        except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
            self._database = str(error) or type(error).__name__

    async def _try_to_write(self, database: Database) -> None:
        """Once a write was refused, only this one ends that: a small one of somebody else proves little."""

        async def work(connection: Connection) -> None:
            await connection.execute(SQL.write, _PROBE)
            await connection.execute(SQL.unwrite, _PROBE)

        with suppress(DatabaseUnavailable):
            await database.of_all().run(work)
            database.wrote()

    async def _unfit(self, connection: "asyncpg.pool.PoolConnectionProxy[asyncpg.Record]") -> str | None:
        try:
            rows = await connection.fetch("select version, name, sha256 from schema_migrations")
            left = missing(self._wanted, {row["version"]: row["sha256"] for row in rows}, post=False)
        except asyncpg.UndefinedTableError:
            rows, left = [], self._wanted
        except MigrationError as error:
            return str(error)
        if left:
            return f"{len(left)} migrations are missing: run `castwarden-gateway migrate`"
        if too_new := beyond(self._wanted, {row["version"]: row["name"] for row in rows}):
            return f"the database belongs to a newer version, which has run {', '.join(too_new)}"
        return None
