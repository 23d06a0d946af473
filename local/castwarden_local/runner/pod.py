# SPDX-License-Identifier: Apache-2.0
"""One Pod's life on this machine: bound, given its volumes, run, its status kept in the API, ended, removed."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import aiohttp
from castwarden_base.logs import get_logger

from castwarden_local.controllers.objects import Note, Object, is_deleting, key_of, parse_time, warning
from castwarden_local.recorder import Recorder
from castwarden_local.runner.container import Container, PodContext
from castwarden_local.runner.environment import Place, Sources
from castwarden_local.runner.logs import PodLogs
from castwarden_local.runner.status import Waiting, pod_status, restore
from castwarden_local.runner.volumes import Storage, VolumeError, Volumes, remove, sources_of
from castwarden_local.standin.errors import ApiError, Conflict, Invalid, NotFound
from castwarden_local.standin.interface import PODS

log = get_logger(__name__)

REFRESH_SECONDS = 60.0  # how often the content of volumes is brought up to date
LONGEST_RETRY = 10.0
GRACE_WHEN_GONE = 2.0
GRACE_WHEN_HALTED = 10.0
TOO_LATE = ("DeadlineExceeded", "Pod was active on the node longer than the specified deadline")


@dataclass(frozen=True, slots=True)
class Node:
    """What all Pods of this machine share. `pods` is the directory of their own files, `mark` the stack's."""

    name: str
    storage: Storage
    pods: Path
    mark: str
    logs: PodLogs
    recorder: Recorder
    http: aiohttp.ClientSession
    clock: Callable[[], datetime]


