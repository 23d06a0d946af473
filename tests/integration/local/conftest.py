# SPDX-License-Identifier: Apache-2.0
"""The stand-in with its controllers and its Pod runner, on a fresh database, without gateway and operator."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from castwarden_base.waiting import wait_until
from castwarden_local.controllers.manager import Controllers
from castwarden_local.controllers.objects import Object
from castwarden_local.runner.runner import Runner
from castwarden_local.standin.errors import NotFound
from castwarden_local.standin.interface import GVR, NAMESPACES, PODS, SERVICE_ACCOUNTS, LogRequest
from castwarden_local.standin.standin import Standin

TIMEOUT = 60.0
NAMESPACE = "test"


@dataclass(slots=True)
class Machine:
    """One machine under test. `ahead` sets the controllers' clock forward."""

    standin: Standin
    data: Path
    ahead: timedelta = timedelta(0)
    runner: Runner = field(init=False)
    controllers: Controllers = field(init=False)
    tasks: list[asyncio.Task[None]] = field(default_factory=list)

    def now(self) -> datetime:
        return datetime.now(UTC) + self.ahead

    def start(self) -> None:
        self.runner = Runner(self.standin.api, self.standin.mint_token, self.data)
        self.controllers = Controllers(self.standin.api, self.now)
        self.standin.serve_logs(self.runner.read_logs)
        self.tasks = [asyncio.create_task(work) for work in (self.runner.run(), self.controllers.run())]

    async def stop(self) -> None:
        for task in self.tasks:
            task.cancel()
        for outcome in await asyncio.gather(*self.tasks, return_exceptions=True):
            assert isinstance(outcome, asyncio.CancelledError), outcome
        self.tasks = []

    async def create(self, gvr: GVR, name: str, **parts: Any) -> Object:
        return await self.standin.api.create(gvr, {"metadata": {"name": name, "namespace": NAMESPACE}, **parts})

    async def run(self, name: str, script: str, *, policy: str = "Never", **container: Any) -> Object:
        """A Pod that runs a shell script."""
        return await self.create(PODS, name, spec=pod_spec(script, policy, **container))

    async def get(self, gvr: GVR, name: str) -> Object | None:
        try:
            return await self.standin.api.get(gvr, name, NAMESPACE)
        except NotFound:
            return None

    async def until(self, gvr: GVR, name: str, holds: Callable[[Object], object]) -> Object:
        """The object once that holds of it."""

        async def found() -> Object | None:
            obj = await self.get(gvr, name)
            return obj if obj is not None and holds(obj) else None

        obj = await wait_until(found, TIMEOUT)
        assert obj is not None
        return obj

    async def gone(self, gvr: GVR, name: str) -> None:
        async def absent() -> bool:
            return await self.get(gvr, name) is None

        await wait_until(absent, TIMEOUT)

    async def phase(self, name: str, phase: str) -> Object:
        return await self.until(PODS, name, lambda pod: pod["status"]["phase"] == phase)

    async def logs(self, name: str, **asked: Any) -> list[str]:
        request = LogRequest(NAMESPACE, name, **asked)
        return [line.decode().rstrip("\n") async for line in self.runner.read_logs(request)]

    def pid(self, pod: str, container: str = "main") -> int:
        return self.runner.pids(NAMESPACE, pod)[container]


def pod_spec(script: str, policy: str = "Never", **container: Any) -> Object:
    spec: Object = {"restartPolicy": policy, "terminationGracePeriodSeconds": 5}
    for name in ("volumes", "initContainers", "terminationGracePeriodSeconds", "activeDeadlineSeconds"):
        if name in container:
            spec[name] = container.pop(name)
    main = {"name": "main", "image": "none", "command": ["/bin/sh", "-c", script]}
    return spec | {"containers": [main | container]}


def container_of(pod: Object) -> Object:
    (status,) = pod["status"].get("containerStatuses") or [{}]
    return dict(status)


@pytest.fixture
async def machine(empty_database_url: str, tmp_path: Path) -> AsyncIterator[Machine]:
    standin = Standin(empty_database_url, tmp_path, port=0)
    await standin.start()
    await standin.api.create(NAMESPACES, {"metadata": {"name": NAMESPACE}})
    machine = Machine(standin, tmp_path)
    await machine.until(SERVICE_ACCOUNTS, "default", bool)
    machine.start()
    yield machine
    await machine.stop()
    await standin.stop()
