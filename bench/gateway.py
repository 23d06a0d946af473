# SPDX-License-Identifier: Apache-2.0
"""Requests per second of the gateway beside a bare aiohttp handler, in one run on one machine.

`python -m bench.gateway` starts PostgreSQL, the gateway and the bare handler as processes of their own, beside the
Kubernetes API's stand-in, loads each in turn from another process, and prints two ratios: an authenticated GET of one
monitor, and a POST of a report with one event (committed, with its state) by as many workers as there are connections.
"""

import argparse
import asyncio
import json
import os
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import aiohttp
from castwarden_base.waiting import wait_until
from castwarden_gateway.db.migrate import migrate
from castwarden_local.postgres import Postgres
from castwarden_local.standin.interface import CUSTOM_RESOURCE_DEFINITIONS, GVR
from castwarden_local.standin.standin import Standin
from castwarden_model.crds import all_crds
from castwarden_model.resources import GROUP, VERSION, Monitor

CONNECTIONS = 256
MONITORS = GVR(GROUP, VERSION, Monitor.PLURAL)
KEY = "yttr_bench"
INTERNAL_KEY = "bench-internal"
GOALS = {"GET one monitor": 0.4, "POST one report": 0.15}


async def main(seconds: float) -> int:
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="castwarden-bench-")))
        url, standin_url = await stack.enter_async_context(database(folder))
        standin = await stack.enter_async_context(kubernetes(standin_url, folder))
        ports = await stack.enter_async_context(gateway(url, standin.kubeconfig))
        answer, workers = await prepare(ports[0], standin)
        bare_port = await stack.enter_async_context(bare(answer))
        found = await measure(ports, bare_port, workers, seconds)
    return report(found)


async def measure(
    ports: tuple[int, int], bare_port: int, workers: list[dict[str, str]], seconds: float
) -> dict[str, dict[str, float]]:
    """Requests/s by case and side. The sides take turns of half a second, so that both meet the same noise."""
    path = f"/api/v1/monitors/{workers[0]['name']}"
    get: dict[str, object] = {
        "method": "GET",
        "path": path,
        "headers": {"Authorization": f"Bearer {KEY}"},
        "workers": [],
    }
    post: dict[str, object] = {
        "method": "POST",
        "path": "/internal/v1/reports",
        "headers": {"X-Internal-API-Key": INTERNAL_KEY, "Content-Type": "application/json"},
        "workers": workers,
    }
    cases = {"GET one monitor": (get, ports[0]), "POST one report": (post, ports[1])}
    return {
        case: await load({**request, "ports": {"bare": bare_port, "gateway": port}, "seconds": seconds})
        for case, (request, port) in cases.items()
    }


async def load(job: dict[str, object]) -> dict[str, float]:
    """Requests/s by side, as another process measures them."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bench.http_load", stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    output, _ = await process.communicate(json.dumps({**job, "connections": CONNECTIONS}).encode())
    if process.returncode:
        raise RuntimeError("the load failed")
    rates: dict[str, float] = json.loads(output)
    return rates


def report(found: dict[str, dict[str, float]]) -> int:
    """Prints the table; 1 when a goal is missed."""
    missed = 0
    print(f"{'':<18}{'bare aiohttp':>14}{'gateway':>12}{'ratio':>8}{'goal':>8}")
    for case, rates in found.items():
        ratio = rates["gateway"] / rates["bare"]
        missed += ratio < GOALS[case]
        print(
            f"{case:<18}{rates['bare']:>12.0f}/s{rates['gateway']:>10.0f}/s{ratio:>8.2f}{'>= ' + str(GOALS[case]):>8}"
        )
    return 1 if missed else 0


@asynccontextmanager
async def database(folder: Path) -> AsyncIterator[tuple[str, str]]:
    """The URLs of the gateway's database and of the stand-in's."""
    server = Postgres(folder, folder)
    await server.start()
    url = server.url("castwarden")
    await migrate(url)
    yield url, server.url("standin")
    await server.stop()


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
async def gateway(database_url: str, kubeconfig: Path) -> AsyncIterator[tuple[int, int]]:
    """The gateway's process; its public and internal port."""
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
    }
    async with process("castwarden_gateway", environment) as lines:
        line = await lines('"listening"')
        yield int(line["port"]), int(line["internal_port"])


@asynccontextmanager
async def bare(answer: bytes) -> AsyncIterator[int]:
    async with process("bench.bare_aiohttp", {**os.environ, "ANSWER": answer.decode()}) as lines:
        yield int((await lines('"listening"'))["port"])


@asynccontextmanager
async def process(
    module: str, environment: dict[str, str]
) -> AsyncIterator[Callable[[str], Awaitable[dict[str, str]]]]:
    """A Python process; the value waits for a line of its JSON log that holds a text."""
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-m", module, env=environment, stderr=asyncio.subprocess.PIPE
    )
    stream = child.stderr
    assert stream is not None

    async def lines(text: str) -> dict[str, str]:
        async with asyncio.timeout(60):
            while line := (await stream.readline()).decode():
                if text in line:
                    return dict(json.loads(line))
        raise RuntimeError(f"{module} ended")

    try:
        yield lines
    finally:
        child.terminate()
        await stream.read()
        await child.wait()


async def prepare(port: int, standin: Standin) -> tuple[bytes, list[dict[str, str]]]:
    """Makes a monitor for every connection. Returns the answer of a GET and whom to report for."""
    workers = []
    async with aiohttp.ClientSession(f"http://127.0.0.1:{port}", headers={"Authorization": f"Bearer {KEY}"}) as session:

        async def ready() -> bool:
            async with session.get("/readyz") as response:
                return response.status == 200

        await wait_until(ready, 60)
        for number in range(CONNECTIONS):
            body = {"stream_url": f"https://cdn.example.com/{number}.m3u8"}
            async with session.post("/api/v1/monitors", json=body, raise_for_status=True) as response:
                name = (await response.json())["data"]["monitor_id"]
            meta = (await standin.api.get(MONITORS, name, "default"))["metadata"]
            workers.append({"name": name, "uid": meta["uid"], "namespace": meta["namespace"]})
        async with session.get(f"/api/v1/monitors/{workers[0]['name']}", raise_for_status=True) as response:
            return await response.read(), workers


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=8, help="of load for each of the four figures")
    sys.exit(asyncio.run(main(parser.parse_args().seconds)))
