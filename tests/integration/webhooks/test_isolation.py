# SPDX-License-Identifier: Apache-2.0
"""Endpoints do not get in each other's way."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from aiohttp import web
from castwarden_base.waiting import wait_until
from castwarden_gateway.webhooks import claimer
from structlog.testing import capture_logs

from tests.integration.webhooks.conftest import QUICK, Api, Behaviour, Bench, Engines, Receivers

EVENTS = ["stream.started"] * 40


async def test_a_dead_endpoint_with_a_long_queue_does_not_delay_the_others(
    bench: Bench, receiver: Receivers, silent_server: str, engine: Engines
) -> None:
    await bench.endpoint(silent_server, timeout_seconds=30)
    for _ in range(5):
        await bench.emit(*EVENTS)
    hook = await receiver()
    await bench.endpoint(hook.url)
    await engine(replace(QUICK, max_in_flight=16, stop_seconds=0.1))
    ids = await bench.emit(*EVENTS)
    await wait_until(lambda: len(hook.received) == 40, 30)
    assert hook.ids == {str(id_): 1 for id_ in ids}
    assert await bench.database.fetchval("select count(*) from webhook_attempts where outcome <> 'sent'") == 0


async def test_an_endpoint_never_has_more_in_flight_than_its_limit(
    bench: Bench, receiver: Receivers, engine: Engines
) -> None:
    release = asyncio.Event()

    async def hold(_: web.Request) -> web.StreamResponse:
        await release.wait()
        return web.Response()

    hook, other = await receiver(hold), await receiver()
    await bench.endpoint(hook.url, max_in_flight=3)
    await bench.endpoint(other.url, events=["alert.*"])
    await engine()
    await bench.emit(*EVENTS[:10])
    await wait_until(lambda: hook.now == 3, 30)
    await bench.emit("alert.freeze", *EVENTS[:10])
    await wait_until(lambda: len(other.received) == 1, 30)
    assert hook.now == 3
    release.set()
    await wait_until(bench.drained, 30)
    assert hook.most == 3
    assert len(hook.received) == 21


async def test_a_process_never_has_more_in_hand_than_its_limit(
    bench: Bench, receiver: Receivers, engine: Engines
) -> None:
    release = asyncio.Event()

    async def hold(_: web.Request) -> web.StreamResponse:
        await release.wait()
        return web.Response()

    hooks = [await receiver(hold) for _ in range(4)]
    for hook in hooks:
        await bench.endpoint(hook.url)
    await engine(replace(QUICK, max_in_flight=10))
    await bench.emit(*EVENTS[:8])
    await wait_until(lambda: sum(hook.now for hook in hooks) == 10, 30)
    release.set()
    await wait_until(bench.drained, 30)
    assert sum(len(hook.received) for hook in hooks) == 32


async def test_a_broken_receiver_is_left_in_peace_until_a_probe_succeeds(
    bench: Bench, receiver: Receivers, engine: Engines
) -> None:
    hook = await receiver(500)
    await bench.endpoint(hook.url, max_in_flight=1)
    await engine()
    await bench.emit(*EVENTS)
    await wait_until(lambda: len(hook.received) == 5, 30)
    other = await receiver()
    await bench.endpoint(other.url, events=["alert.*"])
    for _ in range(10):
        await bench.emit("alert.freeze")
        await wait_until(lambda: len(other.received) > 0, 30)
        other.received.clear()
    assert 5 <= len(hook.received) < 10

    hook.behaviour = None
    await bench.make_due()
    await wait_until(lambda: len(hook.ids) == 50, 60)


@pytest.mark.parametrize(("status", "error"), [(500, "status_500"), (302, "status_302")])
async def test_an_endpoint_that_rests_says_so_and_why(
    bench: Bench, receiver: Receivers, engine: Engines, api: Api, status: int, error: str
) -> None:
    hook = await receiver(status)
    id_, _ = await bench.endpoint(hook.url)
    await engine()
    await bench.emit(*EVENTS[:5])

    async def rests() -> Any:
        shown = (await api("GET", f"/endpoints/{id_}"))[1]["data"]
        return shown if shown["resting_until"] else None

    shown = await wait_until(rests, 30)
    assert (shown["last_error"], shown["enabled"], shown["paused_until"]) == (error, True, None)
    assert shown["last_error_at"] < shown["resting_until"]

    enabled = (await api("PATCH", f"/endpoints/{id_}", {"enabled": True}))[1]["data"]
    assert (enabled["resting_until"], enabled["last_error"], enabled["last_error_at"]) == (None, None, None)


async def test_a_rest_that_a_receiver_asks_for_is_logged_once_and_a_short_one_is_not(
    bench: Bench, receiver: Receivers, engine: Engines
) -> None:
    def asks_for(seconds: str) -> Behaviour:
        together = asyncio.Barrier(8)

        async def busy(_: web.Request) -> web.StreamResponse:
            await together.wait()
            return web.Response(status=429, headers={"Retry-After": seconds})

        return busy

    long, short = await receiver(asks_for("900")), await receiver(asks_for("2"))
    endpoint, _ = await bench.endpoint(long.url)
    await bench.endpoint(short.url)
    await bench.emit(*EVENTS[:8])
    with capture_logs() as lines:
        await engine()
        await wait_until(lambda: bench.row("select 1 from webhook_attempts having count(*) >= 16"), 30)
    said = [line for line in lines if line["event"] == "endpoint_asked_for_a_rest"]
    assert [(line["endpoint"], line["seconds"]) for line in said] == [(str(endpoint), 900)]


async def test_a_tenant_with_many_endpoints_on_a_dead_host_leaves_room_for_the_others(
    bench: Bench, receiver: Receivers, silent_server: str, engine: Engines
) -> None:
    for _ in range(10):
        await bench.endpoint(silent_server, timeout_seconds=30)
    await bench.emit(*EVENTS[:8])
    other = Bench(bench.database, bench.signer)
    await other.add_tenant("other")
    hook = await receiver()
    await other.endpoint(hook.url)
    await engine(replace(QUICK, max_in_flight=16, share=8, poll_seconds=60, stop_seconds=0.1))
    await other.emit(*EVENTS)
    await wait_until(lambda: len(hook.received) == 40, 30)
    leased = "select count(*) from webhook_deliveries where lease_owner is not null and tenant_id = $1"
    assert await bench.database.fetchval(leased, bench.tenant_id) == 8


async def test_a_tenant_gets_all_of_its_deliveries_out_through_its_share(
    bench: Bench, receiver: Receivers, engine: Engines
) -> None:
    hooks = [await receiver() for _ in range(5)]
    for hook in hooks:
        await bench.endpoint(hook.url)
    await bench.emit(*EVENTS)
    await engine(replace(QUICK, share=3, poll_seconds=60))
    await wait_until(bench.drained, 30)
    assert sum(len(hook.received) for hook in hooks) == 200


async def test_where_looking_at_all_takes_long_those_that_answer_and_all_others_get_theirs(
    bench: Bench, receiver: Receivers, silent_server: str, engine: Engines, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(claimer, "_LONG_SECONDS", -1.0)  # always
    await bench.endpoint(silent_server, timeout_seconds=30)
    hook = await receiver()
    await bench.endpoint(hook.url)
    await engine(replace(QUICK, stop_seconds=0.1))
    ids = await bench.emit(*EVENTS)
    await wait_until(lambda: len(hook.received) == 40, 30)
    ids += await bench.emit(*EVENTS)
    await wait_until(lambda: len(hook.received) == 80, 30)
    newcomer = await receiver()
    await bench.endpoint(newcomer.url, ordered=True)
    await bench.endpoint(newcomer.url)
    (last,) = await bench.emit("stream.ended")
    await wait_until(lambda: len(newcomer.received) == 2, 30)
    await wait_until(lambda: len(hook.received) == 81, 30)
    assert hook.ids == {str(id_): 1 for id_ in [*ids, last]}
