# SPDX-License-Identifier: Apache-2.0
"""The playlist goes back in its numbering without starting a new epoch, as a lagging cache makes it do.

A step back counts with the next load: that one tells whether the origin began to number anew.
"""

from collections.abc import Mapping

from castwarden_model.resources.checks import Checks

from ..episode import Change, Moment
from ..seen import PlaylistSeen
from .base import PlaylistCheck


class SequenceRegression(PlaylistCheck):
    condition = "sequence_regression"
    on_air = True

    def __init__(self) -> None:
        super().__init__()
        self._stepped: dict[str, Moment] = {}  # per rendition: where it stepped back, until the next load
        self._from = self._to = 0

    def configure(self, spec: Checks) -> None:
        given = spec.sequence_regression
        self.enabled = given.enabled
        self.episode.clear_after = given.clear_after.total_seconds()

    def observe(self, seen: PlaylistSeen) -> Change | None:
        if seen.error is not None:
            return None
        before = self._stepped.pop(seen.rendition, None)
        if seen.behind:
            self._stepped[seen.rendition] = seen.at
            self._from = seen.last_sequence or 0
            self._to = self._from - seen.behind
        if before and not seen.epoch_changed and (change := self.episode.reached(seen.at, before)):
            return change
        return None if seen.behind else self.episode.observe(seen.at, bad=False)

    def renewed(self) -> None:
        self._stepped.clear()

    def measured(self) -> Mapping[str, float | str]:
        return {"from_sequence": self._from, "to_sequence": self._to}
