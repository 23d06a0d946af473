# SPDX-License-Identifier: Apache-2.0
"""How an endpoint does, as several gateways counted it."""

from datetime import UTC, datetime, timedelta
from typing import Any

from aiohttp import web
from castwarden_base.waiting import wait_until
from castwarden_gateway.webhooks.tallies import BOUNDS

from tests.integration.webhooks.conftest import Api, Bench, Engines, Receivers


async def statistics(api: Api, endpoint: Any, query: str = "") -> Any:
    status, answer = await api("GET", f"/endpoints/{endpoint}/statistics{query}")
    assert status == 200, answer
    return answer["data"]


async def test_attempts_of_several_gateways_add_up(
    api: Api, bench: Bench, receiver: Receivers, engine: Engines
) -> None:
    answers = iter([503, 500] + [200] * 40)

    async def behave(_: web.Request) -> web.StreamResponse:
        return web.Response(status=next(answers))

    hook = await receiver(behave)
    endpoint, _ = await bench.endpoint(hook.url, retry="custom", retry_waits=[1.0])
    running = [await engine(), await engine()]
    await bench.emit(*["stream.started"] * 40)

    async def emptied() -> bool:
        await bench.database.execute("update webhook_endpoints set paused_until = null, resting_until = null")
        await bench.make_due()
        return await bench.drained()

    await wait_until(emptied, 30)
    for one in running:
        await one.stop()
    told = await statistics(api, endpoint)
    assert (told["attempts"], told["sent"], told["failed"], told["dead"]) == (42, 40, 2, 0)
    assert sorted((one["error"], one["attempts"]) for one in told["errors"]) == [("status_500", 1), ("status_503", 1)]
    assert told["success_rate"] == round(40 / 42, 6)
    assert 0 < told["latency_ms"]["p50"] <= told["latency_ms"]["p95"] <= told["latency_ms"]["p99"]
    assert sum(hour["sent"] for hour in told["hours"]) == 40
    assert (told["waiting"], told["waiting_since"], told["recoverable"]) == (0, None, 0)


async def test_what_waits_and_what_can_be_recovered_is_counted(api: Api, bench: Bench) -> None:
    endpoint, _ = await bench.endpoint("http://127.0.0.1:9/")
    await bench.emit(*["stream.started"] * 3)
    told = await statistics(api, endpoint)
    assert (told["waiting"], told["attempts"], told["success_rate"], told["latency_ms"]) == (3, 0, None, None)
    assert told["waiting_since"] is not None
    await api("PATCH", f"/endpoints/{endpoint}", {"enabled": False})
    told = await statistics(api, endpoint)
    assert (told["waiting"], told["recoverable"]) == (0, 3)


async def test_only_whole_hours_of_the_time_asked_for_are_told(api: Api, bench: Bench) -> None:
    endpoint, _ = await bench.endpoint("http://127.0.0.1:9/")
    now = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    for ago in (1, 2, 30):
        await bench.database.execute(
            "insert into webhook_tallies values ($1, $2, $3, 'sent', '', 10, 100, $4)",
            bench.tenant_id,
            endpoint,
            now - timedelta(hours=ago),
            [0] * (len(BOUNDS) + 1),
        )
    assert (await statistics(api, endpoint))["sent"] == 20
    since, until = (at.strftime("%Y-%m-%dT%H:%M:%SZ") for at in (now - timedelta(hours=31), now - timedelta(hours=1)))
    told = await statistics(api, endpoint, f"?since={since}&until={until}")
    assert (told["sent"], told["since"], told["until"]) == (20, since, until)
    status, problem = await api("GET", f"/endpoints/{endpoint}/statistics?since={until}&until={since}")
    assert (status, problem["errors"][0]["parameter"]) == (422, "since")
