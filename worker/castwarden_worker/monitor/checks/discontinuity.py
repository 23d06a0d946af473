# SPDX-License-Identifier: Apache-2.0
"""Discontinuities come thick and fast. Single ones, as around advertisements, are normal."""

from collections import deque
from collections.abc import Mapping

from castwarden_model.resources.checks import Checks

from ..episode import Change, Moment
from ..seen import SegmentSeen
from .base import SegmentCheck


class Discontinuity(SegmentCheck):
    """Counts those of the main rendition: its sound has the same ones."""

    condition = "discontinuity"

    def __init__(self) -> None:
        super().__init__()
        self.count = 5
        self.window = 60.0
        self._recent: deque[Moment] = deque(maxlen=1000)  # the most that can be asked for

    def configure(self, spec: Checks) -> None:
        given = spec.discontinuity
        self.enabled = given.enabled
        self.count, self.window = given.count, given.window.total_seconds()
        self.episode.clear_after = given.clear_after.total_seconds()

    def observe(self, seen: SegmentSeen) -> Change | None:
        if seen.rendition != "main":
            return None
        while self._recent and self._recent[0].media < seen.at.media - self.window:
            self._recent.popleft()
        if not seen.discontinuity:
            change = self.episode.observe(seen.at, bad=False)
            return change or self.episode.hold(seen.at.plus(seen.seconds))
        self._recent.append(seen.at)
        if len(self._recent) >= self.count or self.alert:
            return self.episode.reached(seen.at, self._recent[0])
        return None

    def measured(self) -> Mapping[str, float | str]:
        return {"count": len(self._recent), "window_sec": self.window}
