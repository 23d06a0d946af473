# SPDX-License-Identifier: Apache-2.0
"""Plain SQL migrations shipped in the package, applied in order under an advisory lock.

`NNNN_pre_<what>.sql` runs before the new code starts (the old code still works on it), `NNNN_post_<what>.sql` after it
has taken over; on a database that holds nothing yet both run at once. The SHA-256 of every applied file is kept: one
that changes after it was applied is refused.

Each file is one transaction, unless its first line begins with `-- no-transaction`: then its statements run one by one,
each ending with a semicolon at the end of a line, and again from the first one after a failure, which must do no harm.
"""

import asyncio
import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import asyncpg

from castwarden_gateway.db.walls import ALL, SETTING

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"
_FOLDER = Path(__file__).with_name("migrations")
_FILE = re.compile(r"(\d{4})_(pre|post)_(\w+)\.sql")
_STATEMENT_END = re.compile(r";[ \t]*$", re.MULTILINE)
_LOCK = 0x0CA57  # any constant that only Castwarden's migrations use
_LOCK_SECONDS = 0.1
_LEDGER = """
create table if not exists schema_migrations (
    version int primary key, name text not null, sha256 text not null, applied_at timestamptz not null default now()
)"""


class MigrationError(Exception):
    """The database cannot be brought to this version as it is; a person has to look."""


@dataclass(frozen=True, slots=True)
class Migration:
    version: int
    name: str
    sql: str

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.sql.encode()).hexdigest()

    @property
    def post(self) -> bool:
        """Whether it waits until the new code has taken over."""
        return is_post(self.name)

    @property
    def statements(self) -> Sequence[str]:
        """What runs one by one; nothing when the whole file is one transaction."""
        if not self.sql.startswith("-- no-transaction"):
            return ()
        return [part for part in _STATEMENT_END.split(self.sql) if part.strip()]


def is_post(name: str) -> bool:
    return "_post_" in name


def migrations(folder: Path = _FOLDER) -> list[Migration]:
    """All migrations of this version, in the order in which they run."""
    found = []
    for path in sorted(folder.glob("*.sql")):
        match = _FILE.fullmatch(path.name)
        if match is None:
            raise MigrationError(f"{path.name} is not named NNNN_pre_<what>.sql or NNNN_post_<what>.sql")
        found.append(Migration(int(match[1]), path.stem, path.read_text(encoding="utf-8")))
    if len({migration.version for migration in found}) != len(found):
        raise MigrationError("two migrations carry the same number")
    return sorted(found, key=lambda migration: migration.post)


async def migrate(url: str, wanted: Sequence[Migration] | None = None, *, post: bool = True) -> list[str]:
    """Applies what is missing and returns the names. Many may call it at once.

    Without `post` those are left that old code would not live with, unless the database holds nothing yet.
    """
    wanted = migrations() if wanted is None else wanted
    connection = await _connect(url)
    try:
        await _lock(connection)
        await connection.execute(_LEDGER)
        applied = await _applied(connection)
        todo = missing(wanted, applied, post=post or not applied)
        for migration in todo:
            await _apply(connection, migration)
        return [migration.name for migration in todo]
    finally:
        await connection.close()


async def outstanding(url: str, wanted: Sequence[Migration] | None = None, *, post: bool = True) -> list[str]:
    """What `migrate` would apply. Changes nothing."""
    connection = await _connect(url)
    try:
        applied = await _applied(connection)
    except asyncpg.UndefinedTableError:
        applied = {}
    finally:
        await connection.close()
    wanted = migrations() if wanted is None else wanted
    return [migration.name for migration in missing(wanted, applied, post=post or not applied)]


def missing(wanted: Sequence[Migration], applied: Mapping[int, str], *, post: bool) -> list[Migration]:
    """What still has to run, given version -> SHA-256 of what did."""
    for migration in wanted:
        if applied.get(migration.version, migration.sha256) != migration.sha256:
            raise MigrationError(f"{migration.name} was changed after it had been applied to this database")
    return [migration for migration in wanted if migration.version not in applied and (post or not migration.post)]


def beyond(wanted: Sequence[Migration], applied: Mapping[int, str]) -> list[str]:
    """What this version knows nothing of and cannot live with, given version -> name of what was applied."""
    known = {migration.version for migration in wanted}
    return sorted(name for version, name in applied.items() if version not in known and is_post(name))


async def _connect(url: str) -> Connection:
    connection: Connection = await asyncpg.connect(
        url, timeout=10, server_settings={"application_name": "castwarden-migrate"}
    )
    await connection.execute(f"set {SETTING} = '{ALL}'")  # changes of rows are of all tenants' rows
    return connection


async def _lock(connection: Connection) -> None:
    """Asks again and again: waiting in PostgreSQL would hold up another's `create index concurrently` for ever."""
    while not await connection.fetchval("select pg_try_advisory_lock($1)", _LOCK):  # noqa: ASYNC110 - no event tells
        await asyncio.sleep(_LOCK_SECONDS)


async def _apply(connection: Connection, migration: Migration) -> None:
    for statement in migration.statements:
        await connection.execute(statement)
    async with connection.transaction():
        if not migration.statements:
            await connection.execute("set local lock_timeout = '10s'")
            await connection.execute(migration.sql)
        await connection.execute(
            "insert into schema_migrations (version, name, sha256) values ($1, $2, $3)",
            migration.version,
            migration.name,
            migration.sha256,
        )
    await connection.execute("reset lock_timeout")


async def _applied(connection: Connection) -> dict[int, str]:
    rows = await connection.fetch("select version, sha256 from schema_migrations")
    return {row["version"]: row["sha256"] for row in rows}
