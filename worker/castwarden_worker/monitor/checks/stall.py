# SPDX-License-Identifier: Apache-2.0
"""No new segment arrives. Measured on the wall clock: while nothing arrives, media time stands still."""

from uuid import UUID

from castwarden_base.ids import uuid7
from castwarden_model.resources.checks import Checks

from ..episode import Change, Moment
from .base import Check


class Stall(Check):
    """`late` tells that a segment is overdue (1.5 target durations), long before that is an alert."""

    condition = "stall"

    def __init__(self) -> None:
        super().__init__()
        self.raise_after: float | None = None
        self.clear_after_segments = 2
        self.late = False
        self._count_when_raised = 0
        self._raised: tuple[UUID, float] | None = None

    def configure(self, spec: Checks) -> None:
        self.enabled = spec.stall.enabled
        self.raise_after = None if spec.stall.raise_after is None else spec.stall.raise_after.total_seconds()
        self.clear_after_segments = spec.stall.clear_after_segments

    @property
    def alert(self) -> bool:
        return self._raised is not None

    def prime(self, episode: UUID, began_wall: float) -> None:
        self._raised = (episode, began_wall)

    def limit(self, target_duration: float) -> float:
        """Seconds without a new segment that raise it."""
        return max(3 * target_duration, 15.0) if self.raise_after is None else self.raise_after

    def observe(self, idle: float, target_duration: float, segments: int, at: Moment) -> Change | None:
        """`idle` seconds have passed since the newest of `segments` segments; `at` is the edge of media, and now."""
        self.late = idle > 1.5 * target_duration
        limit = self.limit(target_duration)
        if self._raised is None:
            if not self.enabled or idle < limit:
                return None
            self._raised = (uuid7(), at.wall - idle)
            self._count_when_raised = segments
            return self._change(True, at, idle, limit)
        if idle < limit and segments - self._count_when_raised >= self.clear_after_segments:
            return self.close(at)
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