class PodRun:
    """`await run()` brings a Pod to its end. `update` hands in newer objects, `halt` ends the processes and no more."""

    def __init__(self, pod: Object, ip: str, node: Node) -> None:
        self.pod = pod
        self.ip = ip
        self._node = node
        self._api = node.storage.api
        self._namespace, self._name = key_of(pod)
        self._uid: str = pod["metadata"]["uid"]
        self._directory = node.pods / self._uid
        self._started = parse_time((pod.get("status") or {}).get("startTime")) or node.clock()
        place = Place(ip, node.name)
        self._volumes = Volumes(pod, self._directory, place, node.storage)
        self._verdict: tuple[str, str] | None = None
        self._silent = False
        self._gone = False
        self._dirty = asyncio.Event()
        self._written: Object = pod.get("status") or {}
        grace = pod["spec"].get("terminationGracePeriodSeconds")
        self.context = PodContext(
            pod=pod,
            place=place,
            directory=self._directory,
            mark=node.mark,
            logs=node.logs,
            http=node.http,
            clock=node.clock,
            changed=self._dirty.set,
            note=self._note,
            sources=self._sources,
            mounts=self._volumes.mounts,
            grace_seconds=30.0 if grace is None else float(grace),
        )
        self.inits = self._containers("initContainers", "initContainerStatuses", init=True)
        self.containers = self._containers("containers", "containerStatuses", init=False)

    def update(self, pod: Object) -> None:
        """A newer object of the same Pod."""
        self.pod = self.context.pod = pod
        if is_deleting(pod):
            grace = pod["metadata"].get("deletionGracePeriodSeconds")
            if grace is not None:
                self.context.grace_seconds = min(float(grace), self.context.grace_seconds)
            self.context.ending.set()

    def vanish(self) -> None:
        """The object is gone from the API: end the processes soon, write nothing."""
        self._gone = True
        self.context.grace_seconds = min(self.context.grace_seconds, GRACE_WHEN_GONE)
        self.context.ending.set()

    def halt(self) -> None:
        """End the processes and leave the object as it is, for the next start to see."""
        self._silent = True
        self.context.grace_seconds = min(self.context.grace_seconds, GRACE_WHEN_HALTED)
        self.context.ending.set()

    def container(self, name: str) -> Container | None:
        return next((found for found in [*self.inits, *self.containers] if found.state.name == name), None)

    async def run(self) -> None:
        """Returns when nothing of the Pod runs any more and its last status is written."""
        if not await self._bind():
            return
        self._directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        helpers = [asyncio.create_task(work) for work in (self._publish(), self._refresh(), self._watch_deadline())]
        try:
            await self._run_containers()
        finally:
            for helper in helpers:
                helper.cancel()
            await asyncio.gather(*helpers, return_exceptions=True)
        await self._finish()

    def clean(self) -> None:
        """Removes the Pod's own files and logs."""
        remove(self._directory)
        self._node.logs.remove(self.pod)

    async def _run_containers(self) -> None:
        self._dirty.set()
        if is_deleting(self.pod) or not await self._make_volumes():
            return
        for init in self.inits:
            await init.run()
            if self.context.ending.is_set() or init.state.over is None or init.state.over.exit_code != 0:
                return
        self._to_waiting("ContainerCreating")
        async with asyncio.TaskGroup() as tasks:
            for container in self.containers:
                tasks.create_task(container.run())

    async def _bind(self) -> bool:
        if self.pod["spec"].get("nodeName"):
            return True
        bound = await self._until_taken(self._bind_once)
        if bound is None:
            return False
        self._note(Note("Scheduled", f"Successfully assigned {self._namespace}/{self._name} to {self._node.name}"))
        return True

    async def _bind_once(self) -> Object:
        try:
            return await self._api.bind(self._namespace, self._name, self._node.name)
        except Conflict:
            pod = await self._api.get(PODS, self._name, self._namespace)
            if pod["metadata"]["uid"] == self._uid and pod["spec"].get("nodeName") == self._node.name:
                return pod  # an earlier try was taken although its answer was lost
            raise

    async def _make_volumes(self) -> bool:
        """False when the Pod ended before they could be made."""
        seconds = 0.25
        self._to_waiting("PodInitializing" if self.inits else "ContainerCreating")
        while not self.context.ending.is_set():
            try:
                await self._volumes.prepare(self._node.clock())
            except VolumeError as error:
                self._note(warning("FailedMount", str(error)))
                self._to_waiting("ContainerCreating", str(error))
                await self.context.pause(seconds)
                seconds = min(seconds * 2, LONGEST_RETRY)
            else:
                return True
        return False

    def _to_waiting(self, reason: str, message: str = "") -> None:
        for container in self.containers:
            if isinstance(container.state.state, Waiting):
                container.state.state = Waiting(reason, message)
        self._dirty.set()

    async def _refresh(self) -> None:
        while True:
            await asyncio.sleep(REFRESH_SECONDS)
            try:
                await self._volumes.prepare(self._node.clock())
            except VolumeError as error:
                log.warning("volume_not_refreshed", namespace=self._namespace, pod=self._name, error=str(error))

    async def _watch_deadline(self) -> None:
        seconds = self.pod["spec"].get("activeDeadlineSeconds")
        if seconds is None:
            return
        left = self._started + timedelta(seconds=float(seconds)) - self._node.clock()
        await asyncio.sleep(max(left.total_seconds(), 0))
        self._verdict = TOO_LATE
        self._note(Note("DeadlineExceeded", TOO_LATE[1]))
        self.context.ending.set()

    async def _publish(self) -> None:
        while True:
            await self._dirty.wait()
            await self._write_status()

    async def _write_status(self) -> None:
        """Writes the latest status, as often as it takes."""
        if self._silent or self._gone:
            self._dirty.clear()
            return
        await self._until_taken(self._patch_status)

    async def _patch_status(self) -> Object:
        self._dirty.clear()
        status = pod_status(
            self.pod | {"status": self._written},
            [init.state for init in self.inits],
            [container.state for container in self.containers],
            ip=self.ip,
            host_ip=self.context.place.host_ip,
            started=self._started,
            now=self._node.clock(),
            verdict=self._verdict,
        )
        if status == self._written:
            return self.pod
        patch = {"metadata": {"uid": self._uid}, "status": status}
        try:
            written = await self._api.patch(
                PODS, self._name, patch, self._namespace, subresource="status", manager="castwarden-runner"
            )
        except ApiError:
            self._dirty.set()
            raise
        self._written = status
        return written

    async def _finish(self) -> None:
        if self._silent or self._gone:
            return
        await self._write_status()
        if is_deleting(self.pod) and not self._gone:
            await self._until_taken(
                lambda: self._api.delete(PODS, self._name, self._namespace, grace_seconds=0, uid=self._uid)
            )

    async def _until_taken(self, call: Callable[[], Awaitable[Object]]) -> Object | None:
        """Repeats a write while the API is in trouble; None when the Pod is no longer there."""
        seconds = 0.1
        while not self._silent:
            try:
                return await call()
            except NotFound:
                self.vanish()
                return None
            except ApiError as error:
                log.warning("pod_write_retried", namespace=self._namespace, pod=self._name, reason=error.reason)
                if isinstance(error, (Conflict, Invalid)) and await self._is_replaced():
                    self.vanish()
                    return None
                await asyncio.sleep(seconds)
                seconds = min(seconds * 2, LONGEST_RETRY)
        return None

    async def _is_replaced(self) -> bool:
        """Whether another Pod has the name by now."""
        try:
            current = await self._api.get(PODS, self._name, self._namespace)
        except ApiError as error:
            return isinstance(error, NotFound)
        return bool(current["metadata"]["uid"] != self._uid)

    async def _sources(self) -> Sources:
        return await sources_of(self.pod, self._api)

    def _note(self, note: Note) -> None:
        self._node.recorder.record("v1", "Pod", self.pod, note)

    def _containers(self, field: str, status_field: str, *, init: bool) -> list[Container]:
        made = []
        for spec in self.pod["spec"].get(field) or []:
            state = restore(self.pod, status_field, spec, self._node.clock())
            made.append(Container(self.context, spec, state, init=init))
        return made
