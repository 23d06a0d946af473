# SPDX-License-Identifier: Apache-2.0
"""`Idempotency-Key`: what a repeat is answered, and what a crash between the work and its record leaves."""

import asyncio
import os
import signal
from typing import Any

import aiohttp
import asyncpg
import pytest
from castwarden_base.waiting import wait_until
from castwarden_gateway.app import Gateway
from castwarden_gateway.db import DatabaseUnavailable
from castwarden_gateway.http.claims import Claims

from tests.integration.gateway.conftest import PATIENCE, Api, Gateways, public
from tests.integration.gateway.gateway_process import gateway_process
from tests.integration.gateway.kube_double import KubeDouble
from tests.plugins.databases import see_all

MONITORS = "/api/v1/monitors"
BODY = {"stream_url": "https://cdn.example.com/a.m3u8"}


def keyed(api: Api, key: str = "first") -> Api:
    return api.with_headers(Idempotency_Key=key)


async def execute(database_url: str, statement: str) -> list[asyncpg.Record]:
    connection = await see_all(database_url)
    try:
        return await connection.fetch(statement)
    finally:
        await connection.close()


async def let_the_lease_run_out(database_url: str) -> None:
    await execute(database_url, "update idempotency_keys set lease_until = now()")


async def test_a_repeat_gets_the_first_answer_and_changes_nothing(api: Api, kube_api: KubeDouble) -> None:
    first = await keyed(api).post(MONITORS, BODY)
    again = await keyed(api).post(MONITORS, BODY)
    assert (first.status, "Idempotency-Replayed" in first.headers) == (201, False)
    assert (again.status, again.headers["Idempotency-Replayed"]) == (201, "true")
    assert again.body == first.body
    for header in ("Location", "ETag", "Content-Type"):
        assert again.headers[header] == first.headers[header]
    assert again.headers["X-Request-Id"] != first.headers["X-Request-Id"]
    assert len(kube_api.objects) == 1


async def test_the_key_may_be_quoted_and_the_path_may_be_an_alias(api: Api) -> None:
    first = await keyed(api, '"a b"').post(MONITORS, BODY)
    again = await keyed(api, "a b").post("/v1/monitors", BODY)
    assert (again.status, again.body) == (201, first.body)


async def test_another_request_under_a_used_key_is_refused(api: Api, kube_api: KubeDouble) -> None:
    await keyed(api).post(MONITORS, BODY)
    for path in (MONITORS, f"{MONITORS}?again=1"):
        body = BODY if "?" in path else {"stream_url": "https://cdn.example.com/b.m3u8"}
        refused = await keyed(api).post(path, body)
        assert (refused.status, refused.body["code"]) == (422, "idempotency-key-reused")
    assert len(kube_api.objects) == 1


async def test_the_same_key_is_another_one_elsewhere(api: Api, kube_api: KubeDouble) -> None:
    made = await keyed(api).post(MONITORS, BODY)
    path = f"{MONITORS}/{made.data['monitor_id']}"
    assert (await keyed(api).patch(path, {"depth": "Full"})).status == 200
    assert (await keyed(api).delete(path)).status == 200
    await api.post("/api/v1/tenants", {"slug": "acme"})
    other = await keyed(api.with_headers(X_Tenant_Id="acme")).post(MONITORS, BODY)
    assert (other.status, "Idempotency-Replayed" in other.headers) == (201, False)
    assert [key[1] for key in kube_api.objects] == ["acme"]


@pytest.mark.parametrize("key", ["", " ", '""', "x" * 256, "caf\xe9"])
async def test_what_is_no_key_is_refused(api: Api, key: str) -> None:
    refused = await keyed(api, key).post(MONITORS, BODY)
    assert (refused.status, refused.body["code"]) == (400, "idempotency-key-invalid")


async def test_a_get_takes_no_notice_of_a_key(api: Api) -> None:
    assert (await keyed(api).get(MONITORS)).data == []
    await api.post(MONITORS, BODY)
    assert len((await keyed(api).get(MONITORS)).data) == 1


