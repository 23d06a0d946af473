# SPDX-License-Identifier: Apache-2.0
"""A track that should be there is not: what the checks for missing sound and missing picture have in common."""

from collections.abc import Mapping
from typing import ClassVar, Literal

from castwarden_model.resources.checks import AudioMissingCheck, VideoMissingCheck

from ..episode import Change
from ..seen import Kind, SegmentSeen
from .base import SegmentCheck


class TrackMissing(SegmentCheck):
    """A segment that could not be read proves nothing, nor does a rendition whose track another one carries."""

    track: ClassVar[Kind]

    def __init__(self) -> None:
        super().__init__()
        self._expected: Literal["Auto", "Always", "Never"] = "Auto"
        self._known = False  # it was there, or was announced
        self._codec = ""

    def _take(self, given: AudioMissingCheck | VideoMissingCheck) -> None:
        self._limits(given.enabled and given.expected != "Never", given.raise_after, given.clear_after)
        self._expected = given.expected

    def observe(self, seen: SegmentSeen) -> Change | None:
        if self.track not in seen.sought:
            return None
        self._known = self._known or self.track in seen.announced
        found = seen.audio if self.track == "audio" else seen.video
        if found is not None:
            self._known, self._codec = True, found.codec
        elif seen.error or seen.remark or seen.gap or not (self._known or self._expected == "Always" or self.alert):
            return None
        change = self.episode.observe(seen.at, bad=found is None)
        return change or self.episode.hold(seen.at.plus(seen.seconds))

    def renewed(self) -> None:
        self._known = False

    def measured(self) -> Mapping[str, float | str]:
        return {"codec": self._codec or "unknown"}
