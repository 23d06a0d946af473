# SPDX-License-Identifier: Apache-2.0
"""Castwarden on one machine: PostgreSQL, the stand-in with its controllers and Pod runner, the gateway, the operator.

`async with Stack(StackOptions(data)) as stack` is what the demo, the tests and the benchmarks use; `castwarden up` too.
"""

import asyncio
import base64
import secrets
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, Self

import asyncpg
from castwarden_base.logs import get_logger
from castwarden_base.tasks import Supervisor
from castwarden_gateway.db.migrate import MigrationError, migrate
from castwarden_gateway.tenants.keys import new_key
from castwarden_model.crds import all_crds

from castwarden_local import services
from castwarden_local.controllers.manager import Controllers
from castwarden_local.datadir import DataDirectory
from castwarden_local.errors import StartFailed
from castwarden_local.outputs import JsonLog
from castwarden_local.postgres import Postgres
from castwarden_local.processes import Command, Supervised, kill_strays
from castwarden_local.runner.runner import Runner
from castwarden_local.services import DOWNLOAD_CLAIM, HOST, NAMESPACE, choose_port
from castwarden_local.standin.errors import AlreadyExists
from castwarden_local.standin.interface import CUSTOM_RESOURCE_DEFINITIONS, NAMESPACES, PERSISTENT_VOLUME_CLAIMS, Api
from castwarden_local.standin.standin import Standin
from castwarden_local.standin.storage.database import Taken

log = get_logger(__name__)

KEY_SHOWN = "api-key.shown"  # in the secrets' folder once the gateway has stored the first key's hash


class Process(Protocol):
    """A supervised child: tests end it by its pid and see it come back under another."""

    @property
    def pid(self) -> int | None: ...


@dataclass(frozen=True, slots=True)
class StackOptions:
    """Port 0 takes a free one. `environment` goes to the gateway and the operator, over everything but what is theirs.

    `database_url` is another server's database, instead of the embedded one. `api_key` is the first key of the tenant
    public, instead of one that is made at the first start and shown once.
    """

    data: Path
    port: int = 8080
    internal_port: int = 8081
    operator_port: int = 8082
    kube_port: int = 6443
    allow_private: tuple[str, ...] = ()
    downloads: bool = False
    database_url: str | None = None
    api_key: str | None = None
    environment: Mapping[str, str] = field(default_factory=dict)


