# SPDX-License-Identifier: Apache-2.0
"""Clocks that are a day off: the database's against the gateway's, a receiver's against everybody's."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import aiohttp
import asyncpg
import pytest
import standardwebhooks.webhooks
from aiohttp import web
from castwarden_base.ids import uuid7
from castwarden_base.waiting import wait_until
from castwarden_gateway.db.migrate import migrate
from standardwebhooks import Webhook, WebhookVerificationError

from tests.integration.gateway.conftest import PATIENCE, Api, Gateways, inside, monitor, public, report
from tests.integration.gateway.kube_double import KubeDouble

DAY = timedelta(days=1)
SHIFTED = """
create function public.now() returns timestamptz language sql stable as $$ select pg_catalog.now() + interval '{0}' $$;
create function public.clock_timestamp() returns timestamptz language sql volatile as
$$ select pg_catalog.clock_timestamp() + interval '{0}' $$;
"""
ENDPOINTS = "/api/v1/webhooks/endpoints"


@pytest.fixture(params=["1 day", "-1 day"])
async def shifted_gateways(
    request: pytest.FixtureRequest, empty_database_url: str, kube_api: KubeDouble
) -> AsyncIterator[Gateways]:
    """On a database whose clock is so far from everybody else's: its own functions are found before PostgreSQL's."""
    connection = await asyncpg.connect(empty_database_url)
    await connection.execute(SHIFTED.format(request.param))
    name = await connection.fetchval("select current_database()")
    await connection.execute(f"alter database {name} set search_path = public, pg_catalog")
    await connection.close()
    await migrate(empty_database_url)
    gateways = Gateways(empty_database_url)
    yield gateways
    await gateways.stop_all()


class Hook:
    """A receiver that verifies what comes, by a clock of its own. `titles`: what it took."""

    def __init__(self) -> None:
        self.url = ""
        self.secrets: list[str] = []
        self.titles: list[str] = []

    async def take(self, request: web.Request) -> web.Response:
        body = await request.read()
        try:
            taken = [Webhook(secret).verify(body, dict(request.headers)) for secret in self.secrets]
        except WebhookVerificationError as error:
            return web.Response(status=401, text=str(error))
        self.titles.append(taken[0]["data"]["title"])
        return web.Response()


@pytest.fixture
async def hook() -> AsyncIterator[Hook]:
    hook = Hook()
    app = web.Application()
    app.router.add_post("/", hook.take)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    hook.url = f"http://127.0.0.1:{runner.addresses[0][1]}/"
    yield hook
    await runner.cleanup()


async def subscribe(api: Api, hook: Hook, **options: Any) -> str:
    """The endpoint's path."""
    made = (await api.post(ENDPOINTS, {"url": hook.url, **options})).data
    hook.secrets.append(made["secret"])
    return f"{ENDPOINTS}/{made['id']}"


class Studio:
    """A Monitor in which things happen."""

    def __init__(self, internal: Api, kube_api: KubeDouble) -> None:
        self._internal, self._seq = internal, 0
        self._obj = kube_api.put("monitors", monitor("studio"))

    async def starts(self, title: str) -> None:
        self._seq += 1
        at = datetime.now(UTC).isoformat()
        known = report(self._obj, self._seq)
        started = {"id": str(uuid7()), "type": "stream.started", "at": at, "data": {"title": title}}

        async def told() -> bool:
            answer = await self._internal.post("/internal/v1/reports", {**known, "occurrences": [started]})
            return answer.status == 200

        await wait_until(told, PATIENCE)


async def test_a_gateway_delivers_whose_clock_is_a_day_off_the_databases(
    shifted_gateways: Gateways, session: aiohttp.ClientSession, kube_api: KubeDouble, hook: Hook
) -> None:
    gateway = await shifted_gateways.start()
    api, studio = public(gateway, session), Studio(inside(gateway, session), kube_api)
    path = await subscribe(api, hook)
    await studio.starts("first")
    await wait_until(lambda: hook.titles == ["first"], PATIENCE)

    rotated = (await api.post(f"{path}/rotate-secret", {"overlap_seconds": 3600})).data
    hook.secrets.append(rotated["secret"])  # from now on it takes only what both have signed
    again = (await api.post(f"{path}/rotate-secret", {"overlap_seconds": 3600})).data
    hook.secrets.append(again["secret"])
    await studio.starts("signed by all three")
    await wait_until(lambda: hook.titles == ["first", "signed by all three"], PATIENCE)

    assert (await api.post(f"{path}/pause", {})).status == 200
    await studio.starts("after the pause")
    (waiting,) = (await api.get("/api/v1/webhooks/deliveries?status=pending")).data
    assert waiting["attempts"] == 0
    assert (await api.post(f"{path}/resume")).status == 200
    await wait_until(lambda: hook.titles[-1] == "after the pause", PATIENCE)


