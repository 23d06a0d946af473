# SPDX-License-Identifier: Apache-2.0
"""We cannot keep up: segments are only accounted for, not looked at. It says nothing about the stream."""

from collections.abc import Mapping

from castwarden_model.resources.checks import Checks

from ..episode import Change, Moment
from ..seen import SegmentSeen
from .base import SegmentCheck

_BEHIND = "segments wait too long to be looked at"
_STUCK = "a call that decodes does not return"
_RESTS = "a call that decodes did not return: nothing is decoded for an hour"


class AnalysisDegraded(SegmentCheck):
    condition = "analysis_degraded"

    def __init__(self) -> None:
        super().__init__()
        self._waited = 0.0
        self._reason = _BEHIND

    def configure(self, spec: Checks) -> None:
        given = spec.analysis_degraded
        self._limits(given.enabled, given.raise_after, given.clear_after)

    def stuck(self, at: Moment, seconds: float) -> Change | None:
        """Something has been decoded for so long, and meanwhile nothing is."""
        self._reason, self._waited = _STUCK, seconds
        if not self.enabled:
            return None
        return self.episode.reached(at, Moment(at.media - self.episode.raise_after, at.wall - seconds))

    def rests(self) -> None:
        """Nothing will be decoded for a while."""
        self._reason = _RESTS

    def observe(self, seen: SegmentSeen) -> Change | None:
        self._reason = self._reason if seen.shallow else _BEHIND
        self._waited = seen.waited
        change = self.episode.observe(seen.at, bad=seen.shallow)
        return change or self.episode.hold(seen.at.plus(seen.seconds))

    def measured(self) -> Mapping[str, float | str]:
        return {"reason": self._reason, "waited_sec": round(self._waited, 1)}
