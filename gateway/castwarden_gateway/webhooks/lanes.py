# SPDX-License-Identifier: Apache-2.0
"""How many deliveries may still begin in this process. Pure but for a line of log when a rest begins or ends.

Of each endpoint: its in-flight limit, and its breaker. Of each tenant: a share of what the process can have in flight.
"""

import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from uuid import UUID

from castwarden_base.logs import get_logger

from castwarden_gateway.webhooks.breaker import Breaker

log = get_logger(__name__)


@dataclass(slots=True)
class _Lane:
    limit: int
    in_flight: int = 0
    breaker: Breaker = field(default_factory=Breaker)
    closed_until: float = 0.0

    def free(self, now: float) -> int:
        open_slots = 0 if now < self.closed_until else self.breaker.limit(now, self.limit)
        return max(0, open_slots - self.in_flight)

    def is_idle(self, now: float) -> bool:
        return self.in_flight == 0 and self.breaker.clean and now >= self.closed_until


class Lanes:
    """A lane exists only while its endpoint has something in flight or something to remember."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lanes: dict[UUID, _Lane] = {}

    def take(self, endpoint_id: UUID, limit: int) -> None:
        lane = self._lanes.setdefault(endpoint_id, _Lane(limit))
        lane.limit = limit
        lane.in_flight += 1

    def give_back(self, endpoint_id: UUID, *, receiver_is_well: bool | None) -> float:
        """Ends what `take` began; the seconds that the endpoint rests now. None: it says nothing of the receiver."""
        lane, now = self._lanes[endpoint_id], self._clock()
        lane.in_flight -= 1
        rested = lane.breaker.is_open
        if receiver_is_well is True:
            lane.breaker.succeeded()
        elif receiver_is_well is False:
            lane.breaker.failed(now)
        if lane.breaker.is_open != rested:
            log.warning("endpoint_answers_again" if rested else "endpoint_rests", endpoint=str(endpoint_id))
        return lane.breaker.rests_for(now)

    def open_slots(self, endpoint_id: UUID, limit: int) -> int:
        """How many may begin now."""
        lane = self._lanes.get(endpoint_id)
        if lane is None:
            return limit
        lane.limit = limit
        return lane.free(self._clock())

    def in_flight(self, endpoint_id: UUID) -> int:
        lane = self._lanes.get(endpoint_id)
        return lane.in_flight if lane else 0

    def is_shut(self, endpoint_id: UUID) -> bool:
        """Whether nothing may begin however little is in flight."""
        lane, now = self._lanes.get(endpoint_id), self._clock()
        return lane is not None and (now < lane.closed_until or lane.breaker.limit(now, 1) == 0)

    def is_clean(self, endpoint_id: UUID) -> bool:
        """Whether its last answer was a good one, as far as is remembered."""
        lane = self._lanes.get(endpoint_id)
        return lane is None or lane.breaker.clean

    def close(self, endpoint_id: UUID, seconds: float) -> None:
        """Nothing more for this endpoint that has just been taken, until PostgreSQL knows why."""
        lane = self._lanes.setdefault(endpoint_id, _Lane(1))
        lane.closed_until = self._clock() + seconds

    def free(self) -> dict[UUID, int]:
        """Free slots of every endpoint that does not have all of them."""
        now = self._clock()
        self._lanes = {id_: lane for id_, lane in self._lanes.items() if not lane.is_idle(now)}
        return {id_: lane.free(now) for id_, lane in self._lanes.items()}


class Shares:
    """No tenant gets more than `most`, so that many endpoints on one dead host leave room for everybody else."""

    def __init__(self, most: int) -> None:
        self.most = most
        self._in_flight: Counter[UUID] = Counter()

    def take(self, tenant_id: UUID) -> None:
        self._in_flight[tenant_id] += 1

    def give_back(self, tenant_id: UUID) -> None:
        self._in_flight[tenant_id] -= 1
        if not self._in_flight[tenant_id]:
            del self._in_flight[tenant_id]

    def free(self) -> dict[UUID, int]:
        """What is left to every tenant that has begun on its share."""
        return {id_: max(0, self.most - count) for id_, count in self._in_flight.items()}

    def left_of(self, free: Mapping[UUID, int], taken: Mapping[UUID, int]) -> dict[UUID, int]:
        """What is left to the tenants in `taken`, where `free` was what `free()` said before that."""
        return {id_: max(0, free.get(id_, self.most) - count) for id_, count in taken.items()}
