# SPDX-License-Identifier: Apache-2.0
"""One container's life: started, probed, ended, started again after a while, as its Pod's restart policy says."""

import asyncio
import secrets
import shutil
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import aiohttp

from castwarden_local.controllers.objects import Note, Object, warning
from castwarden_local.processes import STACK_MARK, Child, Command
from castwarden_local.runner import probes
from castwarden_local.runner.backoff import CrashBackoff
from castwarden_local.runner.environment import (
    SEARCH_PATH,
    ConfigError,
    Mount,
    Place,
    Sources,
    command_line,
    environment,
    rewrite,
)
from castwarden_local.runner.logs import PodLogs, RunLog
from castwarden_local.runner.status import ContainerState, Running, Terminated, Waiting
from castwarden_local.runner.volumes import VolumeError
from castwarden_local.standin.errors import ApiError

RETRY_SECONDS = 10.0  # until a container that could not be made is tried again


@dataclass(slots=True)
class PodContext:
    """What a container needs of its Pod. `changed` is to be called after every change of a state."""

    pod: Object
    place: Place
    directory: Path  # HOME and TMPDIR
    mark: str
    logs: PodLogs
    http: aiohttp.ClientSession
    clock: Callable[[], datetime]
    changed: Callable[[], None]
    note: Callable[[Note], None]
    sources: Callable[[], Awaitable[Sources]]
    mounts: Callable[[Object], list[Mount]]
    grace_seconds: float
    ending: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def policy(self) -> str:
        return str(self.pod["spec"].get("restartPolicy") or "Always")

    async def pause(self, seconds: float) -> None:
        """Waits, unless the Pod is ending."""
        try:
            async with asyncio.timeout(seconds):
                await self.ending.wait()
        except TimeoutError:
            return


@dataclass(frozen=True, slots=True)
class Launch:
    """All that is decided before a container is started."""

    env: Mapping[str, str]
    mounts: Sequence[Mount]
    directory: Path

    def command(self, words: Sequence[str]) -> Command:
        return Command([rewrite(word, self.mounts) for word in words], self.env, cwd=self.directory)