async def test_what_fails_waits_its_time_and_is_given_up_no_sooner(
    shifted_gateways: Gateways, session: aiohttp.ClientSession, kube_api: KubeDouble, hook: Hook
) -> None:
    gateway = await shifted_gateways.start()
    api, studio = public(gateway, session), Studio(inside(gateway, session), kube_api)
    path = await subscribe(api, hook, retry="custom", retry_waits=[1, 86_400])
    hook.secrets = ["whsec_" + "A" * 32]
    await studio.starts("refused")

    async def failed_twice() -> Any:
        found = (await api.get("/api/v1/webhooks/deliveries?status=failed")).data
        return found[0] if found and found[0]["attempts"] == 2 else None

    waiting = await wait_until(failed_twice, PATIENCE)
    assert waiting["last_error"] == "status_401"
    assert (await api.get(path)).data["enabled"] is True
    statistics = (await api.get(f"{path}/statistics")).data
    assert statistics["waiting"] == 1


async def test_limits_and_repeats_go_by_one_clock(
    shifted_gateways: Gateways, session: aiohttp.ClientSession, kube_api: KubeDouble
) -> None:
    gateways = [await shifted_gateways.start(rate_limit=50) for _ in range(2)]
    one, other = (public(gateway, session) for gateway in gateways)
    key = {"Idempotency-Key": "a-day-off"}
    first = await one.post("/api/v1/api_keys", {"name": "slow", "rate_limit": 3}, headers=key)
    again = await one.post("/api/v1/api_keys", {"name": "slow", "rate_limit": 3}, headers=key)
    assert (first.status, again.status, again.headers["Idempotency-Replayed"]) == (201, 201, "true")
    assert again.data["key"] == first.data["key"]
    slow = [api.with_key(first.data["key"]) for api in (one, other)]
    answers = [await slow[at % 2].get("/api/v1/events") for at in range(12)]
    refused = [answer for answer in answers if answer.status == 429]
    assert refused
    assert all(0 < int(answer.headers["Retry-After"]) <= 60 for answer in refused)


async def test_a_receiver_whose_clock_is_a_day_off_refuses_and_takes_it_once_that_is_right(
    gateways: Gateways,
    session: aiohttp.ClientSession,
    kube_api: KubeDouble,
    hook: Hook,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    gateway = await gateways.start()
    api, studio = public(gateway, session), Studio(inside(gateway, session), kube_api)
    await subscribe(api, hook)
    for off in (-DAY, DAY):

        class Wrong(datetime):
            @classmethod
            def now(cls, tz: Any = None, off: timedelta = off) -> "Wrong":
                return super().now(tz) + off

        with monkeypatch.context() as patched:
            patched.setattr(standardwebhooks.webhooks, "datetime", Wrong)
            await studio.starts(f"by a clock {off} off")

            async def refused() -> Any:
                return (await api.get("/api/v1/webhooks/deliveries?status=failed")).data

            (delivery,) = await wait_until(refused, PATIENCE)
            path = f"/api/v1/webhooks/deliveries/{delivery['id']}"
            (attempt,) = (await api.get(path)).data["history"]
            assert (attempt["status_code"], attempt["error"]) == (401, "status_401")
            assert "timestamp" in attempt["response_body"]
            assert hook.titles.count(f"by a clock {off} off") == 0
        assert (await api.post(f"{path}/resend")).status < 300
        await wait_until(partial(hook.titles.count, f"by a clock {off} off"), PATIENCE)
        assert hook.titles.count(f"by a clock {off} off") == 1
