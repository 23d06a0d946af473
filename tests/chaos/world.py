# SPDX-License-Identifier: Apache-2.0
"""PostgreSQL, a Kubernetes API and gateways, started again when they die, and who kills them."""

import asyncio
import os
import random
import signal
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import asyncpg
from castwarden_base.waiting import wait_until
from castwarden_gateway.db.migrate import migrate
from castwarden_local.postgres import Postgres
from castwarden_local.processes import Supervised
from castwarden_local.services import Settings, choose_port, gateway_command
from castwarden_local.standin.interface import CUSTOM_RESOURCE_DEFINITIONS, GVR
from castwarden_local.standin.standin import Standin
from castwarden_model.crds import all_crds
from castwarden_model.resources import GROUP, VERSION, Monitor

from tests.plugins.databases import see_all

KEY = "yttr_chaos"
INTERNAL_KEY = "chaos-internal"
_MONITORS = GVR(GROUP, VERSION, Monitor.PLURAL)
_NAMESPACES = GVR("", "v1", "namespaces")
_READY = 120
_SETTINGS = {
    "INTERNAL_API_KEY": INTERNAL_KEY,
    "RATE_LIMIT": "0",
    "CASTWARDEN_LOG_LEVEL": "warning",
    "CASTWARDEN_SECRET_KEY": "A" * 43 + "=",
}


@dataclass(slots=True)
class GatewayProcess:
    process: Supervised
    port: int
    internal_port: int

    @property
    def internal_url(self) -> str:
        return f"http://127.0.0.1:{self.internal_port}"


@dataclass(slots=True)
class World:
    """What a run works with."""

    postgres: Postgres
    standin: Standin
    gateways: Sequence[GatewayProcess]
    session: aiohttp.ClientSession
    logs: list[str]

    async def api(self, method: str, path: str, body: Any = None, tenant: str | None = None) -> Any:
        """By the first gateway. Raises ClientResponseError."""
        headers = {"Authorization": f"Bearer {KEY}", **({"X-Tenant-Id": tenant} if tenant else {})}
        url = f"http://127.0.0.1:{self.gateways[0].port}/api/v1{path}"
        async with self.session.request(method, url, json=body, headers=headers, raise_for_status=True) as response:
            return (await response.json())["data"]

    async def add_namespace(self, name: str) -> None:
        body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
        await self.standin.api.apply(_NAMESPACES, body, manager="chaos", force=True)

    async def reference(self, name: str, namespace: str) -> dict[str, str]:
        meta = (await self.standin.api.get(_MONITORS, name, namespace))["metadata"]
        return {"kind": "Monitor", "namespace": namespace, "name": name, "uid": meta["uid"]}

    async def ready(self, gateway: GatewayProcess) -> bool:
        try:
            async with self.session.get(f"http://127.0.0.1:{gateway.port}/readyz") as response:
                return response.status == 200
        except aiohttp.ClientError:
            return False

    async def fetch(self, sql: str, *args: Any) -> list[asyncpg.Record]:
        connection = await see_all(self.postgres.url("castwarden"))
        try:
            return await connection.fetch(sql, *args)
        finally:
            await connection.close()


@asynccontextmanager
async def world(folder: Path, gateways: int) -> AsyncIterator[World]:
    async with AsyncExitStack() as parts:
        postgres = Postgres(folder, folder)
        await postgres.start()
        parts.push_async_callback(postgres.stop)
        await migrate(postgres.url("castwarden"), post=True)
        standin = Standin(postgres.url("standin"), folder)
        await standin.start()
        parts.push_async_callback(standin.stop)
        for definition in all_crds():
            await standin.api.apply(CUSTOM_RESOURCE_DEFINITIONS, definition, manager="chaos", force=True)
        logs: list[str] = []
        running = [_gateway(folder, postgres, standin, logs) for _ in range(gateways)]
        for gateway in running:
            gateway.process.start()
            parts.push_async_callback(gateway.process.stop)
        session = await parts.enter_async_context(aiohttp.ClientSession())
        found = World(postgres, standin, running, session, logs)
        for gateway in running:
            await wait_until(lambda: found.ready(gateway), _READY)  # noqa: B023 - awaited in the loop
        yield found


def _gateway(folder: Path, postgres: Postgres, standin: Standin, logs: list[str]) -> GatewayProcess:
    port, internal_port = choose_port(0, "--port"), choose_port(0, "--internal-port")
    settings = Settings(
        data=folder,
        database_url=postgres.url("castwarden"),
        kubeconfig=standin.kubeconfig,
        secret_key=_SETTINGS["CASTWARDEN_SECRET_KEY"],
        port=port,
        internal_port=internal_port,
        operator_port=0,
        allow_private=["127.0.0.0/8"],
        downloads=False,
        extra=_SETTINGS,
    )
    take = lambda line: logs.append(line.decode(errors="replace"))  # noqa: E731
    process = Supervised(f"gateway-{port}", lambda: gateway_command(settings, KEY), take)
    return GatewayProcess(process, port, internal_port)


@dataclass(slots=True)
class Havoc:
    """Kills a gateway every `every` seconds, and PostgreSQL at each of `restarts` (seconds from the beginning)."""

    every: float
    restarts: Sequence[float]
    killed: int = 0
    restarted: int = 0

    async def run(self, found: World) -> None:
        """Until it is cancelled."""
        await asyncio.gather(self._kill_gateways(found), self._restart_postgres(found))

    async def _kill_gateways(self, found: World) -> None:
        while True:
            await asyncio.sleep(self.every)
            victim = random.choice(found.gateways)
            if (pid := victim.process.pid) is not None:
                os.kill(pid, signal.SIGKILL)
                self.killed += 1

    async def _restart_postgres(self, found: World) -> None:
        """As a crash would, then as an administrator in a hurry does, in turns."""
        passed = 0.0
        for number, at in enumerate(self.restarts):
            await asyncio.sleep(at - passed)
            passed = at
            if (pid := found.postgres.pid) is not None:
                os.kill(pid, signal.SIGINT if number % 2 else signal.SIGKILL)
                self.restarted += 1
