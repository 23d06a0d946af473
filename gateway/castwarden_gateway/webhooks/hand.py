# SPDX-License-Identifier: Apache-2.0
"""What this process has in hand: under way, or claimed a little ahead of need. Pure.

An endpoint that answers quickly gets more from the queue than it may have in flight, so that it need not wait for the
next look. When much has gone out that nobody answers, endpoints that have not answered lately get two deliveries each:
a thousand dead ones leave room for the others.
"""

import math
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from uuid import UUID

from castwarden_gateway.webhooks.claim import Claim
from castwarden_gateway.webhooks.lanes import Lanes

_PACE_SECONDS = 0.5  # over which answers are counted
_AHEAD_SECONDS = 0.25  # of work at that pace may wait here
_MOST_AHEAD = 4  # times the in-flight limit
_TRUSTED_SECONDS = 60.0  # after a good answer an endpoint counts as one that answers
_WARY = 2  # deliveries of an endpoint that may be taken while many do not answer


@dataclass(slots=True)
class _Endpoint:
    limit: int
    waiting: deque[Claim] = field(default_factory=deque)
    answered_at: float = -math.inf
    pace: float = 0.0

    def answered(self, now: float) -> None:
        self.pace, self.answered_at = self.pace_at(now) + 1, now

    def pace_at(self, now: float) -> float:
        return self.pace * math.exp((self.answered_at - now) / _PACE_SECONDS) if self.pace else 0.0

    def ahead(self, now: float) -> int:
        return int(min(self.pace_at(now) * _AHEAD_SECONDS / _PACE_SECONDS, _MOST_AHEAD * self.limit))


class Hand:
    """`take` what was claimed, `next` to begin one, `done` with it. So many `doubtful` ones make it wary."""

    def __init__(self, doubtful: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._doubtful = doubtful
        self._clock = clock
        self._lanes = Lanes(clock)
        self._endpoints: dict[UUID, _Endpoint] = {}
        self._answering: set[UUID] = set()  # at least those that are trusted
        self._active: set[UUID] = set()  # something in hand, or so quick that more may be taken than the limit

    def take(self, claim: Claim) -> None:
        endpoint = self._endpoints.get(claim.endpoint_id)
        if endpoint is None:
            endpoint = self._endpoints[claim.endpoint_id] = _Endpoint(claim.max_in_flight)
        endpoint.limit = claim.max_in_flight
        endpoint.waiting.append(claim)
        self._active.add(claim.endpoint_id)

    def next(self, endpoint_id: UUID) -> Claim | None:
        """The delivery that may begin now, if any."""
        endpoint = self._endpoints[endpoint_id]
        if not endpoint.waiting or not self._lanes.open_slots(endpoint_id, endpoint.limit):
            return None
        self._lanes.take(endpoint_id, endpoint.limit)
        return endpoint.waiting.popleft()

    def done(self, endpoint_id: UUID, *, receiver_is_well: bool | None) -> float:
        """Ends what `next` began; the seconds that the endpoint rests now. None: it says nothing of the receiver."""
        if receiver_is_well:
            self._endpoints[endpoint_id].answered(self._clock())
            self._answering.add(endpoint_id)
        return self._lanes.give_back(endpoint_id, receiver_is_well=receiver_is_well)

    def close(self, endpoint_id: UUID, seconds: float) -> None:
        """Nothing more for this endpoint, until PostgreSQL knows why."""
        self._lanes.close(endpoint_id, seconds)

    def unwanted(self, endpoint_id: UUID) -> list[Claim]:
        """What waits here and would not begin soon: it goes back to the queue."""
        endpoint = self._endpoints[endpoint_id]
        if not endpoint.waiting or not self._lanes.is_shut(endpoint_id):
            return []
        return self.drop(endpoint_id)

    def drop(self, endpoint_id: UUID) -> list[Claim]:
        """All that waits here goes back to the queue."""
        endpoint = self._endpoints[endpoint_id]
        waiting, endpoint.waiting = list(endpoint.waiting), deque()
        return waiting

    def runs_low(self, endpoint_id: UUID) -> bool:
        """Whether it is time to take more of this endpoint."""
        endpoint = self._endpoints[endpoint_id]
        return len(endpoint.waiting) <= endpoint.ahead(self._clock()) // 2

    def free(self) -> tuple[dict[UUID, int], int | None]:
        """How many more may be taken from the queue: of those named, and of any other (None: its limit)."""
        now, found = self._clock(), self._lanes.free()
        doubtful, in_doubt, active = 0, {}, set()
        for id_ in self._active:
            endpoint = self._endpoints[id_]
            busy, ahead = self._lanes.in_flight(id_) + len(endpoint.waiting), endpoint.ahead(now)
            if not busy and not ahead:
                continue
            active.add(id_)
            if self._is_trusted(id_, endpoint, now):
                found[id_] = self._more(id_, endpoint, now)
            else:
                doubtful, in_doubt[id_] = doubtful + busy, busy
                found[id_] = max(0, found.get(id_, endpoint.limit) - len(endpoint.waiting))
        self._active = active
        if doubtful < self._doubtful:
            return found, None
        found |= {id_: min(found[id_], max(0, _WARY - busy)) for id_, busy in in_doubt.items()}
        return {id_: self._endpoints[id_].limit for id_ in self._trusted(now)} | found, _WARY

    def answering(self) -> dict[UUID, int]:
        """The endpoints that answer, and how many more may be taken of each."""
        now = self._clock()
        return {id_: self._more(id_, self._endpoints[id_], now) for id_ in self._trusted(now)}

    def _trusted(self, now: float) -> set[UUID]:
        self._answering = {id_ for id_ in self._answering if self._is_trusted(id_, self._endpoints.get(id_), now)}
        return self._answering

    def _more(self, id_: UUID, endpoint: _Endpoint, now: float) -> int:
        """Of one that answers."""
        if self._lanes.is_shut(id_):
            return 0
        free = self._lanes.open_slots(id_, endpoint.limit) - len(endpoint.waiting)
        return max(0, free + endpoint.ahead(now))

    def forget(self) -> None:
        """What is not worth remembering any more."""
        now = self._clock()
        self._endpoints = {
            id_: one
            for id_, one in self._endpoints.items()
            if id_ in self._active or self._lanes.in_flight(id_) or self._is_trusted(id_, one, now)
        }

    def _is_trusted(self, id_: UUID, endpoint: _Endpoint | None, now: float) -> bool:
        return endpoint is not None and now - endpoint.answered_at < _TRUSTED_SECONDS and self._lanes.is_clean(id_)
