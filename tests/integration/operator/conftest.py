# SPDX-License-Identifier: Apache-2.0
"""The real operator process against every control plane at hand."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import pytest
import yaml
from castwarden_base.waiting import wait_until
from prometheus_client.parser import text_string_to_metric_families

from tests.plugins.controlplane import ControlPlane
from tests.plugins.kube import Kube, Refused
from tests.plugins.objects import Object, Resource

PATIENCE = 30.0
"""Seconds for anything to come true on a machine that is busy with other things."""


class OperatorProcess:
    """One `python -m castwarden_operator`, its log and its metrics."""

    def __init__(self, environment: dict[str, str], log: Path) -> None:
        self._environment = environment
        self._log = log
        self.process: asyncio.subprocess.Process

    async def start(self) -> None:
        with self._log.open("wb") as log:
            self.process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "castwarden_operator", env=self._environment, stderr=log
            )

    async def ready(self) -> None:
        """Waits until the operator knows the cluster, or is on standby."""
        await wait_until(lambda: self._answers("/readyz"), PATIENCE)

    async def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Sends a signal and returns the exit code."""
        if self.process.returncode is None:
            self.process.send_signal(number)
        return await asyncio.wait_for(self.process.wait(), PATIENCE)

    def logged(self, event: str) -> list[Object]:
        lines = [json.loads(line) for line in self._log.read_text("utf-8").splitlines() if line.startswith("{")]
        return [line for line in lines if line.get("event") == event]

    async def writes(self) -> int:
        """How many requests it made that write, whatever the answer."""
        counts = await self.samples("rest_client_requests_total")
        return int(sum(value for labels, value in counts if labels["method"] != "GET"))

    async def samples(self, name: str) -> list[tuple[dict[str, str], float]]:
        """All series of one metric."""
        text = await self._get("/metrics")
        families = text_string_to_metric_families(text)
        return [(s.labels, s.value) for family in families for s in family.samples if s.name == name]

    async def _answers(self, path: str) -> bool:
        assert self.process.returncode is None, self._log.read_text("utf-8")
        try:
            await self._get(path)
        except (aiohttp.ClientError, IndexError):
            return False
        return True

    async def _get(self, path: str) -> str:
        port = self.logged("operator_started")[0]["health_port"]
        async with (
            aiohttp.ClientSession(raise_for_status=True) as session,
            session.get(f"http://127.0.0.1:{port}{path}") as response,
        ):
            return await response.text()


Starter = Callable[..., Awaitable[OperatorProcess]]


@pytest.fixture
async def start_operator(kube: Kube, control_plane: ControlPlane, tmp_path: Path) -> AsyncIterator[Starter]:
    """Starts operators that watch the test's namespace; keyword arguments are further variables."""
    started: list[OperatorProcess] = []

    async def start(**variables: str) -> OperatorProcess:
        environment = {
            **os.environ,
            "KUBECONFIG": str(control_plane.kubeconfig),
            "CASTWARDEN_WATCH_NAMESPACES": kube.namespace,
            "CASTWARDEN_NAMESPACE": kube.namespace,
            "CASTWARDEN_LEADER_ELECTION": "false",
            "CASTWARDEN_HEALTH_HOST": "127.0.0.1",
            "CASTWARDEN_HEALTH_PORT": "0",
            "CASTWARDEN_WORKER_IMAGE": "localhost/worker:1",
            "DOWNLOADS_ENABLED": "true",
            "CASTWARDEN_DOWNLOAD_CLAIM": "media",
            **variables,
        }
        operator = OperatorProcess(environment, tmp_path / f"operator-{len(started)}.log")
        await operator.start()
        started.append(operator)
        return operator

    yield start
    for operator in started:
        await operator.end(signal.SIGKILL)


@pytest.fixture
async def operator(start_operator: Starter) -> OperatorProcess:
    """A running operator."""
    operator = await start_operator()
    await operator.ready()
    return operator


async def eventually(kube: Kube, resource: Resource, name: str, test: Callable[[Object], Any]) -> Object:
    """The object once it exists and passes `test`."""

    async def passes() -> Object | None:
        try:
            found = await kube.get(resource, name)
        except Refused as refused:
            if refused.code == 404:
                return None
            raise
        return found if test(found) else None

    found = await wait_until(passes, PATIENCE)
    assert found is not None
    return found


def condition(obj: Object, type_: str = "Ready") -> Object:
    """One condition, or an empty one."""
    conditions = obj.get("status", {}).get("conditions", [])
    return next((found for found in conditions if found["type"] == type_), {})


def is_(type_: str, status: str, reason: str | None = None) -> Callable[[Object], bool]:
    """A test for `eventually`: the condition of this generation has this status and reason."""

    def passes(obj: Object) -> bool:
        found = condition(obj, type_)
        current = found.get("observedGeneration") == obj["metadata"]["generation"]
        return current and found["status"] == status and reason in (None, found["reason"])

    return passes


class Proxy:
    """A TCP proxy before the API server that can be cut: no new connections, and the open ones break."""

    def __init__(self, target: str) -> None:
        address = urlsplit(target)
        self._target = (address.hostname, address.port)
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.StreamWriter] = set()
        self.port = 0

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def cut(self) -> None:
        assert self._server is not None
        self._server.close()
        for writer in list(self._open):
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection(*self._target)
        self._open |= {writer, back}
        await asyncio.gather(self._copy(reader, back), self._copy(there, writer))
        self._open -= {writer, back}

    async def _copy(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        try:
            while data := await source.read(65536):
                sink.write(data)
                await sink.drain()
        except ConnectionError:
            pass
        sink.transport.abort()


@pytest.fixture
async def proxy(control_plane: ControlPlane, tmp_path: Path) -> AsyncIterator[tuple[Proxy, Path]]:
    """A proxy before the control plane and a kubeconfig that leads through it."""
    document = yaml.safe_load(control_plane.kubeconfig.read_text("utf-8"))
    server = urlsplit(control_plane.access.server)
    proxy = Proxy(control_plane.access.server)
    await proxy.start()
    for cluster in document["clusters"]:
        cluster["cluster"]["server"] = f"{server.scheme}://127.0.0.1:{proxy.port}"
    path = tmp_path / "through-proxy.kubeconfig"
    path.write_text(yaml.safe_dump(document), "utf-8")
    yield proxy, path
    await proxy.cut()
