# SPDX-License-Identifier: Apache-2.0
"""From the beginning of the transaction with an event to the receipt of its delivery, at a steady rate."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from bench.gateway.floods import drained, endpoints, remove
from bench.gateway.stack import Stack, run

_PAD = 600
SETTLE_SECONDS = 1.0  # left out at the beginning: connections are made


@dataclass
class Delays:
    """Milliseconds."""

    p50: float
    p99: float


async def delays(running: Stack, paths: Sequence[str], rate: float, seconds: float, silent: int = 0) -> Delays:
    """Of all deliveries to `paths`, each of which gets every event; `silent` endpoints more never answer."""
    dead = [f"/silent/{number}" for number in range(silent)]
    ids = await endpoints(running, [*paths, *dead], timeout_seconds=15)
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
    await drained(running, ids[: len(paths)])
    await remove(running, ids)
    found.sort()
    return Delays(found[len(found) // 2] * 1000, found[int(len(found) * 0.99)] * 1000)