async def test_a_refusal_is_repeated_as_well_under_the_repeats_own_request_id(api: Api) -> None:
    path = f"{MONITORS}/none"
    first = await keyed(api).delete(path)
    again = await keyed(api).delete(path)
    assert (first.status, again.status) == (404, 404)
    assert again.headers["Idempotency-Replayed"] == "true"
    assert again.headers["Content-Type"] == "application/problem+json"
    assert again.body == {**first.body, "request_id": again.headers["X-Request-Id"]}


async def test_what_may_succeed_in_a_moment_is_tried_again(
    api: Api, kube_api: KubeDouble, monkeypatch: pytest.MonkeyPatch
) -> None:
    kube_api.refuse = lambda _: {"code": 503, "message": "not now"}
    assert (await keyed(api).post(MONITORS, BODY)).status == 503
    kube_api.refuse = lambda _: None
    made = await keyed(api).post(MONITORS, BODY)
    assert (made.status, "Idempotency-Replayed" in made.headers) == (201, False)
    channel = (await api.post("/api/v1/channels", {"feed_url": "https://cdn.example.com/feed"})).data["id"]
    for _ in range(2):
        early = await keyed(api).post(f"/api/v1/channels/{channel}/poll")
        assert (early.status, "Idempotency-Replayed" in early.headers) == (409, False)


async def test_a_repeat_while_the_first_is_under_way_is_refused(api: Api, kube_api: KubeDouble) -> None:
    kube_api.answer.clear()
    first = asyncio.create_task(keyed(api).post(MONITORS, BODY))
    await wait_until(lambda: kube_api.objects, PATIENCE)
    refused = await keyed(api).post(MONITORS, BODY)
    assert (refused.status, refused.body["code"]) == (409, "idempotency-key-in-flight")
    assert int(refused.headers["Retry-After"]) >= 1
    kube_api.answer.set()
    assert (await keyed(api).post(MONITORS, BODY)).body == (await first).body


async def test_many_at_once_do_it_once(api: Api, kube_api: KubeDouble) -> None:
    answers = await asyncio.gather(*(keyed(api).post(MONITORS, BODY) for _ in range(30)))
    statuses = {answer.status for answer in answers}
    assert statuses <= {201, 409}
    assert 201 in statuses
    assert len({answer.data["monitor_id"] for answer in answers if answer.status == 201}) == 1
    assert len(kube_api.objects) == 1


