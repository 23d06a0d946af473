# SPDX-License-Identifier: Apache-2.0
"""PostgreSQL, the Kubernetes API's stand-in, the gateway, the sink: processes of their own around a benchmark."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import asyncpg
from castwarden_base.waiting import wait_until
from castwarden_gateway.db.migrate import migrate
from castwarden_gateway.db.walls import ALL, SETTING
from castwarden_local.postgres import Postgres
from castwarden_local.standin.interface import CUSTOM_RESOURCE_DEFINITIONS
from castwarden_local.standin.standin import Standin
from castwarden_model.crds import all_crds

KEY = "yttr_bench"
INTERNAL_KEY = "bench-internal"


@dataclass
class Stack:
    """What a benchmark needs of a running gateway; `database` is the benchmark's own connection."""

    database: "asyncpg.Connection[asyncpg.Record]"
    database_url: str
    standin: Standin
    session: aiohttp.ClientSession
    port: int
    internal_port: int
    gateway_pid: int
    postgres_pid: int
    sink_port: int
    idle_rss: float = 0.0

    async def api(self, method: str, path: str, body: Any = None) -> Any:
        url = f"http://127.0.0.1:{self.port}{path}"
        headers = {"Authorization": f"Bearer {KEY}"}
        async with self.session.request(method, url, json=body, headers=headers, raise_for_status=True) as response:
            return await response.json() if response.status != 204 else None

    async def received(self) -> Any:
        """What the sink has got since it was last asked."""
        async with self.session.get(f"http://127.0.0.1:{self.sink_port}/") as response:
            return json.loads(await response.read())

    def sink(self, path: str) -> str:
        return f"http://127.0.0.1:{self.sink_port}{path}"


@asynccontextmanager
async def stack(folder: Path) -> AsyncIterator[Stack]:
    async with AsyncExitStack() as parts:
        postgres = Postgres(folder, folder)
        await postgres.start()
        parts.push_async_callback(postgres.stop)
        url = postgres.url("castwarden")
        await migrate(url)
        standin = await parts.enter_async_context(kubernetes(postgres.url("standin"), folder))
        sink, _ = await parts.enter_async_context(process("bench.gateway.sink", dict(os.environ)))
        gateway, pid = await parts.enter_async_context(_gateway(url, standin.kubeconfig))
        session = await parts.enter_async_context(aiohttp.ClientSession())
        database = await asyncpg.connect(url, server_settings={SETTING: ALL})
        parts.push_async_callback(database.close)
        assert postgres.pid is not None
        yield Stack(
            database=database,
            database_url=url,
            standin=standin,
            session=session,
            port=int(gateway["port"]),
            internal_port=int(gateway["internal_port"]),
            gateway_pid=pid,
            postgres_pid=postgres.pid,
            sink_port=int(sink["port"]),
        )


async def wait_ready(running: Stack) -> None:
    async def ready() -> bool:
        async with running.session.get(f"http://127.0.0.1:{running.port}/readyz") as response:
            return response.status == 200

    await wait_until(ready, 120)


@asynccontextmanager
async def kubernetes(url: str, folder: Path) -> AsyncIterator[Standin]:
    """The stand-in's API with our definitions, in this process, which has nothing else to do."""
    standin = Standin(url, folder)
    await standin.start()
    for definition in all_crds():
        await standin.api.apply(CUSTOM_RESOURCE_DEFINITIONS, definition, manager="bench", force=True)
    yield standin
    await standin.stop()


@asynccontextmanager
async def _gateway(database_url: str, kubeconfig: Path) -> AsyncIterator[tuple[dict[str, str], int]]:
    environment = {
        **os.environ,
        "DATABASE_URL": database_url,
        "KUBECONFIG": str(kubeconfig),
        "CASTWARDEN_SECRET_KEY": "A" * 43 + "=",
        "API_KEY": KEY,
        "INTERNAL_API_KEY": INTERNAL_KEY,
        "RATE_LIMIT": "0",
        "CASTWARDEN_HOST": "127.0.0.1",
        "PORT": "0",
        "INTERNAL_PORT": "0",
        "CASTWARDEN_DRAIN_SECONDS": "0",
        "CASTWARDEN_LOG_LEVEL": "info",
        "CASTWARDEN_OUTBOUND_ALLOW": "127.0.0.0/8",
    }
    async with process(os.environ.get("BENCH_GATEWAY", "castwarden_gateway"), environment) as found:
        yield found


@asynccontextmanager
async def process(module: str, environment: dict[str, str]) -> AsyncIterator[tuple[dict[str, str], int]]:
    """A Python process that listens: the line of its JSON log that says so, and its id."""
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-m", module, env=environment, stderr=asyncio.subprocess.PIPE
    )
    assert child.stderr is not None
    drain: asyncio.Task[None] | None = None
    try:
        line = await _listening(module, child.stderr.readline)
        drain = asyncio.create_task(_drain(child.stderr))
        yield line, child.pid
    finally:
        if child.returncode is None:
            child.terminate()
        await child.wait()
        if drain is not None:
            await drain


async def _listening(module: str, readline: Callable[[], Awaitable[bytes]]) -> dict[str, str]:
    said = []
    async with asyncio.timeout(60):
        while line := (await readline()).decode():
            if '"listening"' in line:
                return dict(json.loads(line))
            said.append(line)
    raise RuntimeError(f"{module} ended: {''.join(said)}")


async def _drain(stderr: asyncio.StreamReader) -> None:
    """A full pipe would stop the process. Its troubles are shown, but for those of the endpoints that never answer."""
    while line := await stderr.readline():
        if b'"endpoint_' in line:
            continue
        if b'"level": "warning"' in line or b'"level":"warning"' in line or b'"error"' in line or b"Traceback" in line:
            sys.stderr.write(line.decode(errors="replace"))


async def run(module: str, job: dict[str, object]) -> Any:
    """What another process prints for a job."""
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-m", module, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    output, _ = await child.communicate(json.dumps(job).encode())
    if child.returncode:
        raise RuntimeError(f"{module} failed")
    return json.loads(output)
