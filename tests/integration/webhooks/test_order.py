# SPDX-License-Identifier: Apache-2.0
"""Ordered endpoints get one delivery at a time, in the order of the events; a rate holds over all gateways."""

import asyncio
import time
from dataclasses import replace
from functools import partial

import pytest
from aiohttp import web
from castwarden_base.waiting import wait_until
from castwarden_gateway.webhooks import store

from tests.integration.webhooks.conftest import QUICK, Api, Bench, Engines, Receiver, Receivers

WAIT = {"retry": "custom", "retry_waits": [600, 600]}


def in_order(hook: Receiver) -> list[str]:
    """The ids received, without repeats of the one before."""
    ids = [got.id for got in hook.received]
    return [id_ for before, id_ in zip(["", *ids], ids, strict=False) if id_ != before]


async def settled(bench: Bench, attempt: int) -> bool:
    """Whether the first delivery has failed so many times, and nobody has any of them in hand."""
    failed = "select exists (select from webhook_deliveries where attempt = $1)"
    leased = "select count(*) from webhook_deliveries where lease_owner is not null"
    return bool(await bench.database.fetchval(failed, attempt)) and await bench.database.fetchval(leased) == 0


async def test_an_ordered_endpoint_gets_its_events_one_at_a_time_in_their_order(
    bench: Bench, receiver: Receivers, engine: Engines
) -> None:
    async def hop(_: web.Request) -> web.Response:
        await asyncio.sleep(0.001)
        return web.Response()

    hook, other = await receiver(hop), await receiver(hop)
    await bench.endpoint(hook.url, ordered=True, max_in_flight=64)
    await bench.endpoint(other.url)
    await engine()
    await engine()  # a second process takes nothing of it meanwhile
    ids = []
    for _ in range(30):
        ids += await bench.emit(*["stream.started"] * 10)
    await wait_until(bench.drained, 60)
    assert [got.id for got in hook.received] == [str(id_) for id_ in ids]
    assert hook.most == 1
    assert other.most > 1


async def test_one_that_fails_holds_the_rest_until_it_is_sent(
    bench: Bench, receiver: Receivers, engine: Engines
) -> None:
    refusals = 2

    async def answer(_: web.Request) -> web.Response:
        nonlocal refusals
        refusals -= 1
        return web.Response(status=404 if refusals >= 0 else 200)

    hook, other = await receiver(answer), await receiver()
    await bench.endpoint(hook.url, ordered=True, **WAIT)
    await bench.endpoint(other.url)
    await engine()
    ids = [str(id_) for id_ in await bench.emit(*["stream.started"] * 20)]
    for attempt in (1, 2):
        await wait_until(partial(settled, bench, attempt), 30)
        assert set(hook.ids) == {ids[0]}  # the twenty of the other endpoint went out meanwhile
        await bench.database.execute("update webhook_deliveries set due_at = now() where attempt > 0")
    await wait_until(bench.drained, 30)
    assert in_order(hook) == ids
    assert hook.ids[ids[0]] == 3
    assert len(other.received) == 20


async def test_one_that_is_dead_makes_way_for_the_rest(bench: Bench, receiver: Receivers, engine: Engines) -> None:
    bad: set[str] = set()

    async def answer(request: web.Request) -> web.Response:
        return web.Response(status=404 if request.headers["webhook-id"] in bad else 200)

    hook = await receiver(answer)
    await bench.endpoint(hook.url, ordered=True, retry="custom", retry_waits=[600])
    ids = [str(id_) for id_ in await bench.emit(*["stream.started"] * 5)]
    bad.add(ids[1])
    await engine()
    await wait_until(partial(settled, bench, 1), 30)
    assert in_order(hook) == ids[:2]
    await bench.make_due()
    await wait_until(bench.drained, 30)
    assert in_order(hook) == ids
    assert await bench.database.fetchval("select count(*) from webhook_dead") == 1


