# SPDX-License-Identifier: Apache-2.0
"""The yardstick of deliveries: a loop that signs a body and posts it with aiohttp, and does nothing else.

Reads a job as JSON on standard input ({"urls", "count", "bytes"}) and prints requests/s and CPU seconds.
"""

import asyncio
import base64
import hashlib
import hmac
import json
import resource
import sys
import time
from itertools import cycle

import aiohttp
import uvloop

_IN_FLIGHT = 64
_KEY = b"k" * 32


async def main() -> None:
    job = json.load(sys.stdin)
    urls, left = cycle(job["urls"]), iter(range(job["count"]))
    body = json.dumps({"id": "0" * 36, "data": {"pad": "x" * job["bytes"]}}).encode()[: job["bytes"]]

    async def send(session: aiohttp.ClientSession) -> None:
        for number in left:
            async with session.post(next(urls), data=body, headers=signed(str(number), body)) as response:
                await response.read()

    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector) as session:
        before, started = cpu(), time.perf_counter()
        await asyncio.gather(*(send(session) for _ in range(_IN_FLIGHT)))
        seconds = time.perf_counter() - started
    print(json.dumps({"rate": job["count"] / seconds, "cpu": cpu() - before}))


def signed(id_: str, body: bytes) -> dict[str, str]:
    timestamp = str(int(time.time()))
    digest = hmac.digest(_KEY, f"{id_}.{timestamp}.".encode() + body, hashlib.sha256)
    return {
        "Content-Type": "application/json",
        "webhook-id": id_,
        "webhook-timestamp": timestamp,
        "webhook-signature": "v1," + base64.b64encode(digest).decode(),
    }


def cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    uvloop.run(main())