async def test_the_lease_of_long_work_is_kept(
    api: Api, kube_api: KubeDouble, gateway: Gateway, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    kube_api.answer.clear()
    first = asyncio.create_task(keyed(api).post(MONITORS, BODY))
    await wait_until(lambda: kube_api.objects, PATIENCE)
    await let_the_lease_run_out(database_url)
    await gateway._claims._renew()
    assert (await keyed(api).post(MONITORS, BODY)).status == 409
    kube_api.answer.set()
    assert (await first).status == 201


async def test_a_run_that_was_overtaken_gives_no_answer_of_its_own(
    api: Api, kube_api: KubeDouble, database_url: str
) -> None:
    kube_api.answer.clear()
    first = asyncio.create_task(keyed(api).post(MONITORS, BODY))
    await wait_until(lambda: kube_api.objects, PATIENCE)
    await let_the_lease_run_out(database_url)
    second = asyncio.create_task(keyed(api).post(MONITORS, BODY))
    overtaken = "select from idempotency_keys where lease_until > now()"
    await wait_until(lambda: execute(database_url, overtaken), PATIENCE)
    kube_api.answer.set()
    answers = await asyncio.gather(first, second)
    assert [answer.status for answer in answers] == [409, 201]
    assert len(kube_api.objects) == 1


async def test_a_gateway_killed_between_the_work_and_its_record_leaves_one_monitor_and_no_riddle(
    gateways: Gateways, kube_api: KubeDouble, session: aiohttp.ClientSession, database_url: str
) -> None:
    async with gateway_process(database_url) as process:
        kube_api.answer.clear()
        asking = asyncio.create_task(keyed(public(process, session)).post(MONITORS, BODY))
        await wait_until(lambda: kube_api.objects, PATIENCE)
        os.kill(process.process.pid, signal.SIGKILL)
        with pytest.raises(aiohttp.ClientError):
            await asking
    kube_api.answer.set()
    api = public(await gateways.start(), session)
    refused = await keyed(api).post(MONITORS, BODY)
    assert (refused.status, refused.body["code"]) == (409, "idempotency-key-in-flight")
    await let_the_lease_run_out(database_url)
    made = await keyed(api).post(MONITORS, BODY)
    assert (made.status, "Idempotency-Replayed" in made.headers) == (201, False)
    assert [name for _, _, name in kube_api.objects] == [made.data["monitor_id"]]
    again = await keyed(api).post(MONITORS, BODY)
    assert (again.headers["Idempotency-Replayed"], again.body) == ("true", made.body)


async def test_an_answer_with_a_secret_is_kept_sealed_and_repeated_to_its_own_api_key_alone(
    api: Api, database_url: str
) -> None:
    scopes = ["api_keys:write", "monitors:read"]
    other = api.with_key((await api.post("/api/v1/api_keys", {"name": "other", "scopes": scopes})).data["key"])
    body = {"name": "app", "scopes": ["monitors:read"]}
    first = await keyed(api).post("/api/v1/api_keys", body)
    assert (await keyed(api).post("/api/v1/api_keys", body)).data["key"] == first.data["key"]
    refused = await keyed(other).post("/api/v1/api_keys", body)
    assert (refused.status, refused.body["code"]) == (422, "idempotency-key-reused")
    hook = await keyed(api).post("/api/v1/webhooks/endpoints", {"url": "http://127.0.0.1:9/"})
    rows = await execute(database_url, "select * from idempotency_keys")
    stored = b"".join(bytes(row["body"]) for row in rows) + str([dict(row) for row in rows]).encode()
    assert len(rows) == 2
    assert first.data["key"].encode() not in stored
    assert hook.data["secret"].encode() not in stored


async def test_sealed_answers_survive_a_new_key_of_the_keyring_and_not_the_loss_of_theirs(
    gateways: Gateways, session: aiohttp.ClientSession, database_url: str
) -> None:
    old, new = bytes(32), bytes(range(32))
    gateway = await gateways.start(secret_keys=(old,))
    first = await keyed(public(gateway, session)).post("/api/v1/api_keys", {"name": "app"})
    await gateways.stop(gateway)
    gateway = await gateways.start(secret_keys=(new, old))
    await gateway._claims.tidy()
    await gateways.stop(gateway)
    gateway = await gateways.start(secret_keys=(new,))
    again = await keyed(public(gateway, session)).post("/api/v1/api_keys", {"name": "app"})
    assert (again.status, again.body) == (201, first.body)
    await gateways.stop(gateway)
    gateway = await gateways.start(secret_keys=(bytes(reversed(range(32))),))
    lost = await keyed(public(gateway, session)).post("/api/v1/api_keys", {"name": "app"})
    assert (lost.status, lost.body["code"]) == (409, "conflict")


async def test_a_key_is_forgotten_after_a_day(api: Api, gateway: Gateway, database_url: str) -> None:
    first = await keyed(api).post("/api/v1/tenants", {"slug": "one"})
    await execute(database_url, "update idempotency_keys set created_at = now() - interval '25 hours'")
    anew = await keyed(api).post("/api/v1/tenants", {"slug": "two"})
    assert (first.status, anew.status, "Idempotency-Replayed" in anew.headers) == (201, 201, False)
    assert (await keyed(api).post("/api/v1/tenants", {"slug": "two"})).body == anew.body
    await execute(database_url, "update idempotency_keys set created_at = now() - interval '25 hours'")
    await gateway._claims.tidy()
    assert await execute(database_url, "select from idempotency_keys") == []


async def test_without_the_database_nothing_is_done_under_a_key(
    gateway: Gateway, api: Api, kube_api: KubeDouble, monkeypatch: pytest.MonkeyPatch
) -> None:
    await api.get(MONITORS)  # the API key is known

    async def away(*_: Any) -> None:
        raise DatabaseUnavailable

    monkeypatch.setattr(Claims, "take", away)
    refused = await keyed(api).post(MONITORS, BODY)
    assert (refused.status, refused.body["code"]) == (503, "database-unavailable")
    assert not kube_api.objects
