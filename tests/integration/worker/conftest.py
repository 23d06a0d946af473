# SPDX-License-Identifier: Apache-2.0
"""A gateway that speaks the documented internal API, and real worker processes."""

import asyncio
import json
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from castwarden_base.waiting import wait_until
from castwarden_model.messages import Assignment, ExtractionGrant, ExtractionRequest, Look, Report, ResourceRef, Seats
from castwarden_worker.settings import WorkerSettings
from castwarden_worker.shell import Role, run_role

SECONDS = 60.0  # how long anything may take on a busy machine


@dataclass
class FakeGateway:
    """Keeps what it acknowledged in `reports`, each once; `posted` has every call."""

    port: int = 0
    assignment: Assignment | None = None
    seats: dict[str, Assignment] = field(default_factory=dict)  # of a shared Pod, by uid
    absent: set[str] = field(default_factory=set)  # uids that are listed though they are gone
    reports: list[Report] = field(default_factory=list)
    posted: list[Report] = field(default_factory=list)
    looks: list[Look] = field(default_factory=list)
    tokens: list[str] = field(default_factory=list)
    asked: list[dict[str, str]] = field(default_factory=list)
    answer: Callable[[Report], tuple[int, str] | None] = lambda _: None
    lose_answers: int = 0
    closed_sites: set[str] = field(default_factory=set)  # whose budget of extractions is used up
    _runner: web.AppRunner | None = None
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def assign(self, assignment: Assignment | None) -> None:
        """Gives the workers another assignment, or takes the resource away."""
        self.assignment = assignment
        self._changed.set()
        self._changed = asyncio.Event()

    def seat(self, *assignments: Assignment, leave: Sequence[str] = ()) -> None:
        """Gives these a seat in the shared Pod, or another assignment; takes theirs from the uids in `leave`."""
        self.seats |= {one.resource.uid: one for one in assignments}
        for uid in leave:
            del self.seats[uid]
        self._changed.set()
        self._changed = asyncio.Event()

    async def up(self) -> None:
        app = web.Application(client_max_size=32 * 2**20)
        app.router.add_get("/internal/v1/assignments/{kind}/{namespace}/{name}", self._assignments)
        app.router.add_get("/internal/v1/seats", self._seats)
        app.router.add_post("/internal/v1/reports", self._reports)
        app.router.add_put("/internal/v1/looks", self._looks)
        app.router.add_post("/internal/v1/extractions", self._extractions)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self.port, reuse_address=True).start()
        self.port = self._runner.addresses[0][1]

    async def down(self) -> None:
        if self._runner:
            await self._runner.cleanup()
            self._runner = None

    async def _assignments(self, request: web.Request) -> web.StreamResponse:
        self.tokens.append(request.headers.get("Authorization", ""))
        self.asked.append(dict(request.query))
        loop = asyncio.get_running_loop()
        deadline = loop.time() + float(request.query.get("wait", 0))
        while True:
            found, changed = self.seats.get(request.query["uid"], self.assignment), self._changed
            if found is None or found.resource.uid != request.query["uid"] or found.resource.uid in self.absent:
                return problem(404, "gone")
            if found.version != request.query.get("version"):
                return web.Response(body=found.model_dump_json(by_alias=True), content_type="application/json")
            try:
                await asyncio.wait_for(changed.wait(), max(0.0, deadline - loop.time()))
            except TimeoutError:
                return web.Response(status=204)

    async def _looks(self, request: web.Request) -> web.StreamResponse:
        self.looks.append(Look.model_validate_json(await request.read()))
        return web.Response(status=204)

    async def _extractions(self, request: web.Request) -> web.StreamResponse:
        wanted = ExtractionRequest.model_validate_json(await request.read())
        grant = ExtractionGrant(granted=wanted.site not in self.closed_sites, retry_after_seconds=30)
        return web.Response(body=grant.model_dump_json(), content_type="application/json")

    async def _seats(self, request: web.Request) -> web.StreamResponse:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + float(request.query.get("wait", 0))
        while True:
            version, changed = str(hash(frozenset(self.seats))), self._changed
            if version != request.query.get("version"):
                found = Seats(version=version, seats=[one.resource for one in self.seats.values()])
                return web.Response(body=found.model_dump_json(), content_type="application/json")
            try:
                await asyncio.wait_for(changed.wait(), max(0.0, deadline - loop.time()))
            except TimeoutError:
                return web.Response(status=204)

    async def _reports(self, request: web.Request) -> web.StreamResponse:
        report = Report.model_validate_json(await request.read())
        self.posted.append(report)
        if (answer := self.answer(report)) is not None:
            return problem(*answer)
        duplicate = any(known.id == report.id for known in self.reports)
        if not duplicate:
            self.reports.append(report)
        if self.lose_answers:
            self.lose_answers -= 1
            assert request.transport
            request.transport.close()
        return web.json_response({"id": str(report.id), "duplicate": duplicate})


def problem(status: int, code: str) -> web.Response:
    return web.json_response({"code": code, "status": status}, status=status, content_type="application/problem+json")


