# SPDX-License-Identifier: Apache-2.0
"""Sound and picture drift apart: the offset of their timestamps leaves its own baseline.

In one segment the offset is the mean distance of their first and of their last timestamps. Of separate renditions it is
how much further than its playlist announced either has gone, sound less picture. What encoders add in front is part of
the baseline.
"""

from collections import deque
from collections.abc import Mapping
from statistics import median

from castwarden_model.resources.checks import Checks

from ..episode import Change
from ..seen import WRAP, SegmentSeen
from .base import SegmentCheck

_ENOUGH = 3  # segments for a baseline
_MUXED = 30.0  # seconds of media at the beginning that make the baseline of offsets that are absolute
_SEPARATE = 300.0  # seconds at the end that make the one of offsets that add up: durations in playlists are rounded
_MOST = 2000  # segments in a window, whatever their origin says of their length


class AvDrift(SegmentCheck):
    """Whatever breaks the row of timestamps for a good reason (a discontinuity, missed media) begins a new baseline."""

    condition = "av_drift"
    relative = True

    def __init__(self) -> None:
        super().__init__()
        self._recalled = False  # whether the baseline is another process's
        self.limit = 0.5
        self.offset = self.baseline = 0.0
        self._known: deque[tuple[float, float]] = deque(
            maxlen=_MOST
        )  # media time and offset, those that make the baseline
        self._rows = {"main": _Row(), "audio": _Row()}

    def configure(self, spec: Checks) -> None:
        given = spec.av_drift
        self._limits(given.enabled, given.raise_after, given.clear_after)
        self.limit = given.offset.total_seconds()

    def observe(self, seen: SegmentSeen) -> Change | None:
        separate = len(seen.sought) == 1
        if seen.discontinuity or (self._recalled and separate):  # what adds up began anew with this process
            self.renewed()
            self.adrift = self.alert
        if seen.error or (offset := self._offset(seen)) is None:
            return None
        self.offset = offset
        change = self.episode.observe(seen.at, bad=self._is_off(seen.at.media, offset, separate=separate))
        return change or self.episode.hold(seen.at.plus(seen.seconds))

    def _offset(self, seen: SegmentSeen) -> float | None:
        if seen.video and seen.audio:
            return (
                _wrapped(seen.audio.first_pts - seen.video.first_pts)
                + _wrapped(seen.audio.last_pts - seen.video.last_pts)
            ) / 2
        track = seen.video or seen.audio
        if track is None or len(seen.sought) != 1:
            return None
        row = self._rows[seen.rendition]
        row.take(seen.sequence, track.first_pts, seen.seconds)
        picture, sound = self._rows["main"], self._rows["audio"]
        return sound.ahead - picture.ahead if sound.expected and picture.expected else None

    def _is_off(self, media: float, offset: float, *, separate: bool) -> bool:
        if len(self._known) >= _ENOUGH:
            self.baseline = median(value for _, value in self._known)
            if abs(offset - self.baseline) > self.limit / 2:  # on its way: it must not take the baseline along
                return abs(offset - self.baseline) > self.limit
        if separate:
            while self._known and self._known[0][0] < media - _SEPARATE:
                self._known.popleft()
        elif self._known and media - self._known[0][0] > _MUXED and len(self._known) >= _ENOUGH:
            return False
        self._known.append((media, offset))
        return False

    def recall(self, measured: Mapping[str, float | str]) -> bool:
        baseline = measured.get("baseline_sec")
        if not isinstance(baseline, (int, float)):
            return False
        self._known.extend((0.0, float(baseline)) for _ in range(_ENOUGH))
        self._recalled = True
        return True

    def renewed(self) -> None:
        self._recalled = False
        self._known.clear()
        self._rows = {"main": _Row(), "audio": _Row()}

    def measured(self) -> Mapping[str, float | str]:
        return {"offset_sec": round(self.offset, 3), "baseline_sec": round(self.baseline, 3)}


class _Row:
    """One rendition's segments: `ahead` of what its playlist announced, in seconds."""

    def __init__(self) -> None:
        self.ahead = 0.0
        self.expected: tuple[int, float] | None = None  # the sequence and the timestamp that should come next

    def take(self, sequence: int, first_pts: float, seconds: float) -> None:
        if self.expected and self.expected[0] == sequence:
            self.ahead += _wrapped(first_pts - self.expected[1])
        self.expected = (sequence + 1, first_pts + seconds)


def _wrapped(difference: float) -> float:
    return (difference + WRAP / 2) % WRAP - WRAP / 2
