# SPDX-License-Identifier: Apache-2.0
"""We cannot keep up: segments are only accounted for, not looked at. It says nothing about the stream."""

from collections.abc import Mapping

from castwarden_model.resources.checks import Checks

from ..episode import Change
from ..seen import SegmentSeen
from .base import SegmentCheck


class AnalysisDegraded(SegmentCheck):
    condition = "analysis_degraded"

    def __init__(self) -> None:
        super().__init__()
        self._waited = 0.0

    def configure(self, spec: Checks) -> None:
        given = spec.analysis_degraded
        self._limits(given.enabled, given.raise_after, given.clear_after)

    def observe(self, seen: SegmentSeen) -> Change | None:
        self._waited = seen.waited
        change = self.episode.observe(seen.at, bad=seen.shallow)
        return change or self.episode.hold(seen.at.plus(seen.seconds))

    def measured(self) -> Mapping[str, float | str]:
        return {"reason": "segments wait too long to be looked at", "waited_sec": round(self._waited, 1)}
