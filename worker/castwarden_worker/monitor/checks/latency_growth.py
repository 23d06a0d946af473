# SPDX-License-Identifier: Apache-2.0
"""The newest media is ever older: the distance to the live edge left its own baseline. On the wall clock.

The trend counts, not the value: the origin's clock may be off. A step that the pace of arrival does not explain is a
jump of programme date-time, which has its own condition.
"""

import math
from collections import deque
from collections.abc import Mapping

from castwarden_model.resources.checks import Checks

from ..episode import Change
from ..seen import PlaylistSeen
from .base import PlaylistCheck

_WINDOW = 300.0  # seconds
_ENOUGH = 5  # loads for a baseline
_UNEXPLAINED = 2.0  # seconds
_CREEP = 1 / 3600  # seconds a second: encoders count dates with clocks that run a little slow


class LatencyGrowth(PlaylistCheck):
    """The baseline is the lowest that the lower quartile of five minutes was, forgetting a second an hour.

    So growth that takes longer than five minutes counts too, and the drift of a clock does not.
    """

    condition = "latency_growth"
    on_air = True
    relative = True

    def __init__(self) -> None:
        super().__init__()
        self.growth = 10.0
        self.baseline = math.inf
        self._jumped = 0.0  # seconds of jumps so far
        self._last: tuple[float, float] | None = None  # Unix time and latency
        self._recent: deque[tuple[float, float]] = deque()

    def configure(self, spec: Checks) -> None:
        given = spec.latency_growth
        self._limits(given.enabled, given.raise_after, given.clear_after)
        self.growth = given.growth.total_seconds()

    def observe(self, seen: PlaylistSeen) -> Change | None:
        if seen.rendition != "main" or seen.latency is None or seen.error:
            return None
        elapsed = seen.at.wall - self._last[0] if self._last else 0.0
        latency = self._without_jumps(seen, seen.latency)
        while self._recent and self._recent[0][0] < seen.at.wall - _WINDOW:
            self._recent.popleft()
        self._recent.append((seen.at.wall, latency))
        if len(self._recent) < _ENOUGH:
            return None
        quartile = sorted(value for _, value in self._recent)[len(self._recent) // 4]
        self.baseline = min(self.baseline + max(0.0, elapsed) * _CREEP, quartile)
        limit = max(self.growth, 1.5 * seen.target_duration)
        return self.episode.observe(seen.at, bad=latency > self.baseline + limit)

    def _without_jumps(self, seen: PlaylistSeen, latency: float) -> float:
        before, self._last = self._last, (seen.at.wall, latency)
        if before:
            step, explained = latency - before[1], seen.at.wall - before[0] - seen.added - seen.missed
            # While the stream pauses, dates may stand still with it or go on with the clock: both are right.
            low, high = min(0.0, explained) - _UNEXPLAINED, max(0.0, explained) + _UNEXPLAINED
            if not low <= step <= high or seen.epoch_changed:
                self._jumped += step - explained
        return latency - self._jumped

    def recall(self, measured: Mapping[str, float | str]) -> bool:
        baseline = measured.get("baseline_sec")
        if not isinstance(baseline, (int, float)):
            return False
        self.baseline = float(baseline)
        return True

    def renewed(self) -> None:
        self._last, self.baseline = None, math.inf
        self._recent.clear()

    def measured(self) -> Mapping[str, float | str]:
        known = self._last is not None and self.baseline < math.inf
        latency = self._last[1] if self._last else 0.0
        baseline = self.baseline + self._jumped if known else latency
        return {"latency_sec": round(latency, 1), "baseline_sec": round(baseline, 1)}
