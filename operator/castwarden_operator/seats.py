# SPDX-License-Identifier: Apache-2.0
"""The words of packed placement: seats, the names of shared Pods, which pools a Monitor concerns. Pure."""

from dataclasses import dataclass
from typing import Self

from .kinds import POOL, Object, Ref

_PREFIX = "monitors-"


@dataclass(frozen=True, slots=True)
class Seat:
    """One place in a shared Pod; `status.seat` spells it `pod/number`."""

    pod: str
    number: int

    def __str__(self) -> str:
        return f"{self.pod}/{self.number}"

    @classmethod
    def parse(cls, text: str | None) -> Self | None:
        """The seat that a status names; None when it names none."""
        pod, _, number = (text or "").partition("/")
        return cls(pod, int(number)) if _ordinal(number) and pool_of(pod) else None


def pod_name(pool: str, ordinal: int) -> str:
    """A pool's name is short enough (see the schema) for this to be a host name."""
    return f"{_PREFIX}{pool}-{ordinal}"


def pool_of(pod: str) -> str | None:
    """The pool whose Pod has this name."""
    base, _, ordinal = pod.rpartition("-")
    return base.removeprefix(_PREFIX) if base.startswith(_PREFIX) and _ordinal(ordinal) else None


def ordinal_of(pod: str) -> int:
    """The number of a shared Pod within its pool."""
    return int(pod.rpartition("-")[2])


def shown_seat(monitor: Object) -> Seat | None:
    """The seat that a Monitor's status names."""
    return Seat.parse((monitor.get("status") or {}).get("seat"))


def pools_of(monitor: Object) -> set[Ref]:
    """The pool that a Monitor wants a seat in, and the one that it has its seat in."""
    namespace, spec, seat = monitor["metadata"]["namespace"], monitor.get("spec") or {}, shown_seat(monitor)
    names = {pool_of(seat.pod)} if seat is not None else set()
    if spec.get("placement") == "Packed":
        names.add(spec.get("pool", "default"))
    return {Ref(POOL, namespace, name) for name in names if name}


@dataclass(frozen=True, slots=True)
class Standing:
    """All of a Monitor that its pools go by: while it stays the same, they need not look."""

    uid: str
    pools: frozenset[Ref]
    wants: bool
    seat: str | None
    pod: str | None


def standing(monitor: Object) -> Standing:
    """A Monitor's standing as it is now."""
    metadata, status = monitor["metadata"], monitor.get("status") or {}
    wants = not (monitor.get("spec") or {}).get("suspend") and "deletionTimestamp" not in metadata
    return Standing(metadata["uid"], frozenset(pools_of(monitor)), wants, status.get("seat"), status.get("podName"))


def _ordinal(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) <= 6 and str(int(text)) == text
