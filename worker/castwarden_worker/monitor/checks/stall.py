# SPDX-License-Identifier: Apache-2.0
"""No new segment arrives. Measured on the wall clock: while nothing arrives, media time stands still."""

from collections.abc import Mapping

from castwarden_model.resources.checks import Checks

from ..episode import Change, Moment
from ..seen import ClockSeen
from .base import ClockCheck

_NOT_LATE = 2.0  # seconds; parts of a fifth of a second never come on time


class Stall(ClockCheck):
    """`late` tells that a segment is overdue (1.5 target durations), long before that is an alert.

    Of a low-latency stream it is parts that should arrive: its limit follows from the part target. It clears by count:
    its `clear_after`, and so the threshold of its recovery, is a number of segments.
    """

    condition = "stall"
    on_air = True

    def __init__(self) -> None:
        super().__init__()
        self._limit: float | None = None
        self._target = 0.0
        self._idle = 0.0
        self.late = False
        self._count_when_raised = 0

    def configure(self, spec: Checks) -> None:
        self.enabled = spec.stall.enabled
        self._limit = None if spec.stall.raise_after is None else spec.stall.raise_after.total_seconds()
        self.episode.clear_after = float(spec.stall.clear_after_segments)

    @property
    def raise_after(self) -> float:
        """Seconds without a new segment that raise it."""
        return max(3 * self._target, 15.0) if self._limit is None else self._limit

    def measured(self) -> Mapping[str, float | str]:
        return {"idle_sec": round(self._idle, 1), "target_sec": self._target}

    def observe(self, seen: ClockSeen) -> Change | None:
        self._idle, self._target = seen.idle, seen.part_target or seen.target_duration
        self.late = seen.idle > max(1.5 * seen.target_duration, _NOT_LATE)
        if not self.alert:
            if seen.idle < self.raise_after:
                return None
            self._count_when_raised = seen.segments
            self.episode.raise_after = self.raise_after
            return self.episode.reached(seen.at, Moment(seen.at.media, seen.at.wall - seen.idle))
        if seen.idle < self.raise_after and seen.segments - self._count_when_raised >= self.episode.clear_after:
            return self.close(seen.at)
        return None
