# SPDX-License-Identifier: Apache-2.0
"""From the beginning of the transaction with an event to the receipt of its delivery, at a steady rate."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from bench.gateway.floods import drained, endpoints, queue, release, remove
from bench.gateway.stack import Stack, run

_PAD = 600
SETTLE_SECONDS = 1.0  # left out at the beginning: connections are made


@dataclass
class Delays:
    """Milliseconds."""

    p50: float
    p99: float


@dataclass(frozen=True)
class Dead:
    """Endpoints that never answer, and how many deliveries each has due when it begins."""

    endpoints: int
    due: int


async def delays(running: Stack, paths: Sequence[str], rate: float, seconds: float, dead: Dead | None = None) -> Delays:
    """Of all deliveries to `paths`, each of which gets every event; beside them are the dead."""
    ids = await endpoints(running, paths, timeout_seconds=15)
    silent = await _bury(running, dead) if dead else []
    tenant = await running.database.fetchval("select tenant_id from webhook_endpoints where id = $1", ids[0])
    job = {"url": running.database_url, "tenant": str(tenant), "rate": rate, "bytes": _PAD}
    await run("bench.gateway.publisher", {**job, "seconds": SETTLE_SECONDS})
    await asyncio.sleep(0.2)
    await running.received()
    published = (await run("bench.gateway.publisher", {**job, "seconds": seconds}))["published"]
    found: list[float] = []
    async with asyncio.timeout(60):
        while len(found) < published * len(paths):
            await asyncio.sleep(0.2)
            found += [one for each in (await running.received())["seconds"].values() for one in each]
    await drained(running, ids)
    await remove(running, [*ids, *silent])
    found.sort()
    return Delays(found[len(found) // 2] * 1000, found[int(len(found) * 0.99)] * 1000)


async def _bury(running: Stack, dead: Dead) -> list[UUID]:
    paths = [f"/silent/{number}" for number in range(dead.endpoints)]
    ids = await endpoints(running, paths, events=["alert.*"], timeout_seconds=15)
    await queue(running, ids, dead.due)
    await release(running, ids)
    return ids
