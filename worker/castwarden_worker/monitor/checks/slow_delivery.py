# SPDX-License-Identifier: Apache-2.0
"""Segments take almost as long to download as they play: players run dry soon.

A segment that could not be had says nothing of speed. A fraction of a second is not judged alone: what is short (a part
of a low-latency stream) takes a round trip whatever the line can carry.
"""

from collections import deque
from collections.abc import Mapping

from castwarden_model.resources.checks import Checks

from ..episode import Change
from ..seen import SegmentSeen
from .base import SegmentCheck

_SPAN = 3.0  # seconds of media that are judged together


class SlowDelivery(SegmentCheck):
    condition = "slow_delivery"

    def __init__(self) -> None:
        super().__init__()
        self.ratio = 0.8
        self._recent: dict[str, deque[tuple[float, float]]] = {}  # per rendition: seconds that it plays, that it took
        self._slow: dict[str, bool] = {}
        self._worst = self._ttfb = 0.0

    def configure(self, spec: Checks) -> None:
        given = spec.slow_delivery
        self._limits(given.enabled, given.raise_after, given.clear_after)
        self.ratio = given.ratio

    def observe(self, seen: SegmentSeen) -> Change | None:
        if seen.took is None or seen.seconds <= 0:
            return None
        recent = self._recent.setdefault(seen.rendition, deque())
        recent.append((seen.seconds, seen.took))
        while sum(seconds for seconds, _ in recent) - recent[0][0] >= _SPAN:
            recent.popleft()
        ratio = sum(took for _, took in recent) / sum(seconds for seconds, _ in recent)
        self._slow[seen.rendition] = ratio >= self.ratio
        if self._slow[seen.rendition]:
            self._worst, self._ttfb = ratio, seen.ttfb or 0.0
        change = self.episode.observe(seen.at, bad=any(self._slow.values()))
        return change or self.episode.hold(seen.at.plus(seen.seconds))

    def renewed(self) -> None:
        self._recent.clear()
        self._slow.clear()

    def measured(self) -> Mapping[str, float | str]:
        return {"ratio": round(self._worst, 2), "ttfb_sec": round(self._ttfb, 3)}
