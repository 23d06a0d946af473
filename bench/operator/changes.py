# SPDX-License-Identifier: Apache-2.0
"""How soon a worker sees a changed spec, among thousands: its long poll of a real gateway on the same control plane."""

import asyncio
import json
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
from castwarden_base.waiting import wait_until
from castwarden_gateway.db.migrate import migrate
from castwarden_local.postgres import Postgres

from bench.gateway.stack import process
from bench.operator.cluster import MONITOR, Cluster

_KEY = "bench-internal-key"
_WAIT_SECONDS = 25


@asynccontextmanager
async def gateway(folder: Path, namespace: str) -> AsyncIterator[str]:
    """The URL for workers of a gateway that looks after the namespace."""
    postgres = Postgres(folder, folder)
    await postgres.start()
    try:
        url = postgres.url("castwarden")
        await migrate(url)
        environment = {
            **os.environ,
            "DATABASE_URL": url,
            "CASTWARDEN_SECRET_KEY": "A" * 43 + "=",
            "INTERNAL_API_KEY": _KEY,
            "CASTWARDEN_HOST": "127.0.0.1",
            "PORT": "0",
            "INTERNAL_PORT": "0",
            "CASTWARDEN_NAMESPACE": namespace,
            "CASTWARDEN_WATCH_NAMESPACES": namespace,
        }
        async with process("castwarden_gateway", environment) as (said, _):
            await wait_until(lambda: _ready(f"http://127.0.0.1:{said['port']}/readyz"), 120)
            yield f"http://127.0.0.1:{said['internal_port']}"
    finally:
        await postgres.stop()


async def _ready(url: str) -> bool:
    async with aiohttp.ClientSession() as session, session.get(url) as response:
        return response.status == 200


async def delays(found: Cluster, url: str, numbers: list[int]) -> list[float]:
    """Seconds from each change until the worker has it, sorted."""
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(url, headers={"X-Internal-API-Key": _KEY}, connector=connector) as session:
        workers = [await Worker.begin(found, session, number) for number in numbers]
        return sorted([await worker.change() for worker in workers])


class Worker:
    def __init__(self, found: Cluster, session: aiohttp.ClientSession, number: int, uid: str, version: str) -> None:
        self._found, self._session, self._number = found, session, number
        self._uid, self._version = uid, version

    @classmethod
    async def begin(cls, found: Cluster, session: aiohttp.ClientSession, number: int) -> "Worker":
        obj = await found.api.get(MONITOR, found.namespace, f"m{number:05}")
        assert obj is not None
        worker = cls(found, session, number, obj["metadata"]["uid"], "")
        worker._version = (await worker._assignment(wait=0))["version"]
        return worker

    async def change(self) -> float:
        """Waits as a worker does, changes the spec, and says how long it took to arrive."""
        waiting = asyncio.create_task(self._assignment(_WAIT_SECONDS))
        await asyncio.sleep(0.05)  # the poll is under way, as it nearly always is
        began = time.monotonic()
        await self._found.patch(self._number, {"checks": {"black": {"raiseAfter": "45s"}}})
        changed = await waiting
        assert changed["spec"]["checks"]["black"]["raiseAfter"] in ("45s", 45.0), changed
        return time.monotonic() - began

    async def _assignment(self, wait: float) -> Any:
        query = {"uid": self._uid, "wait": f"{wait:g}", **({"version": self._version} if self._version else {})}
        path = f"/internal/v1/assignments/Monitor/{self._found.namespace}/m{self._number:05}"
        async with self._session.get(path, params=query) as response:
            assert response.status == 200, (response.status, await response.text())
            return json.loads(await response.read())