class Container:
    """Runs one container of a Pod; its `state` is what the Pod's status is made from."""

    def __init__(self, context: PodContext, spec: Object, state: ContainerState, *, init: bool = False) -> None:
        self.state = state
        self.child: Child | None = None
        self._context = context
        self._spec = spec
        self._init = init
        self._backoff = CrashBackoff()

    async def run(self) -> None:
        """Until it is over for good, or the Pod is ending."""
        while not self._context.ending.is_set():
            end = self.state.over
            if end is not None and not self._runs_again(end):
                return
            if end is not None:
                await self._wait_out(end)
            if self._context.ending.is_set():
                return
            await self._run_once()

    def _runs_again(self, end: Terminated) -> bool:
        policy = self._context.policy
        if self._init:
            return end.exit_code != 0 and policy != "Never"
        return policy == "Always" or (policy == "OnFailure" and end.exit_code != 0)

    async def _wait_out(self, end: Terminated) -> None:
        """The back-off between two runs."""
        left = self._backoff.wait(end.finished, self._context.clock()).total_seconds()
        if left > 0:
            pod = self._context.pod["metadata"]
            message = f"back-off {left:.0f}s restarting failed container={self.state.name} pod={pod['name']}"
            self.state.last = end
            self._wait_state("CrashLoopBackOff", message)
            self._context.note(warning("BackOff", message))
            await self._context.pause(left)

    def _wait_state(self, reason: str, message: str) -> None:
        self.state.state = Waiting(reason, message)
        self.state.ready = self.state.started = False
        self._context.changed()

    async def _run_once(self) -> None:
        end = self.state.over
        try:
            launch, words = await self._prepare()
            child, log = self._start(launch, words, end)
        except (ConfigError, VolumeError, ApiError) as error:
            reason = error.reason if isinstance(error, ConfigError) else "CreateContainerConfigError"
            self.state.last = end
            self._wait_state(reason, str(error))
            self._context.note(warning("Failed", f"Error: {error}"))
            await self._context.pause(RETRY_SECONDS)
            return
        self.child = child
        tasks = [asyncio.create_task(self._watch(child, launch)), asyncio.create_task(self._end_with_pod(child))]
        try:
            status = await child.wait()
        finally:
            child.kill()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            log.close()
        self._ended(status)

    async def _prepare(self) -> tuple[Launch, list[str]]:
        """Raises ConfigError, VolumeError, ApiError."""
        context = self._context
        if self._init and self._spec.get("restartPolicy") == "Always":
            raise ConfigError("sidecar containers are not supported by the stand-in")
        mounts = context.mounts(self._spec)
        own = environment(context.pod, self._spec, context.place, await context.sources(), mounts)
        base = {"PATH": SEARCH_PATH, "HOME": str(context.directory), "TMPDIR": str(context.directory)}
        base |= {"HOSTNAME": context.pod["metadata"]["name"], "LANG": "C.UTF-8", STACK_MARK: context.mark}
        chosen = self._spec.get("workingDir")
        directory = Path(rewrite(chosen, mounts)) if chosen else context.directory
        return Launch(base | own, mounts, directory), command_line(self._spec, own, mounts)

    def _start(self, launch: Launch, words: list[str], end: Terminated | None) -> tuple[Child, RunLog]:
        """Raises ConfigError when there is no such program or directory."""
        if shutil.which(words[0], path=launch.env["PATH"]) is None:
            text = f'exec: "{words[0]}": executable file not found in $PATH ({launch.env["PATH"]}); images are not used'
            raise ConfigError(text, "CreateContainerError")
        runs = self.state.restarts + (1 if end else 0)
        log = self._context.logs.begin(self._context.pod, self.state.name, runs)
        try:
            child = Child.start(Command(words, launch.env, cwd=launch.directory), log)
        except OSError as error:
            log.close()
            raise ConfigError(f"cannot run {words[0]}: {error}", "CreateContainerError") from error
        if end:
            self.state.last = end
            self._backoff.restarting(self._context.clock())
        self.state.restarts = runs
        self.state.container_id = f"castwarden://{secrets.token_hex(16)}"
        self.state.state = Running(self._context.clock())
        self.state.started = "startupProbe" not in self._spec
        self.state.ready = self.state.started and "readinessProbe" not in self._spec and not self._init
        self._context.changed()
        self._context.note(Note("Started", f"Started container {self.state.name}"))
        return child, log

    def _ended(self, status: int) -> None:
        code = status if status >= 0 else 128 - status
        running = self.state.state
        started = running.started if isinstance(running, Running) else None
        reason = "Completed" if code == 0 else "Error"
        self.state.state = Terminated(code, reason, started, self._context.clock(), "", self.state.container_id)
        self.state.ready = self.state.started = False
        self.child = None
        self._context.changed()

    async def _end_with_pod(self, child: Child) -> None:
        await self._context.ending.wait()
        await child.stop(self._context.grace_seconds)

    async def _watch(self, child: Child, launch: Launch) -> None:
        """Startup first, then readiness and liveness side by side. A failed startup or liveness probe ends the run."""
        ports = {port["name"]: port["containerPort"] for port in self._spec.get("ports") or [] if "name" in port}
        target = probes.Target(self._context.place.ip, ports, self._context.http, launch.command)
        if "startupProbe" in self._spec:
            await self._await_startup(child, target)
        async with asyncio.TaskGroup() as tasks:
            if "readinessProbe" in self._spec:
                probe = probes.watch(self._spec["readinessProbe"], target, self._ready, good=False, eager=True)
                tasks.create_task(probe)
            if "livenessProbe" in self._spec:
                probe = probes.watch(self._spec["livenessProbe"], target, self._alive(child), good=True, eager=False)
                tasks.create_task(probe)

    async def _await_startup(self, child: Child, target: probes.Target) -> None:
        probe, failures = self._spec["startupProbe"], 0
        await asyncio.sleep(float(probe.get("initialDelaySeconds") or 0))
        while reason := await probes.ask(probe, target):
            failures += 1
            if failures >= int(probe.get("failureThreshold") or 3):
                await self._kill_unhealthy(child, "Startup", reason)
            await asyncio.sleep(float(probe.get("periodSeconds") or 10))
        self.state.started = True
        self.state.ready = "readinessProbe" not in self._spec
        self._context.changed()

    async def _ready(self, good: bool, reason: str) -> None:
        self.state.ready = good
        self._context.changed()
        if not good:
            self._context.note(warning("Unhealthy", f"Readiness probe failed: {reason}"))

    def _alive(self, child: Child) -> Callable[[bool, str], Awaitable[None]]:
        async def decided(good: bool, reason: str) -> None:
            if not good:
                await self._kill_unhealthy(child, "Liveness", reason)

        return decided

    async def _kill_unhealthy(self, child: Child, probe: str, reason: str) -> None:
        self._context.note(warning("Unhealthy", f"{probe} probe failed: {reason}"))
        message = f"Container {self.state.name} failed {probe.lower()} probe, will be restarted"
        self._context.note(Note("Killing", message))
        await child.stop(self._context.grace_seconds)
