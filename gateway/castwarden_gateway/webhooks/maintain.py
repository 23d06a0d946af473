# SPDX-License-Identifier: Apache-2.0
"""Housekeeping of the delivery tables: daily partitions, retention, leftovers. Every gateway does it, one at a time."""

import re
from collections.abc import Sequence
from datetime import date, timedelta
from uuid import UUID

from castwarden_gateway.db import Connection, statements

SQL = statements(__file__)
_LOCK = 0x0CA57_02  # one gateway at a time makes and drops partitions
_PARTITION = re.compile(r"webhook_attempts_\d{8}")
_DAYS_AHEAD = 2


async def tidy(connection: Connection, retention_days: int) -> None:
    """All of it, in the caller's transaction. Gives up rather than make results wait behind a lock."""
    await connection.execute("set local lock_timeout = '2s'")
    await connection.execute("select pg_advisory_xact_lock($1)", _LOCK)
    today = await connection.fetchval("select current_date")
    await _partition(connection, today, retention_days)
    await connection.execute(SQL.drop_old_strays, retention_days)
    await connection.execute(SQL.drop_retired)
    await connection.execute(SQL.drop_turns)
    await connection.execute(SQL.drop_old_secrets)
    await connection.execute(SQL.bury_unreachable)
    await connection.execute(SQL.drop_old_dead, retention_days)
    await connection.execute(SQL.drop_old_replays, retention_days)
    await connection.execute(SQL.drop_old_tallies, retention_days)


async def bury(connection: Connection, endpoint_ids: Sequence[UUID]) -> None:
    """Parks what waits for endpoints that have just been disabled."""
    await connection.execute(SQL.bury, endpoint_ids)


async def _partition(connection: Connection, today: date, retention_days: int) -> None:
    existing = {row["name"] for row in await connection.fetch(SQL.partitions)}
    for ahead in range(_DAYS_AHEAD + 1):
        day = today + timedelta(days=ahead)
        first, last = f"{day} 00:00Z", f"{day + timedelta(days=1)} 00:00Z"
        if _name(day) in existing or await connection.fetchval(SQL.strays, day):
            continue  # rows of that day already lie in the default partition and stay there
        await connection.execute(
            f"create table {_name(day)} partition of webhook_attempts for values from ('{first}') to ('{last}')"
        )
        await connection.execute(f"call wall_off('{_name(day)}')")
    oldest = _name(today - timedelta(days=retention_days))
    for name in existing:
        if _PARTITION.fullmatch(name) and name < oldest:
            await connection.execute(f"drop table {name}")


def _name(day: date) -> str:
    return f"webhook_attempts_{day:%Y%m%d}"
