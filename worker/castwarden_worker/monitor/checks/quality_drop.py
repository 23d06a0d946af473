# SPDX-License-Identifier: Apache-2.0
"""Picture height or bitrate fell far below the stream's own median of the last five minutes.

Fewer bytes alone prove nothing: a picture that rests, or shows less, takes fewer. So bitrate is low only when keyframes
shrank as much (a picture that rests has keyframes of the old size), both below what is usual for the detail that there
is to see (a dark or empty picture has none), and below all but a tenth of those five minutes.
"""

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from statistics import fmean, median

from castwarden_model.resources.checks import Checks

from ..episode import Change
from ..seen import SegmentSeen, TrackSeen
from .base import SegmentCheck

_WINDOW = 300.0  # seconds of media for the baseline
_ENOUGH = 60.0  # seconds of media that make one
_SPAN = 10.0  # seconds of media that are judged together: segments differ


@dataclass(frozen=True, slots=True)
class _Quality:
    media: float
    height: float | None
    kbps: float
    key_size: float | None
    detail: float | None


class QualityDrop(SegmentCheck):
    """What is low stays out of the baseline, so that a drop does not end because it lasts."""

    condition = "quality_drop"

    def __init__(self) -> None:
        super().__init__()
        self.ratio = 0.6
        self._usual: deque[_Quality] = deque()
        self._recent: deque[_Quality] = deque()
        self._told: dict[str, float | str] = {}

    def configure(self, spec: Checks) -> None:
        given = spec.quality_drop
        self._limits(given.enabled, given.raise_after, given.clear_after)
        self.ratio = given.ratio

    def observe(self, seen: SegmentSeen) -> Change | None:
        if seen.video is None or seen.error or seen.seconds <= 0:
            return None
        now = _quality(seen, seen.video)
        _append(self._recent, now, _SPAN)
        bad = self._is_known and self._is_low()
        if not bad:
            _append(self._usual, now, _WINDOW)
        change = self.episode.observe(seen.at, bad=bad)
        return change or self.episode.hold(seen.at.plus(seen.seconds))

    @property
    def _is_known(self) -> bool:
        return bool(self._usual) and self._usual[-1].media - self._usual[0].media >= _ENOUGH

    def _is_low(self) -> bool:
        usual, recent = self._usual, self._recent
        kbps, height = fmean(one.kbps for one in recent), recent[-1].height
        self._told = {"bitrate_kbps": round(kbps, 1), "median_kbps": round(median(one.kbps for one in usual), 1)}
        if height is not None:
            self._told["height"] = height
            heights = _there(one.height for one in usual)
            if heights and height < self.ratio * (before := median(heights)):
                self._told["median_height"] = before
                return True
        share = self._detail()
        keys, usual_keys = _there(one.key_size for one in recent), _there(one.key_size for one in usual)
        if share is None or not keys or not usual_keys:
            return False
        return kbps < self._least([one.kbps for one in usual], share) and fmean(keys) < self._least(usual_keys, share)

    def _detail(self) -> float | None:
        """The share of the usual detail that there is to see, at most 1; None when that is not known."""
        before, now = _there(one.detail for one in self._usual), self._recent[-1].detail
        if now is None or not before:
            return None
        return min(1.0, now / max(median(before), 1e-6))

    def _least(self, usual: list[float], share: float) -> float:
        """Below this it is low."""
        return min(self.ratio * share * median(usual), sorted(usual)[len(usual) // 10])

    def renewed(self) -> None:
        self._usual.clear()
        self._recent.clear()

    def measured(self) -> Mapping[str, float | str]:
        return self._told


def _quality(seen: SegmentSeen, video: TrackSeen) -> _Quality:
    kbps = video.size * 8 / 1000 / seen.seconds
    return _Quality(seen.at.media, video.height, kbps, video.key_size, video.detail)


def _append(row: deque[_Quality], now: _Quality, seconds: float) -> None:
    row.append(now)
    while row[0].media <= now.media - seconds:
        row.popleft()


def _there(values: Iterable[float | None]) -> list[float]:
    return [value for value in values if value is not None]
