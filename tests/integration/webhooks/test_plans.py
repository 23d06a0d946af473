# SPDX-License-Identifier: Apache-2.0
"""Hot statements use their indexes, also when planned while the queue was empty. Every statement fits the schema."""

from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import asyncpg
import castwarden_gateway.webhooks
import pytest
from castwarden_gateway.db.sql import Statements
from castwarden_gateway.webhooks import claim, flush, replays, store, tallies, turns

from tests.plugins.databases import see_all

FILES = sorted(Path(castwarden_gateway.webhooks.__file__).parent.glob("*.sql"))
STATEMENTS = [(path.stem, name, sql) for path in FILES for name, sql in Statements(path).by_name.items()]


@pytest.fixture
async def connection(database_url: str) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
    connection = await see_all(database_url)
    yield connection
    await connection.close()


@pytest.mark.parametrize(("name", "sql"), [(f"{file}.{name}", sql) for file, name, sql in STATEMENTS])
async def test_every_statement_is_understood_by_the_migrated_database(
    connection: "asyncpg.Connection[asyncpg.Record]", name: str, sql: str
) -> None:
    await connection.prepare(sql)


PREPARED = {
    "claim": (claim.SQL.claim, "'{}', '{}', 256, 500, gen_random_uuid(), 10, null, null"),
    "claim_named": (claim.SQL.claim, "'{}', '{}', 256, 500, gen_random_uuid(), 10, null, '{}'"),
    "claim_in_turn": (
        claim.SQL.claim_in_turn,
        "'{}', '{}', '{}', 256, 500, gen_random_uuid(), 10",
    ),
    "take_turns": (turns.SQL.take_turns, "gen_random_uuid(), '{}', '{}', 10, 0.25, 100"),
    "hasten": (store.SQL.hasten, "gen_random_uuid(), gen_random_uuid(), 'x'"),
    "take_replay": (replays.SQL.take, "2000"),
    "missing": (replays.SQL.missing, "gen_random_uuid(), '{}'"),
    "backlog": (tallies.SQL.backlog, "gen_random_uuid(), gen_random_uuid(), 100000"),
    "flush": (
        flush.SQL.flush,
        "'{}','{}','{}','{}','{}','{}','{}','{}','{}','{}','{}','{}','{}','{}', gen_random_uuid(), '{}'",
    ),
}


async def plan(connection: "asyncpg.Connection[asyncpg.Record]", name: str) -> str:
    lines = await connection.fetch(f"explain execute {name} ({PREPARED[name][1]})")
    return "\n".join(line[0] for line in lines)


@pytest.mark.parametrize("name", PREPARED)
@pytest.mark.parametrize("mode", ["force_custom_plan", "force_generic_plan"])
async def test_a_long_queue_is_never_read_from_end_to_end(
    connection: "asyncpg.Connection[asyncpg.Record]", name: str, mode: str
) -> None:
    await connection.execute(f"set plan_cache_mode = {mode}")
    await connection.execute(f"prepare {name} as {PREPARED[name][0]}")
    for _ in range(6):
        await plan(connection, name)
    await fill(connection)
    assert "Seq Scan on webhook_deliveries" not in await plan(connection, name)


async def fill(connection: "asyncpg.Connection[asyncpg.Record]") -> None:
    """Twenty endpoints with a thousand deliveries each, and no statistics yet."""
    tenant = uuid4()
    await connection.execute("insert into tenants (id, slug, name, namespace) values ($1, 'a', 'a', 'a')", tenant)
    await connection.execute(
        "insert into webhook_endpoints (id, tenant_id, url, events, profile, payload, retry, timeout_seconds,"
        " max_in_flight, secret)"
        " select gen_random_uuid(), $1, '', '{*}', '', '', '', 15, 8, '' from generate_series(1, 20)",
        tenant,
    )
    await connection.execute(
        "insert into webhook_deliveries (tenant_id, id, event_id, endpoint_id)"
        " select $1, gen_random_uuid(), gen_random_uuid(), e.id from webhook_endpoints e, generate_series(1, 1000)",
        tenant,
    )
