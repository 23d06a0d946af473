# SPDX-License-Identifier: Apache-2.0
"""Who has which seat: decided by the pools, written into `status` by the Monitors' own controller, and by nobody else.

The statuses are the memory: a new leader begins with what they name, and what was not written was not known to anyone.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from castwarden_model.resources import Monitor

from .cache import Cache
from .kinds import POD, POOL, Object, Ref
from .reconcile import monitor as dedicated
from .reconcile import packed
from .reconcile.children import terminating_since
from .reconcile.plan import Is, Plan
from .reconcile.pods import finished
from .reconcile.pool import Member
from .rollout import Rollout
from .seats import Seat, pool_of, shown_seat
from .settings import Settings

MONITOR = Monitor.KIND


@dataclass(frozen=True, slots=True)
class _Turn:
    rollout: Rollout
    monitor: Ref

    def wait(self) -> float | None:
        return self.rollout.wait(self.monitor)

    def done(self) -> None:
        self.rollout.done(self.monitor)


class Book:
    """One per leader."""

    def __init__(self, cache: Cache, rollout: Rollout) -> None:
        self._cache = cache
        self._rollout = rollout
        self._given: dict[Ref, dict[str, Seat]] = {}  # by pool and the Monitor's name
        self.refused: dict[Ref, Is] = {}
        """Shared Pods that the API server does not let us make, and its words."""

    def plan(self, monitor: Monitor, children: Sequence[Object], now: datetime, settings: Settings) -> Plan:
        """The reconciler of Monitors, wherever they are placed."""
        meta = monitor.metadata
        shown = Seat.parse(monitor.status.seat)
        seat = shown
        if monitor.spec.placement == "Packed":
            pool = Ref(POOL, meta.namespace, monitor.spec.pool)
            seat = self._given.get(pool, {}).get(meta.name) or shown
        ref = Ref(POD.name, meta.namespace, seat.pod) if seat is not None else None
        pod = self._cache.get(ref) if ref is not None else None
        turn = _Turn(self._rollout, Ref(MONITOR, meta.namespace, meta.name))
        if monitor.spec.placement == "Packed":
            turn.done()
            refused = self.refused.get(ref) if ref is not None else None
            return packed.reconcile(monitor, seat, pod, refused, children, now)
        return dedicated.reconcile(monitor, children, now, settings, turn, seat_pod=pod)

    def members(self, pool: Ref, monitors: Sequence[Object]) -> list[Member]:
        """The pool's Monitors, by name. Forgets the seats of those that are gone or want none here any more."""
        known = self._given.get(pool, {})
        members = [self._member(pool, found, known) for found in monitors]
        kept = {one.name: known[one.name] for one in members if one.wants and one.name in known}
        self._given.pop(pool, None)
        self._take_down(pool, kept)
        return members

    def give(self, pool: Ref, seats: Mapping[str, Seat]) -> list[Ref]:
        """Takes down new seats; returns the Monitors to be told."""
        self._take_down(pool, seats)
        return [Ref(MONITOR, pool.namespace, name) for name in seats]

    def forget_refusals(self, pool: Ref, named: Collection[Ref]) -> None:
        """Keeps those of the Pods that seats of the pool name."""
        for ref in [ref for ref in self.refused if ref not in named and _is_of(ref, pool)]:
            del self.refused[ref]

    def _take_down(self, pool: Ref, seats: Mapping[str, Seat]) -> None:
        if seats:
            self._given.setdefault(pool, {}).update(seats)

    def _member(self, pool: Ref, found: Object, known: Mapping[str, Seat]) -> Member:
        spec, metadata = found["spec"], found["metadata"]
        name, shown = metadata["name"], shown_seat(found)
        packed_here = spec.get("placement") == "Packed" and spec.get("pool", "default") == pool.name
        if not packed_here or spec.get("suspend") or "deletionTimestamp" in metadata:
            return Member(name, wants=False, shown=shown)
        seat = known.get(name) or shown
        if seat is not None and pool_of(seat.pod) == pool.name:
            return Member(name, True, seat, shown)
        return Member(name, True, None, shown, watched=self._is_watched(found))

    def _is_watched(self, found: Object) -> bool:
        """Whether the Pod that its status names is there to go on until the new seat is ready."""
        name: Any = (found.get("status") or {}).get("podName")
        pod = self._cache.get(Ref(POD.name, found["metadata"]["namespace"], name)) if name else None
        return pod is not None and terminating_since(pod) is None and not finished(pod)


def _is_of(pod: Ref, pool: Ref) -> bool:
    return (pod.namespace, pool_of(pod.name)) == (pool.namespace, pool.name)
