# SPDX-License-Identifier: Apache-2.0
"""Keeps a cache true: list, watch from there, resume after a break, list again when told that the watch is too old."""

import asyncio

from castwarden_base.logs import get_logger
from castwarden_base.retry import backoff
from prometheus_client import Counter, Gauge

from castwarden_gateway.kube.cache import Cache, Object
from castwarden_gateway.kube.client import Gone, Kube, KubernetesError

log = get_logger(__name__)
LISTS = Counter("castwarden_gateway_watch_lists_total", "Full lists of a kind", ["kind"])
BREAKS = Counter("castwarden_gateway_watch_breaks_total", "Watches that broke off", ["kind"])
CACHED = Gauge("castwarden_gateway_cached_objects", "Objects in the watch cache", ["kind"])
_WATCH_SECONDS = 290


class Watcher:
    """One kind in one namespace, or in all of them (`path` says which)."""

    def __init__(self, kube: Kube, cache: Cache, path: str, namespace: str | None, selector: str = "") -> None:
        self._kube = kube
        self._cache = cache
        self.path = path
        self._namespace = namespace
        self._selector = selector
        self._at = ""  # the version up to which the cache is true; empty asks for a list
        self.synced = asyncio.Event()
        """Set once everything has been listed."""

    async def run(self) -> None:
        """Works until cancelled. Errors of the API are waited out."""
        waits = backoff(first=0.2, cap=10.0)
        while True:
            try:
                if not self._at:
                    await self._list()
                waits = backoff(first=0.2, cap=10.0)
                await self._watch()
            except Gone:
                self._at = ""
            except KubernetesError as error:
                BREAKS.labels(self._cache.kind).inc()
                log.warning("watch_broke", kind=self._cache.kind, reason=str(error))
                await asyncio.sleep(0.1 + next(waits))

    async def _list(self) -> None:
        LISTS.labels(self._cache.kind).inc()
        found: list[Object] = []
        cursor: str | None = None
        while True:
            page = await self._kube.list_page(self.path, self._selector, cursor)
            found += page.get("items") or []
            cursor = page["metadata"].get("continue")
            if not cursor:
                break
        listed_at = str(page["metadata"]["resourceVersion"])
        self._cache.replace(found, int(listed_at), self._namespace)
        self._at = listed_at
        self.synced.set()
        CACHED.labels(self._cache.kind).set(len(self._cache))

    async def _watch(self) -> None:
        async for event in self._kube.watch(self.path, self._selector, self._at, _WATCH_SECONDS):
            found = event["object"]
            if event["type"] == "DELETED":
                self._cache.remove(found)
            elif event["type"] != "BOOKMARK":
                self._cache.put(found)
            self._at = found["metadata"]["resourceVersion"]
            CACHED.labels(self._cache.kind).set(len(self._cache))
