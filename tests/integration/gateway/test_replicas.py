# SPDX-License-Identifier: Apache-2.0
"""Several gateways as their clients meet them: one limit for all, none while PostgreSQL is away, no request cut."""

import asyncio
import re
import signal
from pathlib import Path
from typing import Any

import aiohttp
from castwarden_base.waiting import wait_until
from castwarden_gateway.db.migrate import migrate
from castwarden_local.postgres import Postgres

from tests.integration.gateway.conftest import (
    INTERNAL_KEY,
    KEY,
    PATIENCE,
    Answer,
    Api,
    Gateways,
    monitor,
    public,
    report,
)
from tests.integration.gateway.gateway_process import GatewayProcess, gateway_process
from tests.integration.gateway.kube_double import KubeDouble

HOURS = 36_000  # a window in which nothing to speak of comes back during a test
STATUS = "/api/v1/status"


async def key_of(api: Api, limit: int) -> str:
    body = {"name": "limited", "rate_limit": limit, "rate_window_seconds": HOURS}
    return str((await api.post("/api/v1/api_keys", body)).data["key"])


async def ask(api: Api, requests: int, at_once: int = 10) -> list[Answer]:
    found: list[Answer] = []
    for _ in range(requests // at_once):
        found += await asyncio.gather(*(api.get(STATUS) for _ in range(at_once)))
    return found


async def test_three_gateways_let_a_keys_limit_through_within_a_tenth(
    gateways: Gateways, session: aiohttp.ClientSession
) -> None:
    apis = [public(await gateways.start(), session) for _ in range(3)]
    key, limit = await key_of(apis[0], 300), 300
    answers = await asyncio.gather(*(ask(api.with_key(key), limit) for api in apis))
    through = [sum(answer.status == 200 for answer in each) for each in answers]
    assert 0.9 * limit <= sum(through) <= 1.1 * limit
    assert all(through)
    refused = [answer for each in answers for answer in each if answer.status != 200]
    assert {(answer.status, answer.body["code"]) for answer in refused} == {(429, "rate-limit-exceeded")}
    assert all(int(answer.headers["Retry-After"]) > 0 for answer in refused)


def opened(metrics: Answer) -> float:
    found = re.search(r"^castwarden_gateway_rate_limits_open_total (\S+)", metrics.body, re.MULTILINE)
    assert found
    return float(found[1])


async def test_while_postgresql_is_away_requests_pass_are_counted_and_the_process_is_alive(
    gateways: Gateways, session: aiohttp.ClientSession, folder: Path
) -> None:
    postgres = Postgres(folder, folder)
    await postgres.start()
    try:
        gateways.database_url = postgres.url("castwarden")
        await migrate(gateways.database_url)
        api = public(await gateways.start(), session)
        limited = api.with_key(await key_of(api, 20))
        assert (await limited.get(STATUS)).status == 200
        before = opened(await api.get("/metrics"))
    finally:
        await postgres.stop()
    passed = await ask(limited, 100)
    assert {answer.status for answer in passed} == {200}
    assert opened(await api.get("/metrics")) - before >= 80  # 20 may have been in hand
    await wait_until(lambda: _is(api, "/readyz", 503), PATIENCE)
    assert (await api.get("/healthz")).status == 200

    again = Postgres(folder, folder)
    await again.start()
    try:
        await wait_until(lambda: _is(limited, STATUS, 429), PATIENCE)
        await gateways.stop_all()
    finally:
        await again.stop()


class Client:
    """Asks one thing after another over a kept connection, until an answer tells it to go elsewhere."""

    def __init__(self, method: str, url: str, headers: dict[str, str], body: Any = None) -> None:
        self._request = (method, url)
        self._options = {"headers": headers, "json": body}
        self.statuses: list[int] = []

    async def run(self) -> None:
        """Raises whatever cuts a request."""
        async with aiohttp.ClientSession() as session:
            sent_away = False
            while not sent_away:
                async with session.request(*self._request, **self._options) as response:
                    await response.read()
                    self.statuses.append(response.status)
                    sent_away = response.headers.get("Connection", "").lower() == "close"


async def test_sigterm_under_load_cuts_no_request_of_clients_or_workers(
    kube_api: KubeDouble, database_url: str
) -> None:
    obj = kube_api.put("monitors", monitor("studio"))
    async with gateway_process(database_url, CASTWARDEN_DRAIN_SECONDS="1") as process:
        clients = [*clients_of(process), *workers_of(process, obj)]
        running = [asyncio.create_task(client.run()) for client in clients]
        await wait_until(lambda: all(len(client.statuses) >= 20 for client in clients), PATIENCE)
        assert not any(task.done() for task in running)
        process.process.send_signal(signal.SIGTERM)
        await asyncio.wait_for(asyncio.gather(*running), PATIENCE)
        assert {status for client in clients for status in client.statuses} == {200}
        assert await process.ended() == 0
        assert process.says("stopped")


def clients_of(process: GatewayProcess) -> list[Client]:
    headers = {"Authorization": f"Bearer {KEY}"}
    url = f"http://127.0.0.1:{process.public_port}"
    return [Client("GET", url + path, headers) for path in ("/api/v1/monitors", "/api/v1/events", "/healthz")]


def workers_of(process: GatewayProcess, obj: Any) -> list[Client]:
    """Each repeats its own report, which is answered with 200 as often as it comes."""
    url = f"http://127.0.0.1:{process.internal_port}/internal/v1/reports"
    headers = {"X-Internal-API-Key": INTERNAL_KEY}
    return [Client("POST", url, headers, report(obj, seq)) for seq in (1, 2)]


async def _is(api: Api, path: str, status: int) -> bool:
    return (await api.get(path)).status == status
