# SPDX-License-Identifier: Apache-2.0
"""Plain SQL migrations shipped in the package, applied in order under an advisory lock.

`NNNN_pre_<what>.sql` runs before the new code starts (the old code still works on it), `NNNN_post_<what>.sql` after it
has taken over. The SHA-256 of every applied file is kept: one that changes after it was applied is refused.
"""

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

import asyncpg

_FOLDER = Path(__file__).with_name("migrations")
_FILE = re.compile(r"(\d{4})_(pre|post)_(\w+)\.sql")
_LOCK = 0x0CA57  # any constant that only Castwarden's migrations use
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


def migrations(folder: Path = _FOLDER) -> list[Migration]:
    """All migrations of this version, in order."""
    found = []
    for path in sorted(folder.glob("*.sql")):
        match = _FILE.fullmatch(path.name)
        if match is None:
            raise MigrationError(f"{path.name} is not named NNNN_pre_<what>.sql or NNNN_post_<what>.sql")
        found.append(Migration(int(match[1]), path.stem, path.read_text(encoding="utf-8")))
    if len({migration.version for migration in found}) != len(found):
        raise MigrationError("two migrations carry the same number")
    return found


async def migrate(url: str, wanted: list[Migration] | None = None) -> list[str]:
    """Applies what is missing, one transaction per file, and returns their names. Many may call it at once."""
    wanted = migrations() if wanted is None else wanted
    connection = await asyncpg.connect(url, timeout=10, server_settings={"application_name": "castwarden-migrate"})
    try:
        await connection.execute("select pg_advisory_lock($1)", _LOCK)
        await connection.execute(_LEDGER)
        applied = await _applied(connection)
        todo = missing(wanted, applied)
        for migration in todo:
            async with connection.transaction():
                await connection.execute("set local lock_timeout = '10s'")
                await connection.execute(migration.sql)
                await connection.execute(
                    "insert into schema_migrations (version, name, sha256) values ($1, $2, $3)",
                    migration.version,
                    migration.name,
                    migration.sha256,
                )
        return [migration.name for migration in todo]
    finally:
        await connection.close()


def missing(wanted: list[Migration], applied: dict[int, str]) -> list[Migration]:
    """What still has to run, given version -> SHA-256 of what did."""
    for migration in wanted:
        if applied.get(migration.version, migration.sha256) != migration.sha256:
            raise MigrationError(f"{migration.name} was changed after it had been applied to this database")
    return [migration for migration in wanted if migration.version not in applied]


async def _applied(connection: "asyncpg.Connection[asyncpg.Record]") -> dict[int, str]:
    rows = await connection.fetch("select version, sha256 from schema_migrations")
    return {row["version"]: row["sha256"] for row in rows}