@dataclass
class Worker:
    """A worker process."""

    process: asyncio.subprocess.Process
    health_port: int
    log: Path

    async def wait(self, timeout: float = SECONDS) -> int:
        return await asyncio.wait_for(self.process.wait(), timeout)

    def kill(self) -> None:
        self.process.kill()

    def terminate(self) -> None:
        self.process.terminate()

    def events(self) -> list[dict[str, Any]]:
        """Every whole line that it logged by now. Fails when one is not JSON."""
        whole, _, _ = self.log.read_text().rpartition("\n")
        return [json.loads(line) for line in whole.splitlines()]

    async def health(self, path: str) -> tuple[int, str]:
        async with (
            aiohttp.ClientSession() as session,
            session.get(f"http://127.0.0.1:{self.health_port}{path}") as response,
        ):
            return response.status, await response.text()


@dataclass
class Workers:
    """Starts workers for one resource; they share state and downloads, as a restarted container does."""

    gateway: FakeGateway
    folder: Path
    started: list[Worker] = field(default_factory=list)

    def environment(self, ref: ResourceRef, **more: str) -> dict[str, str]:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("CASTWARDEN_")}
        return inherited | {
            "CASTWARDEN_KIND": ref.kind,
            "CASTWARDEN_NAMESPACE": ref.namespace,
            "CASTWARDEN_NAME": ref.name,
            "CASTWARDEN_UID": ref.uid,
            "CASTWARDEN_GATEWAY_URL": self.gateway.url,
            "CASTWARDEN_TOKEN_FILE": str(self.folder / "token"),
            "CASTWARDEN_STATE_DIR": str(self.folder / "state"),
            "CASTWARDEN_DOWNLOAD_DIR": str(self.folder / "downloads"),
            "CASTWARDEN_OUTBOUND_ALLOW": "127.0.0.1/32",
            "CASTWARDEN_LOG_LEVEL": "debug",
            "CASTWARDEN_HEALTH_PORT": "0",
            "POD_NAME": "pod-1",
            "POD_IP": "127.0.0.1",
            **more,
        }

    async def start(self, role: str, ref: ResourceRef, *, module: str = "castwarden_worker", **more: str) -> Worker:
        """Starts `castwarden-worker ROLE`, or a module that makes something of it."""
        port = free_port()
        log = self.folder / f"worker-{len(self.started)}.log"
        with log.open("wb") as output:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                module,
                role,
                env=self.environment(ref, CASTWARDEN_HEALTH_PORT=str(port), **more),
                stdout=output,
                stderr=output,
            )
        worker = Worker(process, port, log)
        self.started.append(worker)
        return worker

    async def run(self, role: Role, ref: ResourceRef, **more: Any) -> int:
        """Runs a role to its end inside the test's own process, which is quicker; its exit code."""
        settings = WorkerSettings(
            kind=ref.kind,
            namespace=ref.namespace,
            name=ref.name,
            uid=ref.uid,
            gateway_url=self.gateway.url,
            token_file=self.folder / "token",
            state_dir=self.folder / "state",
            download_dir=self.folder / "downloads",
            outbound_allow=(ip_network("127.0.0.1/32"),),
            pod_name="pod-1",
            pod_ip="127.0.0.1",
            health_port=0,
            **more,
        )
        return await run_role(role, settings, endless=False)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def children_of(pid: int) -> list[int]:
    """Every process below `pid`, whatever session it is in."""
    parents: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parents[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            except OSError:
                continue
    found, queue = [], [pid]
    while queue:
        parent = queue.pop()
        below = [child for child, its_parent in parents.items() if its_parent == parent]
        found += below
        queue += below
    return found


def alive(pid: int) -> bool:
    try:
        return (Path("/proc") / str(pid) / "stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@asynccontextmanager
async def stage(folder: Path) -> AsyncIterator[tuple[FakeGateway, Workers]]:
    """A gateway, and workers that keep everything in `folder`."""
    fake = FakeGateway()
    await fake.up()
    (folder / "token").write_text("first-token\n")
    (folder / "downloads").mkdir()
    workers = Workers(fake, folder)
    try:
        yield fake, workers
    finally:
        for worker in workers.started:
            if worker.process.returncode is None:
                os.kill(worker.process.pid, signal.SIGKILL)
                await worker.process.wait()
        await fake.down()


@pytest.fixture
async def staged(tmp_path: Path) -> AsyncIterator[tuple[FakeGateway, Workers]]:
    async with stage(tmp_path) as everything:
        yield everything


@pytest.fixture
def gateway(staged: tuple[FakeGateway, Workers]) -> FakeGateway:
    return staged[0]


@pytest.fixture
def workers(staged: tuple[FakeGateway, Workers]) -> Workers:
    return staged[1]


@pytest.fixture
async def serve() -> AsyncIterator[Callable[..., Any]]:
    """Serves an application on a loopback address and gives its base URL."""
    runners: list[web.AppRunner] = []

    async def start(app: web.Application, host: str = "127.0.0.1", port: int = 0) -> str:
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        runners.append(runner)
        await runner.setup()
        await web.TCPSite(runner, host, port).start()
        return f"http://{host}:{runner.addresses[0][1]}"

    yield start
    for runner in runners:
        await runner.cleanup()


async def until(condition: Callable[[], Any]) -> Any:
    """wait_until with this machine's patience."""
    return await wait_until(condition, SECONDS)
