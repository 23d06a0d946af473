# SPDX-License-Identifier: Apache-2.0
"""Packed Monitors and their pools, with the controllers of both, against an API server that only remembers."""

from datetime import timedelta
from typing import Any

from castwarden_model.resources import Monitor
from castwarden_operator.apply import Applier
from castwarden_operator.book import Book
from castwarden_operator.cache import Cache
from castwarden_operator.controller import Controller
from castwarden_operator.errors import RetryError
from castwarden_operator.kinds import BY_NAME, POOL, Object, Ref
from castwarden_operator.pools import PoolController
from castwarden_operator.rollout import Rollout

from .objects import NOW, SETTINGS, pod_status, resource
from .test_controller import FakeApi

MONITOR, POD = BY_NAME["Monitor"], BY_NAME["Pod"]
A_POOL = Ref(POOL, "media-team", "default")
SMALL = SETTINGS.model_copy(update={"pool_seats": 2})
FIRST, SECOND = "monitors-default-0", "monitors-default-1"


class World:
    """One leader with its pools; `settle` handles whatever was told until nothing is left."""

    def __init__(self, api: FakeApi | None = None) -> None:
        self.cache = Cache()
        self.now = NOW
        self.api = api or FakeApi(self.cache)
        self.api.cache = self.cache
        for ref, obj in self.api.objects.items():
            self.cache.put(BY_NAME[ref.kind], obj)
        self.todo: list[Ref] = []
        self.book = Book(self.cache, Rollout(lambda: self.cache.count(MONITOR), self.todo.append))
        applier = Applier(self.api, self.cache, "test")  # type: ignore[arg-type] # the part of Api that it uses
        self.monitors = Controller(MONITOR, Monitor, self.book.plan, self.cache, applier, SMALL, lambda: self.now)
        self.pools = PoolController(self.cache, applier, self.book, SMALL, self.todo.append, lambda: self.now)

    def has(self, name: str, status: Object | None = None, **spec: Any) -> None:
        """A Monitor as somebody wrote it just now."""
        self.api.version += 1
        found = resource("Monitor", name, status, **{"placement": "Packed", **spec})
        found["metadata"]["resourceVersion"] = str(self.api.version)
        self.api.has(MONITOR, found)

    def change(self, name: str, **spec: Any) -> None:
        found = self.api.objects[self.ref(name)]
        self.has(name, found.get("status"), **{**found["spec"], **spec})

    def pod_is(self, name: str, status: Object, **metadata: Any) -> None:
        found = self.api.objects[Ref("Pod", "media-team", name)]
        self.api.version += 1
        found["metadata"] |= {**metadata, "resourceVersion": str(self.api.version)}
        found["status"] = status
        self.cache.put(POD, found)

    def gone(self, ref: Ref) -> None:
        """Somebody deleted it, and it is deleted."""
        found = self.api.objects.pop(ref)
        self.api.version += 1
        found["metadata"] |= {"resourceVersion": str(self.api.version)}
        self.cache.drop(BY_NAME[ref.kind], found)

    def passes(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)

    def runs(self, *pods: str) -> None:
        for pod in pods:
            self.pod_is(pod, pod_status("Running", ready=True))

    async def settle(self) -> None:
        """What the watches and queues bring about, in turns."""
        for _ in range(8):
            before = len(self.api.writes)
            for pool in self.cache.pools():
                try:
                    await self.pools.handle(pool)
                except RetryError:
                    pass
            self.todo.clear()
            for ref in self.cache.refs(MONITOR):
                await self.monitors.handle(ref)
            if len(self.api.writes) == before:
                return
        raise AssertionError("it does not come to rest")

    def status(self, name: str) -> Object:
        found: Object = self.api.objects[self.ref(name)].get("status") or {}
        return found

    def place(self, name: str) -> tuple[str | None, str | None]:
        return self.status(name).get("podName"), self.status(name).get("seat")

    def ready(self, name: str) -> tuple[str, str]:
        found = next(c for c in self.status(name)["conditions"] if c["type"] == "Ready")
        return found["status"], found["reason"]

    def pods(self) -> set[str]:
        return {ref.name for ref in self.api.objects if ref.kind == "Pod"}

    @staticmethod
    def ref(name: str) -> Ref:
        return Ref("Monitor", "media-team", name)

    @staticmethod
    def pod(name: str) -> Ref:
        return Ref("Pod", "media-team", name)
