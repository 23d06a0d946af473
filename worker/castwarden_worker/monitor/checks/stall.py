# SPDX-License-Identifier: Apache-2.0
"""No new segment arrives. Measured on the wall clock: while nothing arrives, media time stands still."""

from collections.abc import Mapping
from uuid import UUID

from castwarden_base.ids import uuid7
from castwarden_model.resources.checks import Checks

from ..episode import Change, Moment
from ..seen import ClockSeen
from .base import ClockCheck

_NOT_LATE = 2.0  # seconds; parts of a fifth of a second never come on time


class Stall(ClockCheck):
    """`late` tells that a segment is overdue (1.5 target durations), long before that is an alert.

    Of a low-latency stream it is parts that should arrive: its limit follows from the part target.
    """

    condition = "stall"

    def __init__(self) -> None:
        super().__init__()
        self._limit: float | None = None
        self._target = 0.0
        self._idle = 0.0
        self.clear_after_segments = 2
        self.late = False
        self._count_when_raised = 0
        self._raised: tuple[UUID, float] | None = None

    def configure(self, spec: Checks) -> None:
        self.enabled = spec.stall.enabled
        self._limit = None if spec.stall.raise_after is None else spec.stall.raise_after.total_seconds()
        self.clear_after_segments = spec.stall.clear_after_segments

    @property
    def alert(self) -> bool:
        return self._raised is not None

    def prime(self, episode: UUID, began_wall: float) -> None:
        self._raised = (episode, began_wall)

    @property
    def raise_after(self) -> float:
        """Seconds without a new segment that raise it."""
        return max(3 * self._target, 15.0) if self._limit is None else self._limit

    def measured(self) -> Mapping[str, float | str]:
        return {"idle_sec": round(self._idle, 1), "target_sec": self._target}

    def observe(self, seen: ClockSeen) -> Change | None:
        self._idle, self._target = seen.idle, seen.part_target or seen.target_duration
        self.late = seen.idle > max(1.5 * seen.target_duration, _NOT_LATE)
        limit = self.raise_after
        if self._raised is None:
            if seen.idle < limit:
                return None
            self._raised = (uuid7(), seen.at.wall - seen.idle)
            self._count_when_raised = seen.segments
            return self._change(True, seen.at, seen.idle, limit)
        if seen.idle < limit and seen.segments - self._count_when_raised >= self.clear_after_segments:
            return self.close(seen.at)
        return None

    def close(self, at: Moment) -> Change | None:
        if self._raised is None:
            return None
        change = self._change(False, at, max(0.0, at.wall - self._raised[1]), float(self.clear_after_segments))
        self._raised = None
        return change

    def _change(self, raised: bool, at: Moment, duration: float, threshold: float) -> Change:
        episode, began = self._raised or (uuid7(), at.wall)
        return Change(self.condition, raised, episode, began, at, duration, threshold)
