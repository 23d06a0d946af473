# SPDX-License-Identifier: Apache-2.0
"""The audit log: every change is written down before it is made, and what became of it afterwards."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from castwarden_base.waiting import wait_until
from castwarden_gateway.app import Gateway
from castwarden_gateway.audit import log as audit_log
from castwarden_gateway.audit.store import AuditStore
from castwarden_gateway.db import DatabaseUnavailable
from castwarden_gateway.tables import PUBLIC_ROUTES

from tests.integration.gateway.conftest import KEY, PATIENCE, Api, Gateways
from tests.integration.gateway.kube_double import KubeDouble
from tests.integration.gateway.test_crashes import CASES, World, dies
from tests.integration.gateway.test_tenants import other_tenant
from tests.plugins.databases import see_all

MONITOR = {"stream_url": "https://cdn.example.com/a.m3u8"}


@pytest.fixture
async def admin(database_url: str) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
    connection = await see_all(database_url)
    yield connection
    await connection.close()


async def entries(api: Api, query: str = "") -> list[dict[str, Any]]:
    """Newest first, once the outcome of each is known."""
    found: list[dict[str, Any]] = []

    async def finished() -> bool:
        found[:] = (await api.get(f"/api/v1/audit{query}")).data
        return all(entry["outcome"] != "unknown" for entry in found)

    await wait_until(finished, PATIENCE)
    return found


async def test_a_change_is_written_down_with_who_made_it_and_from_where(api: Api) -> None:
    key = (await api.get("/api/v1/api_keys")).data[0]
    named = api.with_headers(User_Agent="console/1.2", X_Request_Id="my-request")
    made = await named.post("/api/v1/monitors", MONITOR)
    entry = (await entries(api))[0]
    assert UUID(entry.pop("id")).version == 7
    assert entry.pop("at")
    assert entry == {
        "action": "create_monitor",
        "kind": "monitor",
        "subject": made.data["monitor_id"],
        "route": "POST /api/v1/monitors",
        "outcome": "done",
        "status_code": 201,
        "key_id": key["id"],
        "key_name": "first key",
        "key_prefix": key["key_prefix"],
        "key_tenant": "public",
        "client_address": "127.0.0.1",
        "user_agent": "console/1.2",
        "request_id": "my-request",
    }


async def test_every_route_that_changes_something_leaves_one_entry_that_names_it(
    api: Api, kube_api: KubeDouble, gateway: Gateway, admin: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    world = World(api, kube_api, admin)
    for case in CASES:
        one = await case.before(world) if case.before else ""
        await entries(api)
        await admin.execute("delete from audit_log")
        answer = await api.call(case.method, case.path.replace("{id}", one), case.body)
        assert answer.status == case.status, (case, answer.body)
        (entry,) = await entries(api)
        shown = answer.headers.get("Location", one).rpartition("/")[2] or None
        assert (entry["route"], entry["status_code"]) == (f"{case.method} {case.path}", case.status)
        assert entry["subject"] == (one or shown), case
    handlers = [route.handler.__name__ for table in PUBLIC_ROUTES for route in table if route.keyed]
    assert all("_" in name for name in handlers), "an action is named verb_kind"


async def test_an_entry_holds_no_secret_of_request_or_answer(
    api: Api, admin: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    key = (await api.post("/api/v1/api_keys", {"name": "app"})).data["key"]
    hook = (await api.post("/api/v1/webhooks/endpoints", {"url": "http://127.0.0.1:9/?token=hunter2"})).data
    signing = (await api.post("/api/v1/webhooks/signing-key", {"rotate": True})).data
    await entries(api)
    written = str([dict(row) for row in await admin.fetch("select * from audit_log")])
    assert "create_endpoint" in written
    assert not [secret for secret in (key, KEY, hook["secret"], signing["secret"], "hunter2") if secret in written]


async def test_refusals_are_written_down_as_such_and_reading_is_not(api: Api, kube_api: KubeDouble) -> None:
    assert (await api.delete("/api/v1/monitors/mon-nothing")).status == 404
    kube_api.refuse = lambda _: {"code": 503, "message": "not now"}
    assert (await api.post("/api/v1/monitors", MONITOR)).status == 503
    kube_api.refuse = lambda _: None
    assert (await api.post("/api/v1/monitors", {})).status == 422  # nothing was asked for that could be done
    await api.get("/api/v1/monitors")
    found = [
        (entry["action"], entry["subject"], entry["outcome"], entry["status_code"]) for entry in await entries(api)
    ]
    assert found[:2] == [
        ("create_monitor", None, "failed", 503),
        ("delete_monitor", "mon-nothing", "refused", 404),
    ]
    assert [entry[0] for entry in found[2:]] == ["create_key", "create_tenant"]


async def test_a_repeat_that_gets_the_first_answer_is_no_change_and_one_after_a_crash_is(
    api: Api, admin: "asyncpg.Connection[asyncpg.Record]", monkeypatch: pytest.MonkeyPatch
) -> None:
    keyed = api.with_headers(Idempotency_Key="k")
    with monkeypatch.context() as crashing:
        crashing.setattr(audit_log.AuditLog, "_end", lambda *_: None)
        crashing.setattr("castwarden_gateway.http.claims.Claims.finish", dies)
        await keyed.post("/api/v1/monitors", MONITOR)
    await admin.execute("update idempotency_keys set lease_until = now()")
    made = await keyed.post("/api/v1/monitors", MONITOR)
    await keyed.post("/api/v1/monitors", MONITOR)

    async def written() -> bool:
        found = (await api.get("/api/v1/audit?action=create_monitor")).data
        return [entry["outcome"] for entry in found] == ["done", "unknown"]

    await wait_until(written, PATIENCE)
    newest = (await api.get("/api/v1/audit?action=create_monitor")).data[0]
    assert newest["subject"] == made.data["monitor_id"]


async def test_what_the_first_start_makes_is_written_down_once(
    gateways: Gateways, session: Any, admin: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    for _ in range(2):
        await gateways.stop(await gateways.start())
    rows = await admin.fetch("select action, subject, key_id, route, status from audit_log order by id")
    key, tenant = [await admin.fetchval(f"select id::text from {table}") for table in ("api_keys", "tenants")]
    assert [tuple(row) for row in rows] == [
        ("create_tenant", tenant, None, "bootstrap", 201),
        ("create_key", key, None, "bootstrap", 201),
    ]


async def test_what_an_administrator_does_for_a_tenant_is_in_the_tenants_log(api: Api) -> None:
    stranger = await other_tenant(api)
    mine = await api.get("/api/v1/api_keys")
    (entry,) = await entries(stranger)
    assert (entry["action"], entry["key_tenant"]) == ("create_key", "public")
    assert (entry["key_id"], entry["key_prefix"]) == (mine.data[0]["id"], None)
    assert "acme's" not in str(await entries(api))
    assert [entry["action"] for entry in await entries(api)] == ["create_tenant", "create_key", "create_tenant"]


async def test_the_log_is_filtered_by_time_action_and_key(api: Api) -> None:
    other = api.with_key((await api.post("/api/v1/api_keys", {"name": "app"})).data["key"])
    await other.post("/api/v1/monitors", MONITOR)
    await api.post("/api/v1/channels", {"feed_url": "https://cdn.example.com/feed"})
    newest, before, *_ = await entries(api)
    assert [entry["action"] for entry in await entries(api, "?action=create_monitor")] == ["create_monitor"]
    assert [entry["key_name"] for entry in await entries(api, f"?key_id={before['key_id']}")] == ["app"]
    at = newest["at"].replace("+", "%2B")
    assert await entries(api, f"?since={at}") == [newest]
    assert await entries(api, f"?until={at}&limit=1") == [newest]
    wrong = await api.get("/api/v1/audit?action=drop%20table&since=yesterday&key_id=1&who=me")
    assert (wrong.status, set(wrong.pointers)) == (422, {"action", "since", "key_id", "who"})


@pytest.mark.parametrize(("scopes", "status"), [(["audit:read"], 200), (["audit:*"], 200), (["monitors:*"], 403)])
async def test_reading_the_log_takes_its_own_scope(api: Api, scopes: list[str], status: int) -> None:
    made = await api.post("/api/v1/api_keys", {"name": "app", "scopes": scopes})
    assert (await api.with_key(made.data["key"]).get("/api/v1/audit")).status == status


async def test_without_an_entry_nothing_is_changed(
    api: Api, kube_api: KubeDouble, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(AuditStore, "begin", dies)
    refused = await api.post("/api/v1/monitors", MONITOR)
    assert (refused.status, refused.body["code"]) == (503, "database-unavailable")
    assert kube_api.objects == {}


async def test_outcomes_wait_while_the_database_is_away_and_are_written_when_it_is_back(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit_log, "_PAUSE_SECONDS", 0.01)
    tried = asyncio.Event()

    async def away(*_: object) -> None:
        tried.set()
        raise DatabaseUnavailable("gone")

    with monkeypatch.context() as broken:
        broken.setattr(AuditStore, "finish", away)
        assert (await api.post("/api/v1/monitors", MONITOR)).status == 201
        await asyncio.wait_for(tried.wait(), PATIENCE)
        assert (await api.get("/api/v1/audit")).data[0]["outcome"] == "unknown"
    assert (await entries(api))[0]["outcome"] == "done"


async def test_outcomes_that_do_not_fit_are_counted_and_their_entries_stay(
    api: Api, gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit_log, "_PAUSE_SECONDS", 0.01)
    monkeypatch.setattr(gateway._audit, "_most", 1)
    lost = audit_log.UNFINISHED._value.get()
    with monkeypatch.context() as broken:
        broken.setattr(AuditStore, "finish", dies)
        await api.post("/api/v1/monitors", MONITOR)
        await api.delete("/api/v1/monitors/x")
    assert audit_log.UNFINISHED._value.get() == lost + 1

    async def written() -> bool:
        found = (await api.get("/api/v1/audit?limit=2")).data
        return [entry["outcome"] for entry in found] == ["refused", "unknown"]

    await wait_until(written, PATIENCE)


async def test_what_is_in_hand_is_written_before_the_gateway_ends(
    api: Api, gateway: Gateway, gateways: Gateways, admin: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    await api.post("/api/v1/monitors", MONITOR)
    await gateways.stop(gateway)
    assert await admin.fetchval("select count(*) from audit_log where status is null") == 0


async def test_entries_are_forgotten_after_the_days_of_the_setting(
    api: Api, gateway: Gateway, admin: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    await api.post("/api/v1/monitors", MONITOR)
    await entries(api)
    await admin.execute("update audit_log set at = now() - interval '364 days' where action = 'create_tenant'")
    await admin.execute("update audit_log set at = now() - interval '366 days' where action = 'create_key'")
    await gateway._audit_store.prune(gateway.settings.audit_days)
    assert [entry["action"] for entry in await entries(api)] == ["create_monitor", "create_tenant"]


async def test_what_a_client_calls_itself_is_cut_and_stays_storable(api: Api) -> None:
    strange = api.with_headers(User_Agent="\udcff" + "x" * 1000)
    assert (await strange.delete("/api/v1/monitors/" + "y" * 500)).status == 404
    entry = (await entries(api))[0]
    assert (len(entry["user_agent"]), entry["subject"]) == (256, "y" * 256)
