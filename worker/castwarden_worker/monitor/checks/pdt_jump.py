# SPDX-License-Identifier: Apache-2.0
"""Programme date-time jumps away from where the segment before it leads, with no discontinuity to excuse it."""

from collections.abc import Mapping
from dataclasses import replace

from castwarden_model.resources.checks import Checks

from ..episode import Change
from ..seen import SegmentSeen
from .base import SegmentCheck


class PdtJump(SegmentCheck):
    """After missed media, or a segment without a date, there is nothing to compare with.

    Dates that go on with the clock while the stream pauses are right: a pause is a stall, if anything.
    """

    condition = "pdt_jump"

    def __init__(self) -> None:
        super().__init__()
        self.tolerance = 1.0
        self._jump = 0.0
        self._before: dict[str, SegmentSeen] = {}  # per rendition

    def configure(self, spec: Checks) -> None:
        given = spec.pdt_jump
        self.enabled = given.enabled
        self.tolerance = given.tolerance.total_seconds()
        self.episode.clear_after = given.clear_after.total_seconds()

    def observe(self, seen: SegmentSeen) -> Change | None:
        before = self._before.get(seen.rendition)
        self._before[seen.rendition] = seen
        jump = _jump(before, seen) if before else 0.0
        if before and abs(jump) > self.tolerance:
            self._jump = jump
            # It began where the segment before leads to: the date itself is what is wrong.
            return self.episode.observe(seen.at, bad=True, since=replace(seen.at, wall=before.at.wall + before.seconds))
        change = self.episode.observe(seen.at, bad=False)
        return change or self.episode.hold(seen.at.plus(seen.seconds))

    def renewed(self) -> None:
        self._before.clear()

    def measured(self) -> Mapping[str, float | str]:
        return {"jump_sec": round(self._jump, 3)}


def _jump(before: SegmentSeen, seen: SegmentSeen) -> float:
    """How far the date is from where the segment before leads; 0 when nothing can be said."""
    if before.program_time is None or seen.program_time is None or seen.discontinuity:
        return 0.0
    if seen.sequence != before.sequence + 1:
        return 0.0
    jump = seen.program_time - before.program_time - before.seconds
    if before.arrived is not None and seen.arrived is not None:
        between, jitter = seen.arrived - before.arrived, max(1.0, before.seconds / 2)  # loads come late, too
        if between > before.seconds + jitter and 0 < jump <= between - before.seconds + jitter:
            return 0.0
    return jump