class Stack:
    """`await start()`: everything runs and is ready. `await stop()`: nothing runs, everything is kept."""

    api: Api
    standin: Standin
    runner: Runner
    controllers: Controllers
    api_key: str | None = None  # None when it was shown at an earlier start

    def __init__(self, options: StackOptions) -> None:
        self.options = options
        self.directory = DataDirectory(options.data)
        self.data = self.directory.root
        self.postgres: Postgres | None = None
        self.processes: dict[str, Process] = {}
        self._work = AsyncExitStack()
        self._tasks = Supervisor()

    @property
    def kubeconfig(self) -> Path:
        path: Path = self.standin.kubeconfig
        return path

    @property
    def downloads(self) -> Path:
        """Where files of DownloadJobs in the default namespace land."""
        return self.data / "volumes" / NAMESPACE / DOWNLOAD_CLAIM

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    def failure(self) -> str | None:
        """Why the stack can no longer be relied on; None while it can."""
        return self._tasks.failure() or self.standin.failure()

    def pods(self, namespace: str, pod: str) -> Mapping[str, int]:
        """The processes of a Pod's containers, by container name."""
        return self.runner.pids(namespace, pod)

    async def start(self) -> None:
        """Raises LocalError with one line that says what to do."""
        async with AsyncExitStack() as undo:
            undo.push_async_callback(self.stop)
            await self._start()
            undo.pop_all()

    async def stop(self) -> None:
        await self._tasks.__aexit__()  # Pods end while the gateway still takes their last reports
        await self._work.aclose()

    async def _start(self) -> None:
        options = self.options
        self.directory.open()
        self._work.callback(self.directory.close)
        if strays := kill_strays(self.data):
            log.warning("strays_killed", pids=strays)
        self.port = choose_port(options.port, "--port")
        self.internal_port = choose_port(options.internal_port, "--internal-port")
        self.operator_port = choose_port(options.operator_port, "--operator-port")
        self.kube_port = choose_port(options.kube_port, "--kube-port")
        self.api_url = f"http://{HOST}:{self.port}"
        self.internal_url = f"http://{HOST}:{self.internal_port}"
        self.operator_url = f"http://{HOST}:{self.operator_port}"
        databases = await self._databases()
        await self._start_standin(databases["standin"])
        await self._start_processes(databases["castwarden"])

    async def _databases(self) -> dict[str, str]:
        if self.options.database_url:
            return dict.fromkeys(("castwarden", "standin"), self.options.database_url)
        self.postgres = Postgres(self.data, self.directory.logs)
        await self.postgres.start()
        self._work.push_async_callback(self.postgres.stop)
        self.processes["postgres"] = self.postgres
        return {name: self.postgres.url(name) for name in ("castwarden", "standin")}

    async def _start_standin(self, database_url: str) -> None:
        self.standin = Standin(database_url, self.data, port=self.kube_port)
        try:
            await self.standin.start()
        except (OSError, Taken, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            await self.standin.stop()
            raise StartFailed(f"the Kubernetes stand-in or its database cannot be used: {error}") from error
        self._work.push_async_callback(self.standin.stop)
        self.api = self.standin.api
        await self._furnish()
        self.controllers = Controllers(self.api)
        self.runner = Runner(self.api, self.standin.mint_token, self.data)
        self.standin.serve_logs(self.runner.read_logs)
        self._tasks.start("controllers", self.controllers.run())
        self._tasks.start("runner", self.runner.run())

    async def _furnish(self) -> None:
        """The definitions of our kinds, the default namespace, and a claim for downloads in it."""
        for definition in all_crds():
            await self.api.apply(CUSTOM_RESOURCE_DEFINITIONS, definition, manager="castwarden-up", force=True)
        claim = {
            "metadata": {"name": DOWNLOAD_CLAIM, "namespace": NAMESPACE},
            "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
        }
        for gvr, obj in ((NAMESPACES, {"metadata": {"name": NAMESPACE}}), (PERSISTENT_VOLUME_CLAIMS, claim)):
            try:
                await self.api.create(gvr, obj)
            except AlreadyExists:
                continue

    async def _start_processes(self, database_url: str) -> None:
        settings = services.Settings(
            data=self.data,
            database_url=database_url,
            kubeconfig=self.kubeconfig,
            secret_key=self.directory.secret("secret-key", _new_secret_key),
            port=self.port,
            internal_port=self.internal_port,
            operator_port=self.operator_port,
            allow_private=self.options.allow_private,
            downloads=self.options.downloads,
            extra=self.options.environment,
        )
        shown = self.data / "secrets" / KEY_SHOWN
        self.api_key = self.options.api_key or (None if shown.exists() else new_key())
        try:
            await migrate(database_url)
        except MigrationError as error:
            raise StartFailed(f"the database in {self.data} is not one of this version: {error}") from error
        gateway = services.gateway_command(settings, self.api_key)
        operator = services.operator_command(settings)
        await asyncio.gather(
            self._run("gateway", gateway, f"{self.api_url}/readyz"),
            self._run("operator", operator, f"{self.operator_url}/readyz"),
        )
        self.directory.secret(KEY_SHOWN, lambda: "")

    async def _run(self, name: str, command: Command, ready_url: str) -> None:
        output = JsonLog(self.directory.logs, name)
        process = Supervised(name, lambda: command, output)
        try:
            process.start()
        except OSError as error:
            raise StartFailed(f"the {name} cannot be run: {error}") from error
        self.processes[name] = process
        self._work.callback(output.close)
        self._work.push_async_callback(process.stop)
        await services.until_ready(name, ready_url, process, output)
        live_url = ready_url.removesuffix("/readyz") + "/healthz"
        self._tasks.start(f"{name}-liveness", services.kill_when_hung(name, live_url, process))


def _new_secret_key() -> str:
    return base64.b64encode(secrets.token_bytes(32)).decode()
