# SPDX-License-Identifier: Apache-2.0
"""Picture height or bitrate fell far below the stream's own median of the last five minutes.

Fewer bytes alone prove nothing: a picture that rests, or shows less, takes fewer. So bitrate is low only when keyframes
shrank as much (a picture that rests has keyframes of the old size), both below what is usual for the detail that there
is to see (a dark or empty picture has none), and below all but a tenth of those five minutes.
"""

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import takewhile
from statistics import fmean, median

from castwarden_model.resources.checks import Checks

from ..episode import Change, Moment
from ..seen import SegmentSeen, TrackSeen
from .base import SegmentCheck

_WINDOW = 300.0  # seconds of media for the baseline
_ENOUGH = 60.0  # seconds of media that make one
_SPAN = 10.0  # seconds of media that are judged together: segments differ


@dataclass(frozen=True, slots=True)
class _Quality:
    at: Moment
    height: float | None
    kbps: float
    key_size: float | None
    detail: float | None


class QualityDrop(SegmentCheck):
    """What is low stays out of the baseline, so that a drop does not end because it lasts."""

    condition = "quality_drop"
    relative = True  # and its past is too much to hand on

    def __init__(self) -> None:
        super().__init__()
        self.ratio = 0.6
        self._usual: deque[_Quality] = deque()
        self._recent: deque[_Quality] = deque()

    def configure(self, spec: Checks) -> None:
        given = spec.quality_drop
        self._limits(given.enabled, given.raise_after, given.clear_after)
        self.ratio = given.ratio

    def observe(self, seen: SegmentSeen) -> Change | None:
        if seen.video is None or seen.error or seen.seconds <= 0:
            return None
        now = _quality(seen, seen.video)
        _append(self._recent, now, _SPAN)
        mean = _mean(self._recent)
        bad = self._is_known and self._is_low(mean)
        if bad and not self.alert and not self._is_low(now):
            return None  # the mean lags behind: it may be over
        began = self._began(bad=bad) if bad != bool(self.episode.bad) else now
        if not bad:
            _append(self._usual, mean, _WINDOW)
        change = self.episode.observe(seen.at, bad=bad, since=began.at)
        return change or self.episode.hold(seen.at.plus(seen.seconds))

    @property
    def _is_known(self) -> bool:
        return bool(self._usual) and self._usual[-1].at.media - self._usual[0].at.media >= _ENOUGH

    def _began(self, *, bad: bool) -> _Quality:
        """The first of the newest segments that are low, or are not: the mean tells it late."""
        row = list(takewhile(lambda one: self._is_low(one) == bad, reversed(self._recent)))
        return row[-1] if row else self._recent[-1]

    def _is_low(self, now: _Quality) -> bool:
        usual = self._usual
        heights = _there(one.height for one in usual)
        if now.height is not None and heights and now.height < self.ratio * median(heights):
            return True
        share, keys = self._detail(now.detail), _there(one.key_size for one in usual)
        if share is None or not keys or now.kbps >= self._least([one.kbps for one in usual], share):
            return False
        return now.key_size is not None and now.key_size < self._least(keys, share)

    def _detail(self, now: float | None) -> float | None:
        """The share of the usual detail that there is to see, at most 1; None when that is not known."""
        before = _there(one.detail for one in self._usual)
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
        if not (self._usual and self._recent):
            return {}
        now, kbps = _mean(self._recent), median(one.kbps for one in self._usual)
        found = {"bitrate_kbps": round(now.kbps, 1), "median_kbps": round(kbps, 1)}
        heights = _there(one.height for one in self._usual)
        if now.height is None or not heights:
            return found
        return found | {"height": now.height, "median_height": median(heights)}


def _quality(seen: SegmentSeen, video: TrackSeen) -> _Quality:
    kbps = video.size * 8 / 1000 / seen.seconds
    return _Quality(seen.at, video.height, kbps, video.key_size, video.detail)


def _mean(row: Sequence[_Quality]) -> _Quality:
    """The newest, with what all of them have on average."""
    keys, detail = _there(one.key_size for one in row), _there(one.detail for one in row)
    return replace(
        row[-1],
        kbps=fmean(one.kbps for one in row),
        key_size=fmean(keys) if keys else None,
        detail=fmean(detail) if detail else None,
    )


def _append(row: deque[_Quality], now: _Quality, seconds: float) -> None:
    row.append(now)
    while row[0].at.media <= now.at.media - seconds:
        row.popleft()


def _there(values: Iterable[float | None]) -> list[float]:
    return [value for value in values if value is not None]
