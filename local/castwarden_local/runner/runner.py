# SPDX-License-Identifier: Apache-2.0
"""Watches Pods and runs each in a task of its own; serves their logs. The only writer of Pods' status."""

import asyncio
import hashlib
import itertools
import socket
from collections.abc import AsyncIterator, Callable, Coroutine
from datetime import datetime
from pathlib import Path

import aiohttp
from castwarden_base.logs import get_logger
from castwarden_base.retry import backoff

from castwarden_local.controllers.manager import changes, utc_now
from castwarden_local.controllers.objects import Object, is_deleting
from castwarden_local.errors import StartFailed
from castwarden_local.recorder import Recorder
from castwarden_local.runner import logs
from castwarden_local.runner.pod import Node, PodRun
from castwarden_local.runner.volumes import Storage, remove
from castwarden_local.standin.errors import ApiError, BadRequest, Conflict, NotFound
from castwarden_local.standin.interface import PODS, Api, LogRequest, TokenMint

log = get_logger(__name__)

NODE_NAME = "local"
KUBELET_PORT = 10250


class Addresses:
    """Loopback addresses for Pods, 127.B.x.y, where no other runner on this machine uses the same B."""

    def __init__(self, seed: str) -> None:
        first = int(hashlib.sha256(seed.encode()).hexdigest(), 16) % 253
        for step in range(253):
            self._block = 1 + (first + step) % 253
            self._claim = socket.socket()
            try:
                self._claim.bind((f"127.{self._block}.0.1", KUBELET_PORT))
            except OSError:  # another runner holds the block
                self._claim.close()
            else:
                break
        else:
            raise StartFailed(f"port {KUBELET_PORT} is taken on every loopback network")
        self._counter = itertools.cycle(range(256, 65279))
        self._used: set[str] = set()

    def take(self) -> str:
        for number in self._counter:
            address = f"127.{self._block}.{number // 256}.{number % 256}"
            if number % 256 not in (0, 255) and address not in self._used:
                break
        self._used.add(address)
        return address

    def give_back(self, address: str) -> None:
        self._used.discard(address)

    def close(self) -> None:
        self._claim.close()


