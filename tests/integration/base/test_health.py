# SPDX-License-Identifier: Apache-2.0
"""The health server over HTTP."""

import aiohttp
from castwarden_base.health import HealthServer
from prometheus_client import CollectorRegistry, Counter


async def get(port: int, path: str) -> tuple[int, str]:
    async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{port}{path}") as response:
        return response.status, await response.text()


async def test_it_is_alive_and_ready_until_a_check_gives_a_reason() -> None:
    reason: list[str] = []
    async with HealthServer("127.0.0.1", 0) as health:
        health.ready_while("assignment", lambda: reason[0] if reason else None)
        assert (await get(health.port, "/readyz"))[0] == 200
        reason.append("no assignment yet")
        status, text = await get(health.port, "/readyz")
        assert status == 503
        assert "no assignment yet" in text
        assert (await get(health.port, "/healthz"))[0] == 200


async def test_what_is_not_alive_is_not_ready() -> None:
    async with HealthServer("127.0.0.1", 0) as health:
        health.live_while("tasks", lambda: "task x ended")
        assert (await get(health.port, "/healthz"))[0] == 503
        assert (await get(health.port, "/readyz"))[0] == 503


async def test_metrics_are_in_prometheus_text() -> None:
    registry = CollectorRegistry()
    Counter("things", "Things seen", registry=registry).inc(3)
    async with HealthServer("127.0.0.1", 0, registry) as health:
        status, text = await get(health.port, "/metrics")
    assert status == 200
    assert "things_total 3.0" in text
