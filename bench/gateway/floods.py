# SPDX-License-Identifier: Apache-2.0
"""Many due deliveries at once: how many arrive in a second and what they cost, beside the bare loop in turns."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from castwarden_base.waiting import wait_until

from bench.gateway.stack import Stack, run
from bench.gateway.usage import cpu_seconds

BODY_BYTES = 1024
_PAD = 640  # with the envelope around it the body has about BODY_BYTES

EVENTS = """
insert into events (id, tenant_id, type, kind, namespace, name, uid, occurred_at, data, metadata)
select uuidv7(), $1, 'stream.started', 'Monitor', 'default', 'bench', 'bench', now(),
       jsonb_build_object('pad', repeat('x', $3)), '{}'
from generate_series(1, $2) returning id"""
DELIVERIES = """
insert into webhook_deliveries (tenant_id, id, event_id, endpoint_id)
select $1, uuidv7(), e.id, p.id from unnest($2::uuid[]) as e (id), unnest($3::uuid[]) as p (id)"""
PAUSE = "update webhook_endpoints set paused_until = now() + interval '1 hour' where id = any ($1::uuid[])"
GO = "update webhook_endpoints set paused_until = null where id = any ($1::uuid[])"


@dataclass
class Flood:
    """Deliveries/s, and CPU seconds per 1,000: of the bare client, and of engine and PostgreSQL together."""

    bare_rate: float
    rate: float
    bare_cpu: float
    cpu: float

    @property
    def rate_ratio(self) -> float:
        return self.rate / self.bare_rate

    @property
    def cpu_ratio(self) -> float:
        return self.cpu / self.bare_cpu


async def endpoints(running: Stack, paths: Sequence[str], **options: Any) -> list[UUID]:
    ids = []
    for path in paths:
        body = {"url": running.sink(path), "max_in_flight": 64, **options}
        ids.append(UUID((await running.api("POST", "/api/v1/webhooks/endpoints", body))["data"]["id"]))
    return ids


async def remove(running: Stack, ids: Sequence[UUID]) -> None:
    for id_ in ids:
        await running.api("DELETE", f"/api/v1/webhooks/endpoints/{id_}")


async def queue(running: Stack, ids: Sequence[UUID], each: int) -> None:
    """Queues `each` events for every one of the endpoints, which are paused until `release`."""
    tenant = await running.database.fetchval("select tenant_id from webhook_endpoints where id = $1", ids[0])
    await running.database.execute(PAUSE, list(ids))
    events = [row["id"] for row in await running.database.fetch(EVENTS, tenant, each, _PAD)]
    for at in range(0, each, 100):
        await running.database.execute(DELIVERIES, tenant, events[at : at + 100], list(ids))
    await running.received()


async def release(running: Stack, ids: Sequence[UUID]) -> None:
    await running.database.execute(GO, list(ids))
    await running.database.execute("notify castwarden_webhooks")


async def arrive(running: Stack, wanted: int) -> float:
    """Deliveries/s from the first to the last of `wanted` receipts."""
    got, first, last = 0, 0.0, 0.0
    while got < wanted:
        await asyncio.sleep(0.2)
        found = await running.received()
        got += sum(found["received"].values())
        first, last = first or found["first"], found["last"] or last
    return got / (last - first)


async def drained(running: Stack, ids: Sequence[UUID]) -> None:
    async def empty() -> bool:
        left = "select not exists (select from webhook_deliveries where endpoint_id = any ($1::uuid[]))"
        return bool(await running.database.fetchval(left, list(ids)))

    await wait_until(empty, 60)


async def one_round(running: Stack, paths: Sequence[str], events: int) -> Flood:
    bare = await run(
        "bench.gateway.bare_client",
        {"urls": [running.sink(path) for path in paths], "count": events * len(paths), "bytes": BODY_BYTES},
    )
    ids = await endpoints(running, paths)
    await queue(running, ids, events)
    before = cpu_seconds(running.gateway_pid) + cpu_seconds(running.postgres_pid)
    await release(running, ids)
    rate = await arrive(running, events * len(paths))
    await drained(running, ids)
    used = cpu_seconds(running.gateway_pid) + cpu_seconds(running.postgres_pid) - before
    await remove(running, ids)
    thousands = events * len(paths) / 1000
    return Flood(bare["rate"], rate, bare["cpu"] / thousands, used / thousands)


async def flood(running: Stack, paths: Sequence[str], events: int, rounds: int) -> list[Flood]:
    return [await one_round(running, paths, events) for _ in range(rounds)]


async def backlog(running: Stack, count: int, each: int, measured: int) -> tuple[float, float]:
    """Deliveries/s over `count` endpoints: of a short queue, and of the first ones of `each` times `count`."""
    paths = [f"/hook/{number}" for number in range(count)]
    ids = await endpoints(running, paths)
    await queue(running, ids, measured // count)
    await release(running, ids)
    short = await arrive(running, measured)
    await drained(running, ids)
    await queue(running, ids, each)
    await running.database.execute("vacuum analyze webhook_deliveries")
    await release(running, ids)
    long = await arrive(running, measured)
    await running.database.execute(PAUSE, ids)
    await running.database.execute("delete from webhook_endpoints where id = any ($1::uuid[])", ids)
    await running.database.execute("delete from webhook_deliveries where endpoint_id = any ($1::uuid[])", ids)
    await asyncio.sleep(1.0)  # what is under way ends
    await running.received()
    return short, long
