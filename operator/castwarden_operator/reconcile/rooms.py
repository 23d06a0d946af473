# SPDX-License-Identifier: Apache-2.0
"""The seats of one pool while one plan is made: taken, free, held back for who is to move. Pure; each call is O(1)."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count

from ..kinds import Object
from ..seats import Seat, ordinal_of, pod_name, pool_of
from .children import terminating_since
from .pods import finished, is_ready, trouble

_READY, _STARTING, _TROUBLED = range(3)


@dataclass(slots=True)
class Place:
    """One Pod of the pool, there or to be made."""

    ordinal: int
    name: str
    pod: Object | None
    leaving: bool = False  # its seats are to move as soon as there is where to
    lost: bool = False  # it is being deleted: its seats move at once
    needed: bool = False  # somebody who wants a seat has it here
    taken: set[int] = field(default_factory=set)
    held: set[int] = field(default_factory=set)
    _lowest: int = 0  # no number below it is free

    def take(self) -> int:
        """The lowest free number."""
        while self._lowest in self.taken:
            self._lowest += 1
        self.taken.add(self._lowest)
        self.needed = True
        return self._lowest

    def tier(self) -> int:
        """How likely a seat here is a seat that watches."""
        if self.pod is None:
            return _STARTING
        if is_ready(self.pod):
            return _READY
        return _TROUBLED if finished(self.pod) or trouble(self.pod) else _STARTING


class Rooms:
    """First `hold` and `keep_free_of_others` for all who sit, then `open`, then the finds."""

    def __init__(self, pool: str, pods: Sequence[Object], leaving: set[str], capacity: int) -> None:
        self._pool = pool
        self._capacity = capacity
        self._places: dict[int, Place] = {}
        self._tiers: tuple[list[Place], ...] = ([], [], [])  # by falling ordinal: the last one is the next
        self._unused = count()
        for pod in pods:
            name = pod["metadata"]["name"]
            if pool_of(name) == pool:
                lost = terminating_since(pod) is not None
                self._places[ordinal_of(name)] = Place(ordinal_of(name), name, pod, name in leaving, lost)

    def places(self) -> Iterator[Place]:
        """All, by ordinal."""
        return (self._places[ordinal] for ordinal in sorted(self._places))

    def place(self, seat: Seat) -> Place:
        """The place of a seat; a Pod that is not there can be made again."""
        ordinal = ordinal_of(seat.pod)
        return self._places.setdefault(ordinal, Place(ordinal, seat.pod, None))

    def hold(self, seat: Seat) -> bool:
        """Keeps a seat for who has it; False when somebody else has the very same one."""
        place = self.place(seat)
        if seat.number in place.held:
            return False
        place.held.add(seat.number)
        place.taken.add(seat.number)
        place.needed = True
        return True

    def keep_free_of_others(self, shown: Seat | None) -> None:
        """A seat that a status still names is nobody else's, though whoever had it may be on the way out."""
        if shown is not None and pool_of(shown.pod) == self._pool:
            self.place(shown).taken.add(shown.number)

    def open(self) -> None:
        """Everyone who has a seat has been heard: the rest is free."""
        for ordinal in sorted(self._places, reverse=True):
            place = self._places[ordinal]
            if not place.leaving and not place.lost:
                self._tiers[place.tier()].append(place)

    def find(self, *, ready_first: bool = False) -> Seat:
        """The lowest Pod with room; those in trouble last, and a new Pod when there is no other."""
        firsts = [self._first(tier) for tier in (_READY, _STARTING)]
        found = [place for place in firsts if place is not None]
        if found:
            return self._take(found[0] if ready_first else min(found, key=lambda place: place.ordinal))
        return self._take(self._first(_TROUBLED) or self._another())

    def find_ready(self) -> Seat | None:
        """A seat in a Pod that is ready. None when there is none, and then one is kept where there will be one."""
        ready = self._first(_READY)
        if ready is not None:
            return self._take(ready)
        self.find()
        return None

    def _first(self, tier: int) -> Place | None:
        places = self._tiers[tier]
        while places and len(places[-1].taken) >= self._capacity:
            places.pop()
        return places[-1] if places else None

    def _another(self) -> Place:
        ordinal = next(number for number in self._unused if number not in self._places)
        place = self._places[ordinal] = Place(ordinal, pod_name(self._pool, ordinal), None)
        self._tiers[_STARTING].append(place)
        return place

    def _take(self, place: Place) -> Seat:
        return Seat(place.name, place.take())
