# SPDX-License-Identifier: Apache-2.0
"""Where the operator's knowledge comes from: kopf's watches, and full lists at the start and every ten minutes.

The lists heal whatever a watch missed: when a watch had to start over, kopf tells what there is, not what is gone.
"""

import asyncio
import random
from collections.abc import Mapping
from typing import Any

from castwarden_base.logs import get_logger
from castwarden_base.retry import backoff

from .cache import Cache, concerned_by
from .errors import ApiError
from .kinds import CHILD_SELECTOR, CHILDREN, POOL, RESOURCES, Kind, Object, Ref, ref_of
from .kube import Api
from .queue import WorkQueue
from .seats import Standing, standing
from .settings import Settings

log = get_logger(__name__)

_SETTLE_SECONDS = 5.0  # all kinds' watches start over together
_GATHER_SECONDS = 0.1  # a pool is looked at once for many changes

Queues = Mapping[str, WorkQueue[Ref]]


class Observer:
    """Keeps the cache up to date and tells the queues whom a change concerns."""

    def __init__(self, api: Api, cache: Cache, queues: Queues, settings: Settings) -> None:
        self._api = api
        self._cache = cache
        self._queues = queues
        self._namespaces: tuple[str | None, ...] = settings.watch_namespaces or (None,)
        self._period = settings.resync_seconds
        self._started_over = asyncio.Event()
        self._standings: dict[Ref, Standing] = {}
        self.synced = False

    def seen(self, kind: Kind, event_type: str | None, obj: Object) -> None:
        """Take in one watch event; its type is None when it comes from the list that a watch begins with."""
        if event_type is None:
            self._started_over.set()
        if kind.name == "Monitor":
            self._tell_pools(ref_of(kind, obj), None if event_type == "DELETED" else standing(obj))
        if event_type == "DELETED":
            self._cache.drop(kind, obj)
            for ref in concerned_by(obj) if kind in CHILDREN else (ref_of(kind, obj),):
                self._tell(ref)
            return
        before = self._cache.put(kind, obj)
        if kind in CHILDREN:
            for owner in concerned_by(obj) | (concerned_by(before) if before is not None else set()):
                self._tell(owner)  # its labels may be forged
            return
        if before is None or before["metadata"].get("generation") != obj["metadata"].get("generation"):
            self._queues[kind.name].expedite(ref_of(kind, obj))
        else:
            self._tell(ref_of(kind, obj))

    def _tell_pools(self, monitor: Ref, now: Standing | None) -> None:
        """The cache may know of a change before its event comes: it takes in the answers to our own writes."""
        before = self._standings.pop(monitor, None)
        if now is not None:
            self._standings[monitor] = now
        if now == before:
            return
        for pool in frozenset().union(*(each.pools for each in (before, now) if each is not None)):
            self._tell(pool)

    async def sync(self) -> None:
        """List everything once, trying again until it works, and have every resource looked at."""
        for wait in backoff(first=1.0, cap=30.0):
            try:
                await self._list_all()
            except ApiError as error:
                log.warning("list_failed", error=_advice(error))
                await asyncio.sleep(wait)
            else:
                break
        for kind in RESOURCES:
            for ref in self._cache.refs(kind):
                self._queues[kind.name].add(ref)
        for pool in self._cache.pools():
            self._tell(pool)
        self.synced = True

    async def resync_forever(self) -> None:
        """List everything again now and then, not in step with others, and soon after a watch has started over."""
        while True:
            try:
                async with asyncio.timeout(self._period * random.uniform(0.9, 1.1)):  # noqa: S311 - spreads load
                    await self._started_over.wait()
                    await asyncio.sleep(_SETTLE_SECONDS)
            except TimeoutError:
                pass
            self._started_over.clear()
            await self.sync()

    async def _list_all(self) -> None:
        for kind in (*CHILDREN, *RESOURCES):
            selector = CHILD_SELECTOR if kind in CHILDREN else ""
            for namespace in self._namespaces:
                objects, version = await self._api.list_all(kind, namespace, selector)
                for obj in objects:  # lists leave these out of their items
                    obj |= {"apiVersion": kind.api_version, "kind": kind.name}
                for ref in self._cache.replace(kind, namespace, objects, version):
                    self._tell(ref)

    def _tell(self, ref: Ref | None) -> None:
        queue: Any = self._queues.get(ref.kind) if ref is not None else None
        if queue is None or ref is None:
            return
        if ref.kind == POOL:
            queue.add_within(ref, _GATHER_SECONDS)
        else:
            queue.add(ref)


def _advice(error: ApiError) -> str:
    if error.status == 404:
        return "the custom resource definitions are not installed; apply crds/"
    if error.status == 403:
        return f"the operator's role is missing a right: {error}"
    return str(error)
