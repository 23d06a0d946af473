# SPDX-License-Identifier: Apache-2.0
"""Writes our part of `status` by server-side apply, behind the reports, never in their way, at most once a second.

Until a status is written it can be read here (`pending`), so that reads are never behind what was reported.
"""

import asyncio
import heapq
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from castwarden_base.logs import get_logger
from castwarden_model.messages import ResourceRef
from castwarden_model.resources import API_VERSION
from prometheus_client import Counter

from castwarden_gateway.kube.cache import Cache
from castwarden_gateway.kube.client import Kube, KubernetesUnavailable, Refused, path_of

log = get_logger(__name__)
WRITES = Counter("castwarden_gateway_status_writes_total", "Writes of status", ["outcome"])

_LANES = 8
_SOON = 1.0  # seconds between two writes when something changed that people act on
_LATER = 30.0  # and when only counters moved
_RETRY = 5.0
_GAP = 0.04  # between two writes of any kind: what a control plane takes from one client without slowing others
_MINOR = {"statistics", "health", "progress"}  # health: its state is in openConditions, its clock ticks always


@dataclass(slots=True)
class _Entry:
    """One resource's status: as it should be, and as it was written last."""

    ref: ResourceRef
    wanted: Mapping[str, Any]
    written: Mapping[str, Any]
    last: float = float("-inf")  # when the last write began
    due: float | None = None  # when the next one may begin; None while there is nothing to write
    busy: bool = False


class StatusWriter:
    """`submit` what is true; `run` brings it to the API."""

    def __init__(self, plurals: Mapping[str, tuple[str, Cache]]) -> None:
        """`plurals`: kind → (plural, cache that takes the answers)."""
        self._plurals = plurals
        self._entries: dict[str, _Entry] = {}
        self._urgent: list[tuple[float, str]] = []  # heaps of (due, uid)
        self._minor: list[tuple[float, str]] = []
        self._woken = asyncio.Event()

    def __len__(self) -> int:
        """How many resources' statuses are kept here."""
        return len(self._entries)

    def pending(self, uid: str) -> Mapping[str, Any] | None:
        """What is not written yet."""
        entry = self._entries.get(uid)
        return None if entry is None or (entry.due is None and not entry.busy) else entry.wanted

    def current(self, kind: str, namespace: str, name: str, uid: str) -> Mapping[str, Any]:
        """The whole status of a resource, with what is not written yet."""
        found = self._plurals[kind][1].get(namespace, name)
        stored: Mapping[str, Any] = (found or {}).get("status") or {}
        wanted = self.pending(uid)
        if wanted is None:
            return stored
        ours = wanted.get("conditions", [])
        types = {condition["type"] for condition in ours}
        others = [condition for condition in stored.get("conditions", []) if condition["type"] not in types]
        return {**stored, **wanted, "conditions": [*others, *ours]}

    def submit(self, ref: ResourceRef, status: Mapping[str, Any]) -> None:
        """Replaces what was submitted before for this resource."""
        entry = self._entries.get(ref.uid)
        if entry is None:
            entry = self._entries[ref.uid] = _Entry(ref, status, self._stored(ref, status))
        entry.wanted = status
        if not entry.busy:  # else whoever writes it looks again
            self._plan(entry)
            if entry.due is None and entry.last == float("-inf"):
                del self._entries[ref.uid]  # the API holds all of it, and so does our cache of the API

    def forget(self, uid: str) -> None:
        """The resource is gone."""
        self._entries.pop(uid, None)

    async def run(self, kube: Kube) -> None:
        """Works until cancelled."""
        due: asyncio.Queue[_Entry] = asyncio.Queue(maxsize=_LANES)
        async with asyncio.TaskGroup() as group:
            for _ in range(_LANES):
                group.create_task(self._lane(kube, due))
            while True:
                await due.put(await self._next())
                await asyncio.sleep(_GAP)

    async def flush(self, kube: Kube) -> None:
        """Writes what is left, once, at the end of the process."""
        for entry in list(self._entries.values()):
            if entry.due is not None or entry.busy:
                await self._write(kube, entry)

    def _stored(self, ref: ResourceRef, status: Mapping[str, Any]) -> Mapping[str, Any]:
        """What the API holds of these fields, so that a restart does not write everything again."""
        found = self._plurals[ref.kind][1].get(ref.namespace, ref.name)
        stored = {key: value for key, value in ((found or {}).get("status") or {}).items() if key in status}
        if "conditions" in stored:
            ours = {condition["type"] for condition in status["conditions"]}
            stored["conditions"] = [condition for condition in stored["conditions"] if condition["type"] in ours]
        return stored

    def _plan(self, entry: _Entry, not_before: float = 0.0) -> None:
        """Sets when to write, if there is anything to write."""
        wanted, written = entry.wanted, entry.written
        changed = {key for key in wanted.keys() | written.keys() if wanted.get(key) != written.get(key)}
        if not changed:
            entry.due = None
            return
        minor = changed <= _MINOR
        due = max(asyncio.get_running_loop().time(), entry.last + (_LATER if minor else _SOON), not_before)
        if entry.due is None or due < entry.due:
            entry.due = due
            heapq.heappush(self._minor if minor else self._urgent, (due, entry.ref.uid))
            self._woken.set()

    async def _next(self) -> _Entry:
        loop = asyncio.get_running_loop()
        while True:
            self._woken.clear()
            for heap in (self._urgent, self._minor):  # counters never make an alert wait
                while heap and heap[0][0] <= loop.time():
                    due, uid = heapq.heappop(heap)
                    entry = self._entries.get(uid)
                    if entry is not None and entry.due == due and not entry.busy:
                        entry.busy, entry.due, entry.last = True, None, loop.time()
                        return entry
            first = min((heap[0][0] for heap in (self._urgent, self._minor) if heap), default=None)
            try:
                async with asyncio.timeout_at(first):
                    await self._woken.wait()
            except TimeoutError:
                continue

    async def _lane(self, kube: Kube, due: asyncio.Queue[_Entry]) -> None:
        while True:
            entry = await due.get()
            again = await self._write(kube, entry)
            entry.busy = False
            if again is not None:
                self._plan(entry, not_before=again)

    async def _write(self, kube: Kube, entry: _Entry) -> float | None:
        """Writes once. Returns when to look at this resource again, or None when it is gone."""
        ref, status = entry.ref, entry.wanted
        plural, cache = self._plurals[ref.kind]
        body = {
            "apiVersion": API_VERSION,
            "kind": ref.kind,
            "metadata": {"name": ref.name, "namespace": ref.namespace, "uid": ref.uid},
            "status": status,
        }
        try:
            answer = await kube.apply(path_of(plural, ref.namespace, ref.name, "status"), body)
        except KubernetesUnavailable:
            WRITES.labels("retried").inc()
            return asyncio.get_running_loop().time() + _RETRY
        except Refused as error:
            WRITES.labels("refused").inc()
            if error.code in (404, 409):  # gone, or made anew under its name
                self.forget(ref.uid)
                return None
            log.error("status_refused", kind=ref.kind, name=ref.name, reason=str(error))
        else:
            WRITES.labels("written").inc()
            cache.put(answer)
        entry.written = status
        return 0.0