async def test_an_engine_that_ends_hands_an_ordered_endpoint_on_at_once(
    bench: Bench, receiver: Receivers, engine: Engines
) -> None:
    hook = await receiver()
    await bench.endpoint(hook.url, ordered=True, timeout_seconds=30)
    first = await engine()
    ids = await bench.emit("stream.started")
    await wait_until(bench.drained, 30)
    await first.stop()
    await engine()
    ids += await bench.emit("stream.ended")
    await wait_until(bench.drained, 20)  # less than the thirty seconds that a turn lasts
    assert [got.id for got in hook.received] == [str(id_) for id_ in ids]


async def test_what_waits_when_an_endpoint_becomes_ordered_gets_its_place(
    api: Api, bench: Bench, receiver: Receivers, engine: Engines
) -> None:
    hook = await receiver()
    _, made = await api("POST", "/endpoints", {"url": hook.url})
    ids = await bench.emit(*["stream.started"] * 5)
    _, changed = await api("PATCH", f"/endpoints/{made['data']['id']}", {"ordered": True})
    assert changed["data"]["ordered"] is True
    ids += await bench.emit("stream.ended")
    await bench.database.execute("update webhook_deliveries set position = null where event_id = $1", ids[-1])
    await engine()
    await wait_until(bench.drained, 30)  # also what was recorded at that very moment, without a position
    assert [got.id for got in hook.received] == [str(id_) for id_ in ids]


async def test_an_endpoint_that_is_ordered_no_more_gets_what_waits(
    api: Api, bench: Bench, receiver: Receivers, engine: Engines
) -> None:
    hook = await receiver()
    _, made = await api("POST", "/endpoints", {"url": hook.url, "ordered": True})
    ids = await bench.emit(*["stream.started"] * 5)
    await api("PATCH", f"/endpoints/{made['data']['id']}", {"ordered": False})
    await engine()
    await wait_until(bench.drained, 30)
    assert set(hook.ids) == {str(id_) for id_ in ids}


async def test_the_dead_that_are_recovered_come_back_in_their_order(
    bench: Bench, receiver: Receivers, engine: Engines
) -> None:
    hook = await receiver()
    id_, _ = await bench.endpoint(hook.url, ordered=True)
    ids = await bench.emit(*["stream.started"] * 10)
    await bench.database.execute("update webhook_endpoints set enabled = false")
    async with bench.database.connection() as connection:
        await store.update_endpoint(connection, bench.tenant_id, id_, {"enabled": False})
        await store.update_endpoint(connection, bench.tenant_id, id_, {"enabled": True})
        since = await connection.fetchval("select now() - interval '1 hour'")
        assert await store.revive(connection, bench.tenant_id, id_, since) == 10
    await engine()
    await wait_until(bench.drained, 30)
    assert [got.id for got in hook.received] == [str(id_) for id_ in ids]


@pytest.mark.parametrize("engines", [1, 2])
async def test_a_rate_holds_over_all_gateways_and_delays_nobody_else(
    bench: Bench, receiver: Receivers, engine: Engines, engines: int
) -> None:
    times: list[float] = []

    async def note(_: web.Request) -> web.Response:
        times.append(time.monotonic())
        return web.Response()

    slow, quick = await receiver(note), await receiver()
    await bench.endpoint(slow.url, rate_per_second=20)
    await bench.endpoint(quick.url)
    for _ in range(engines):
        await engine(replace(QUICK, poll_seconds=0.05))
    began = time.monotonic()
    await bench.emit(*["stream.started"] * 30)
    await wait_until(lambda: len(quick.received) == 30, 30)
    await wait_until(bench.drained, 30)
    assert len(times) == 30
    assert times[-1] - began >= 25 / 20 - 0.01  # five may come at once, then twenty a second; two clocks are compared


async def test_a_rate_that_is_taken_away_holds_nothing_back(
    api: Api, bench: Bench, receiver: Receivers, engine: Engines
) -> None:
    hook = await receiver()
    _, made = await api("POST", "/endpoints", {"url": hook.url, "rate_per_second": 0.01})
    await engine()
    await bench.emit(*["stream.started"] * 10)
    await wait_until(lambda: len(hook.received) == 1, 30)
    await api("PATCH", f"/endpoints/{made['data']['id']}", {"rate_per_second": 0})
    await wait_until(bench.drained, 30)
    assert len(hook.received) == 10