class Runner:
    """`await run()` until cancelled; then every process is ended, and the Pods are run again by the next start."""

    def __init__(self, api: Api, mint: TokenMint, data: Path, clock: Callable[[], datetime] = utc_now) -> None:
        self._api = api
        self._mint = mint
        self._data = data
        self._clock = clock
        self._logs = logs.PodLogs(data / "logs" / "pods")
        self._addresses = Addresses(str(data))
        self._seen: set[str] = set()  # has been run here, perhaps to its end
        self._removed: set[str] = set()  # finalizers may hold it longer
        self._runs: dict[str, PodRun] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}

    async def run(self) -> None:
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0, force_close=True)) as http:
            recorder = Recorder(self._api, "kubelet", self._clock)
            node = Node(
                name=NODE_NAME,
                storage=Storage(self._api, self._mint, self._data / "volumes"),
                pods=self._data / "pods",
                mark=str(self._data),
                logs=self._logs,
                recorder=recorder,
                http=http,
                clock=self._clock,
            )
            writing = asyncio.create_task(recorder.run())
            try:
                await self._remove_leftovers(node)
                async for event in changes(self._api, PODS):
                    self._saw(event.type, event.object, node)
            finally:
                await self._halt()
                writing.cancel()
                await asyncio.gather(writing, return_exceptions=True)
                self._addresses.close()

    def pids(self, namespace: str, pod: str) -> dict[str, int]:
        """The processes of a Pod's running containers, by container name."""
        for run in self._runs.values():
            meta = run.pod["metadata"]
            if (meta["namespace"], meta["name"]) == (namespace, pod):
                return {c.state.name: c.child.pid for c in [*run.inits, *run.containers] if c.child is not None}
        return {}

    async def read_logs(self, request: LogRequest) -> AsyncIterator[bytes]:
        """`kubectl logs`. Raises NotFound, BadRequest."""
        pod = await self._api.get(PODS, request.pod, request.namespace)
        names = [c["name"] for field in ("containers", "initContainers") for c in pod["spec"].get(field) or []]
        container = request.container or names[0]
        if container not in names:
            raise BadRequest(f"container {container} is not valid for pod {request.pod}")
        if not request.container and len(pod["spec"]["containers"]) > 1:
            choices = " ".join(names)
            raise BadRequest(f"a container name must be specified for pod {request.pod}, choose one of: [{choices}]")
        path = self._logs.find(pod, container, previous=request.previous)
        if path is None:
            what = "previous terminated container" if request.previous else "container"
            why = "not found" if request.previous else "is waiting to start: ContainerCreating"
            raise BadRequest(f'{what} "{container}" in pod "{request.pod}" {why}')
        running = self._is_running(pod["metadata"]["uid"], container, path)
        async for chunk in logs.read(path, request, running):
            yield chunk

    def _is_running(self, uid: str, name: str, path: Path) -> Callable[[], bool]:
        def running() -> bool:
            run = self._runs.get(uid)
            container = run.container(name) if run else None
            if container is None or path.stem != str(container.state.restarts):
                return False
            return container.child is not None

        return running

    async def _remove_leftovers(self, node: Node) -> None:
        uids = {pod["metadata"]["uid"] for pod in (await self._api.list(PODS)).items}
        self._logs.remove_others(uids)
        for directory in node.pods.glob("*"):
            if directory.name not in uids:
                remove(directory)

    def _saw(self, kind: str, pod: Object, node: Node) -> None:
        uid = pod["metadata"]["uid"]
        run = self._runs.get(uid)
        if kind == "DELETED":
            self._forget(pod, run, node)
        elif run is not None:
            run.update(pod)
        elif pod["spec"].get("nodeName", NODE_NAME) != NODE_NAME or uid in self._removed:
            return
        elif is_deleting(pod):  # it ended before, or while this runner was not there
            self._removed.add(uid)
            self._start(f"remove {uid}", self._remove(pod))
        elif uid not in self._seen and (pod.get("status") or {}).get("phase") not in ("Succeeded", "Failed"):
            self._seen.add(uid)
            run = self._runs[uid] = PodRun(pod, self._addresses.take(), node)
            self._start(uid, self._live(uid, run))

    def _start(self, key: str, work: Coroutine[None, None, None]) -> None:
        task = self._tasks[key] = asyncio.create_task(work, name=f"pod {key}")
        task.add_done_callback(lambda _: self._tasks.pop(key, None))

    async def _remove(self, pod: Object) -> None:
        meta = pod["metadata"]
        for seconds in backoff(first=0.2, cap=10.0):
            try:
                await self._api.delete(PODS, meta["name"], meta["namespace"], grace_seconds=0, uid=meta["uid"])
            except (NotFound, Conflict):  # gone, perhaps with another under its name
                return
            except ApiError as error:
                log.warning("pod_removal_retried", pod=meta["name"], reason=error.reason)
                await asyncio.sleep(seconds)
            else:
                return

    async def _live(self, uid: str, run: PodRun) -> None:
        try:
            await run.run()
        except Exception:  # a supervisor: one Pod's trouble must not stop all others
            log.exception("pod_failed", pod=run.pod["metadata"]["name"], namespace=run.pod["metadata"]["namespace"])
        finally:
            self._addresses.give_back(run.ip)
            del self._runs[uid]

    def _forget(self, pod: Object, run: PodRun | None, node: Node) -> None:
        uid = pod["metadata"]["uid"]
        self._seen.discard(uid)
        self._removed.discard(uid)

        def clean(_: object = None) -> None:
            remove(node.pods / uid)
            self._logs.remove(pod)

        if run is None:
            clean()
        else:
            run.vanish()
            self._tasks[uid].add_done_callback(clean)

    async def _halt(self) -> None:
        for run in self._runs.values():
            run.halt()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)
