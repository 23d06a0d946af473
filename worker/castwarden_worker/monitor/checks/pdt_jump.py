# SPDX-License-Identifier: Apache-2.0
"""Programme date-time jumps away from where the segment before it leads, with no discontinuity to excuse it."""

from collections.abc import Mapping

from castwarden_model.resources.checks import Checks

from ..episode import Change
from ..seen import SegmentSeen
from .base import SegmentCheck


class PdtJump(SegmentCheck):
    """After missed media, or a segment without a date, there is nothing to compare with."""

    condition = "pdt_jump"

    def __init__(self) -> None:
        super().__init__()
        self.tolerance = 1.0
        self._jump = 0.0
        self._next: dict[str, tuple[int, float]] = {}  # per rendition: the sequence and date that should follow

    def configure(self, spec: Checks) -> None:
        given = spec.pdt_jump
        self.enabled = given.enabled
        self.tolerance = given.tolerance.total_seconds()
        self.episode.clear_after = given.clear_after.total_seconds()

    def observe(self, seen: SegmentSeen) -> Change | None:
        expected = self._next.pop(seen.rendition, None)
        if seen.program_time is None:
            return None
        self._next[seen.rendition] = (seen.sequence + 1, seen.program_time + seen.seconds)
        if expected and expected[0] == seen.sequence and not seen.discontinuity:
            jump = seen.program_time - expected[1]
            if abs(jump) > self.tolerance:
                self._jump = jump
                return self.episode.observe(seen.at, bad=True)
        change = self.episode.observe(seen.at, bad=False)
        return change or self.episode.hold(seen.at.plus(seen.seconds))

    def renewed(self) -> None:
        self._next.clear()

    def measured(self) -> Mapping[str, float | str]:
        return {"jump_sec": round(self._jump, 3)}
