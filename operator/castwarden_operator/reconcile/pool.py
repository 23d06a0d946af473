# SPDX-License-Identifier: Apache-2.0
"""A pool is the Packed Monitors that share Pods: who sits where, and which Pods there are. Pure; linear in both.

Nobody moves without a reason: a seat is kept for as long as its Pod is there or can be made again under its name.
Whoever is being watched moves only to a Pod that is ready; the Monitor's own reconciler writes the move into `status`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from ..kinds import POD, Object, Ref
from ..seats import Seat, pod_name
from ..settings import Settings
from .attempts import ATTEMPT, attempt_of, next_attempt
from .children import terminating_since
from .monitor import STUCK_AFTER, pod_drifted
from .plan import Action, Apply, Create, Delete
from .pods import finished
from .rooms import Place, Rooms
from .wear import worn_at
from .worker import SPEC_HASH, annotation, shared_pod_template

DRAIN = "castwarden.dev/drain"
_AT_ONCE = 20  # one Pod in so many is replaced for wear at a time


@dataclass(frozen=True, slots=True)
class Member:
    """One Monitor as its pool sees it."""

    name: str
    wants: bool  # a seat in this pool
    seat: Seat | None = None  # the one it was given here
    shown: Seat | None = None  # the one that its status names, here or elsewhere
    watched: bool = False  # something else watches it until its new seat's Pod is ready


@dataclass(frozen=True, slots=True)
class PoolPlan:
    """`seats` are those newly given, by the Monitor's name; `empty` the Pods that nobody needs at the moment."""

    actions: tuple[Action, ...] = ()
    seats: Mapping[str, Seat] = field(default_factory=dict)
    empty: frozenset[str] = frozenset()
    again_in: float | None = None


def shared_pod(pool: Ref, ordinal: int, settings: Settings, attempt: int = 0) -> Object:
    """One Pod of a pool. It has no owner: it outlives each of its Monitors, and is deleted when it stays empty."""
    pod = shared_pod_template(pool.namespace, pool.name, settings)
    pod["metadata"]["annotations"][ATTEMPT] = str(attempt)
    pod["metadata"] |= {"name": pod_name(pool.name, ordinal), "namespace": pool.namespace}
    return {"apiVersion": POD.api_version, "kind": POD.name, **pod}


def reconcile(
    pool: Ref,
    members: Sequence[Member],
    pods: Sequence[Object],
    idle: Mapping[str, datetime],
    now: datetime,
    settings: Settings,
) -> PoolPlan:
    """Seats for those who want one, and what to do with the Pods. `idle` tells since when a Pod has been empty."""
    wanted_hash = shared_pod(pool, 0, settings)["metadata"]["annotations"][SPEC_HASH]
    again: list[float] = []
    rooms = Rooms(pool.name, pods, _leaving(pods, wanted_hash, now, settings, again), settings.pool_seats)
    new, lost, moving = _sorted_out(rooms, members)
    rooms.open()
    seats = {member.name: rooms.find() for member in new}
    seats |= {member.name: rooms.find(ready_first=True) for member in lost}
    for member in moving:
        if (seat := rooms.find_ready()) is not None:
            seats[member.name] = seat
    actions: list[Action] = []
    for place in rooms.places():
        actions += _for_place(pool, place, idle, now, settings, again)
    empty = frozenset(place.name for place in rooms.places() if place.pod is not None and not place.taken)
    return PoolPlan(tuple(actions), seats, empty, min(again, default=None))


def _sorted_out(rooms: Rooms, members: Sequence[Member]) -> tuple[list[Member], list[Member], list[Member]]:
    """Puts everyone who has a seat into it. Returns who is new, whose Pod is lost, and who should move when it can."""
    new: list[Member] = []
    lost: list[Member] = []
    moving: list[Member] = []
    for member in members:
        rooms.keep_free_of_others(member.shown)
        if not member.wants:
            continue
        if member.seat is None or not rooms.hold(member.seat):
            (moving if member.watched else new).append(member)
        elif rooms.place(member.seat).lost:
            lost.append(member)
        elif rooms.place(member.seat).leaving:
            moving.append(member)
    return new, lost, moving


def _leaving(
    pods: Sequence[Object], wanted_hash: str, now: datetime, settings: Settings, again: list[float]
) -> set[str]:
    """The Pods whose seats should move: all that somebody drains, and a few at a time of those that are worn."""
    leaving = {pod["metadata"]["name"] for pod in pods if annotation(pod, DRAIN) not in (None, "false")}
    worn = []
    for pod in pods:
        due = worn_at(pod, wanted_hash, timedelta(seconds=settings.pool_max_age_seconds), now)
        if due is not None and due <= now:
            worn.append(pod["metadata"]["name"])
        elif due is not None:
            again.append((due - now).total_seconds())
    return leaving | set(sorted(worn)[: max(1, len(pods) // _AT_ONCE)])


def _for_place(
    pool: Ref, place: Place, idle: Mapping[str, datetime], now: datetime, settings: Settings, again: list[float]
) -> list[Action]:
    pod = place.pod
    if pod is None:
        return [Create(shared_pod(pool, place.ordinal, settings))] if place.needed else []
    if place.lost:
        return _ending(pod, now, again)
    if finished(pod):
        return _ended(pool, place, pod, now, settings, again)
    if not place.taken:
        since = idle.get(place.name, now)
        left = 0.0 if place.leaving else settings.pool_empty_seconds - (now - since).total_seconds()
        if left <= 0:
            return [Delete(pod)]
        again.append(left)
    wanted = shared_pod(pool, place.ordinal, settings, attempt_of(pod))
    same = annotation(pod, SPEC_HASH) == annotation(wanted, SPEC_HASH)
    return [Apply(wanted)] if same and pod_drifted(wanted, pod) else []


def _ending(pod: Object, now: datetime, again: list[float]) -> list[Action]:
    """A Pod under deletion; on a dead node that would be for ever. Its token ends with the object."""
    due = terminating_since(pod)
    left = 0.0 if due is None else (due + STUCK_AFTER - now).total_seconds()
    if left <= 0:
        return [Delete(pod, grace_seconds=0)]
    again.append(left)
    return []


def _ended(pool: Ref, place: Place, pod: Object, now: datetime, settings: Settings, again: list[float]) -> list[Action]:
    if not place.needed:
        return [Delete(pod, grace_seconds=0)]
    attempt, left = next_attempt(pod, now)
    if left > 0:
        again.append(left)
        return []
    return [Delete(pod, grace_seconds=0), Create(shared_pod(pool, place.ordinal, settings, attempt))]
