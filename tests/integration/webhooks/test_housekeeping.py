# SPDX-License-Identifier: Apache-2.0
"""Partitions, retention, endpoints on their way out, keys on their way in."""

import os
from datetime import UTC, datetime, timedelta

from castwarden_base.waiting import wait_until
from castwarden_gateway.db import Database
from castwarden_gateway.webhooks import maintain, reseal, store
from castwarden_gateway.webhooks.secrets import Keyring
from castwarden_gateway.webhooks.signing import Signer

from tests.integration.webhooks.conftest import KEYRING_KEY, Bench, Engines, Receivers

INSERT_ATTEMPT = """
insert into webhook_attempts
    (tenant_id, delivery_id, at, event_id, endpoint_id, attempt, outcome, ms, delivery_created_at)
values (gen_random_uuid(), gen_random_uuid(), $1, gen_random_uuid(), gen_random_uuid(), 1, 'sent', 1, $1)"""


async def tidy(database: Database, days: int = 30) -> None:
    await database.run(lambda connection: maintain.tidy(connection, days))


async def partitions(database: Database) -> set[str]:
    return {row["name"] for row in await database.fetch(maintain.SQL.partitions)}


def name(at: datetime) -> str:
    return f"webhook_attempts_{at:%Y%m%d}"


async def test_partitions_are_made_ahead_and_dropped_when_they_are_too_old(database: Database) -> None:
    today = datetime.now(UTC)
    old, kept = today - timedelta(days=31), today - timedelta(days=29)
    for day in (old, kept):
        following = day + timedelta(days=1)
        await database.execute(
            f"create table {name(day)} partition of webhook_attempts"
            f" for values from ('{day:%Y-%m-%d} 00:00Z') to ('{following:%Y-%m-%d} 00:00Z')"
        )
    await tidy(database)
    await tidy(database)
    found = await partitions(database)
    assert {name(today + timedelta(days=ahead)) for ahead in range(3)} <= found
    assert name(kept) in found
    assert name(old) not in found


async def test_a_row_dated_by_a_wrong_clock_is_kept_and_stops_nothing(database: Database) -> None:
    today = datetime.now(UTC)
    for days in (-400, 1, 400):
        await database.execute(INSERT_ATTEMPT, today + timedelta(days=days))
    await tidy(database)
    assert name(today) in await partitions(database)
    assert name(today + timedelta(days=1)) not in await partitions(database)
    assert await database.fetchval("select count(*) from webhook_attempts") == 2


async def test_the_endpoint_of_a_deleted_monitor_delivers_what_is_queued_and_then_goes(
    bench: Bench, receiver: Receivers, engine: Engines
) -> None:
    hook = await receiver()
    await bench.bound(hook.url, "uid-1")
    await bench.emit("stream.ended")
    async with bench.database.connection() as connection:
        await store.drop_bound_endpoint(connection, "uid-1")
    await bench.emit("stream.started")
    await tidy(bench.database)
    assert await bench.database.fetchval("select count(*) from webhook_endpoints") == 1
    await engine()
    await wait_until(bench.drained, 30)
    assert [got.json["event_type"] for got in hook.received] == ["stream.ended"]
    await tidy(bench.database)
    assert await bench.database.fetchval("select count(*) from webhook_endpoints") == 0


async def test_a_monitor_keeps_one_endpoint_whose_url_follows_it(bench: Bench) -> None:
    await bench.bound("https://hooks.example/a", "uid-1")
    before = await bench.row("select id, xmin from webhook_endpoints")
    await bench.bound("https://hooks.example/a", "uid-1")
    assert await bench.row("select id, xmin from webhook_endpoints") == before
    await bench.database.execute("update webhook_endpoints set enabled = false, disabled_reason = 'gone'")
    await bench.bound("https://hooks.example/b", "uid-1")
    after = await bench.row("select id, url, enabled, disabled_reason from webhook_endpoints")
    assert tuple(after) == (before["id"], "https://hooks.example/b", True, None)


async def test_what_waits_for_a_deleted_endpoint_goes_away(bench: Bench) -> None:
    await bench.endpoint("https://hooks.example/")
    await bench.emit("stream.started")
    await bench.database.execute("delete from webhook_endpoints")
    await tidy(bench.database)
    assert await bench.unfinished() == 0
    assert await bench.database.fetchval("select count(*) from webhook_dead") == 0


async def test_what_came_in_while_its_endpoint_was_being_disabled_is_parked(bench: Bench) -> None:
    await bench.endpoint("https://hooks.example/")
    await bench.emit("stream.started")
    await bench.database.execute("update webhook_endpoints set enabled = false")
    await tidy(bench.database)
    assert await bench.unfinished() == 0
    assert await bench.database.fetchval("select last_error from webhook_dead") == "endpoint_disabled"


async def test_the_dead_are_kept_for_as_long_as_attempts(bench: Bench) -> None:
    await bench.endpoint("https://hooks.example/")
    await bench.emit("stream.started", "stream.ended")
    await bench.database.execute("update webhook_endpoints set enabled = false")
    await tidy(bench.database)
    await bench.database.execute(
        "update webhook_dead set died_at = now() - interval '31 days'"
        " where id = (select id from webhook_dead order by id limit 1)"
    )
    await tidy(bench.database)
    assert await bench.database.fetchval("select count(*) from webhook_dead") == 1


async def test_secrets_are_sealed_anew_with_the_newest_key(
    bench: Bench, receiver: Receivers, engine_on: Engines
) -> None:
    hook = await receiver()
    await bench.endpoint(hook.url)
    await bench.bound(hook.url, "uid-1")
    new = os.urandom(32)
    rotating = Bench(bench.database, Signer(Keyring([new, KEYRING_KEY])), bench.tenant_id)
    engine = await engine_on(rotating)
    await wait_until(lambda: all_sealed_with(bench.database, Keyring([new])), 30)
    await engine.stop()

    await engine_on(Bench(bench.database, Signer(Keyring([new])), bench.tenant_id))
    await bench.emit("stream.started")
    await wait_until(bench.drained, 30)
    assert len(hook.received) == 2


async def test_a_secret_that_no_key_opens_fails_its_deliveries_alone(
    bench: Bench, receiver: Receivers, engine_on: Engines
) -> None:
    hook = await receiver()
    lost = Bench(bench.database, Signer(Keyring([os.urandom(32)])), bench.tenant_id)
    await lost.endpoint(hook.url)
    await bench.endpoint(hook.url, events=["alert.*"])
    engine = await engine_on(bench)
    await bench.emit("alert.freeze")
    await wait_until(lambda: len(hook.received) == 1, 30)
    error = await wait_until(
        lambda: bench.database.fetchval("select error from webhook_attempts where outcome = 'failed'"), 30
    )
    assert error == "secret_unreadable"
    assert engine.failure() is None


async def test_a_delivery_whose_event_is_gone_is_parked(bench: Bench, receiver: Receivers, engine: Engines) -> None:
    hook = await receiver()
    await bench.endpoint(hook.url)
    await bench.emit("stream.started")
    await bench.database.execute("delete from events")
    await engine()
    await wait_until(bench.drained, 30)
    assert await bench.database.fetchval("select last_error from webhook_dead") == "event_gone"
    assert hook.received == []


async def all_sealed_with(database: Database, keyring: Keyring) -> bool:
    return all(keyring.is_current(row["secret"]) for row in await database.fetch(reseal.SQL.sealed_secrets))
