# SPDX-License-Identifier: Apache-2.0
"""The operator as a process of its own, and what it says of itself."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
from prometheus_client.parser import text_string_to_metric_families

_START_SECONDS = 120.0
_QUIET_SECONDS = 5.0
_LOOK_SECONDS = 0.25


class Operator:
    """A running operator: `pid`, and its metrics."""

    def __init__(self, pid: int, url: str, session: aiohttp.ClientSession) -> None:
        self.pid = pid
        self._url = url
        self._session = session

    async def sum(self, name: str, **labels: str) -> float:
        """Of all series of a metric that have these labels."""
        async with self._session.get(self._url + "/metrics") as response:
            families = text_string_to_metric_families(await response.text())
        samples = (sample for family in families for sample in family.samples if sample.name == name)
        return sum(sample.value for sample in samples if labels.items() <= sample.labels.items())

    async def requests(self) -> float:
        return await self.sum("rest_client_requests_total")

    async def writes(self) -> float:
        """Requests that write, whatever was answered."""
        return await self.requests() - await self.sum("rest_client_requests_total", method="GET")

    async def ready(self) -> None:
        async with asyncio.timeout(_START_SECONDS):
            while True:
                async with self._session.get(self._url + "/readyz") as response:
                    if response.status == 200:
                        return
                await asyncio.sleep(_LOOK_SECONDS)

    async def settled(self, reconciles: int, seconds: float) -> None:
        """Until it has looked at so many and has then done nothing for a while."""
        loop = asyncio.get_running_loop()
        seen, since = -1.0, loop.time()
        async with asyncio.timeout(seconds):
            while True:
                done = await self.sum("controller_runtime_reconcile_total")
                if done != seen:
                    seen, since = done, loop.time()
                if seen >= reconciles and loop.time() - since > _QUIET_SECONDS:
                    return
                await asyncio.sleep(_LOOK_SECONDS)


@asynccontextmanager
async def operator(namespace: str, gateway_url: str = "", **variables: str) -> AsyncIterator[Operator]:
    """With its default settings, for one namespace; killed at the end."""
    environment = {
        **os.environ,
        "CASTWARDEN_WATCH_NAMESPACES": namespace,
        "CASTWARDEN_NAMESPACE": namespace,
        "CASTWARDEN_LEADER_ELECTION": "false",
        "CASTWARDEN_HEALTH_HOST": "127.0.0.1",
        "CASTWARDEN_HEALTH_PORT": "0",
        "CASTWARDEN_WORKER_IMAGE": "localhost/worker:1",
        **variables,
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "castwarden_operator", env=environment, stderr=asyncio.subprocess.PIPE
    )
    assert process.stderr is not None
    reading: asyncio.Task[None] | None = None
    try:
        port = await _health_port(process.stderr)
        reading = asyncio.create_task(_drain(process.stderr))
        async with aiohttp.ClientSession() as session:
            found = Operator(process.pid, f"http://127.0.0.1:{port}", session)
            await found.ready()
            yield found
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
        if reading is not None:
            await reading


async def _health_port(stderr: asyncio.StreamReader) -> int:
    said = []
    async with asyncio.timeout(_START_SECONDS):
        while line := (await stderr.readline()).decode():
            said.append(line)
            if '"operator_started"' in line:
                return int(json.loads(line)["health_port"])
    raise RuntimeError(f"the operator ended: {''.join(said)}")


async def _drain(stderr: asyncio.StreamReader) -> None:
    """A full pipe would stop the process. Its troubles are shown."""
    while line := await stderr.readline():
        if b'"level": "error"' in line or b"Traceback" in line:
            sys.stderr.write(line.decode(errors="replace"))
