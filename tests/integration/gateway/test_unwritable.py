# SPDX-License-Identifier: Apache-2.0
"""A PostgreSQL that answers and cannot write."""

import asyncio
from collections.abc import AsyncIterator

import asyncpg
import pytest
from castwarden_base.waiting import wait_until
from castwarden_gateway.app import Gateway
from castwarden_gateway.db import Database, DatabaseUnwritable, pool

from tests.integration.gateway.conftest import PATIENCE, Api, monitor, report, transition
from tests.integration.gateway.kube_double import KubeDouble, Object
from tests.plugins.databases import see_all

FULL = """
create function full_disk() returns trigger language plpgsql as $$
begin raise exception 'could not extend file: No space left on device' using errcode = 'disk_full'; end $$;
create trigger full_disk before insert on reports execute function full_disk();
"""
READ_ONLY = """do $$ begin
execute format('alter database %I set default_transaction_read_only = on', current_database()); end $$;
select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid();
"""
WRITABLE = """set session characteristics as transaction read write; do $$ begin
execute format('alter database %I reset default_transaction_read_only', current_database()); end $$;
select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid();
"""


@pytest.fixture
async def admin(database_url: str) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
    connection = await see_all(database_url)
    yield connection
    await connection.close()


@pytest.fixture
async def obj(gateway: Gateway, kube_api: KubeDouble) -> Object:
    found = kube_api.put("monitors", monitor("one"))
    await wait_until(lambda: gateway.resources.monitors.get("default", "one"), PATIENCE)
    return found


@pytest.mark.parametrize(
    ("ailment", "cure", "reason"),
    [
        (FULL, "drop trigger full_disk on reports", "No space left on device"),
        (READ_ONLY, WRITABLE, "read-only transaction"),
    ],
    ids=["disk full", "read-only"],
)
async def test_what_cannot_be_written_is_put_off_and_told_by_readiness_until_it_can(
    api: Api,
    internal: Api,
    obj: Object,
    admin: "asyncpg.Connection[asyncpg.Record]",
    ailment: str,
    cure: str,
    reason: str,
) -> None:
    body = report(obj, transitions=[transition("black", "raised")])
    await admin.execute(ailment)
    refused = await internal.post("/internal/v1/reports", body)
    assert (refused.status, refused.body["code"]) == (503, "database-not-writable")
    assert refused.headers["Retry-After"] == "30"
    unready = await api.get("/readyz")
    assert (unready.status, reason in unready.body["reasons"]["writing"]) == (503, True)
    assert "castwarden_gateway_database_writable 0.0" in (await api.get("/metrics")).body
    assert (await api.get("/healthz")).status == 200
    assert (await api.get("/api/v1/events")).data == []

    await admin.execute(cure)

    async def ready() -> bool:
        return (await api.get("/readyz")).status == 200

    await wait_until(ready, PATIENCE)
    assert "castwarden_gateway_database_writable 1.0" in (await api.get("/metrics")).body
    assert (await internal.post("/internal/v1/reports", body)).status == 200
    assert [event["type"] for event in (await api.get("/api/v1/events")).data] == ["alert.blackout"]
    assert await admin.fetchval("select count(*) from reports where uid = 'write-probe'") == 0


async def test_a_read_is_answered_while_nothing_can_be_written(
    database_url: str, admin: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    await admin.execute(FULL)
    database = (await Database.open(database_url)).of_all()
    with pytest.raises(DatabaseUnwritable, match="No space left"):
        await database.execute("insert into reports (id, uid) values (gen_random_uuid(), 'x')")
    assert await database.fetchval("select 1") == 1
    assert database.refusal == "could not extend file: No space left on device"
    await database.close()


async def test_closing_does_not_wait_for_ever_for_a_connection_in_use(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool, "_CLOSE_SECONDS", 0.05)
    database = (await Database.open(database_url)).of_all()
    begun = asyncio.Event()

    async def work() -> None:
        async with database.connection() as connection:
            begun.set()
            await connection.execute("select pg_sleep(600)")

    working = asyncio.create_task(work())
    await begun.wait()
    async with asyncio.timeout(PATIENCE):
        await database.close()
        with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError, OSError)):
            await working
