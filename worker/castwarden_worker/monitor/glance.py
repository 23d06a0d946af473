# SPDX-License-Identifier: Apache-2.0
"""What a person wants to see at a glance: a small picture now and then, and the last ten minutes. Sends, never stores.

One goes out every half minute, and at once when a picture condition is raised; on the wire it is a `Look`. One that
cannot be sent is forgotten: the next one replaces it anyway.
"""

import asyncio
import math
import time
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime

from castwarden_base.logs import get_logger
from castwarden_model.conditions import CONDITIONS, Group
from castwarden_model.messages import (
    Look,
    ResourceRef,
    StripPoint,
    Transition,
)
from castwarden_model.resources import StreamState
from prometheus_client import Counter

from ..errors import Fenced, Gone, Refused, Unavailable
from .seen import Picture
from .thumbnail import thumbnail
from .view import View

log = get_logger(__name__)
SENT = Counter(
    "castwarden_worker_glances_sent_total", "Thumbnails and measurements by what became of them", ["outcome"]
)
POINT_SECONDS = 10
_POINTS = 60
_EVERY_SECONDS = 30.0
_UNTIL_FIRST_SECONDS = 5.0  # between tries until there was a picture to send
_TICK = 1.0


@dataclass(slots=True)
class _Bucket:
    """What was seen in ten seconds that began at `begin` (Unix time)."""

    begin: int
    state: StreamState
    luma: list[float] = field(default_factory=list)
    dark: list[float] = field(default_factory=list)
    motion: list[float] = field(default_factory=list)
    level: list[float] = field(default_factory=list)
    media: float = 0.0  # seconds of media whose download was timed
    took: float = 0.0
    size: int = 0

    @property
    def point(self) -> StripPoint:
        timed = self.media > 0
        return StripPoint(
            at=datetime.fromtimestamp(self.begin, UTC),
            state=self.state,
            luma=_mean(self.luma, 0.0, 1.0),
            dark=_mean(self.dark, 0.0, 1.0),
            motion_db=_mean(self.motion, -200.0, 200.0),
            level_db=_clamped(max(self.level), -200.0, 200.0) if self.level else None,
            delivery_ratio=_clamped(self.took / self.media, 0.0, 1000.0) if timed else None,
            bitrate_kbps=_clamped(self.size * 8 / 1000 / self.media, 0.0, 1e7) if timed else None,
        )

    @property
    def is_empty(self) -> bool:
        return not (self.luma or self.level or self.media)


class Strip:
    """The last ten minutes in points of ten seconds. Pure: it is shown a watch from time to time and told the time."""

    def __init__(self) -> None:
        self._buckets: deque[_Bucket] = deque(maxlen=_POINTS)
        self._media: float | None = None
        self._counted: tuple[int, float] | None = None

    def sample(self, view: View, state: StreamState, now: float) -> None:
        """Takes what `view` shows at `now` (Unix time). What has not moved since is not counted again."""
        begin = int(now) // POINT_SECONDS * POINT_SECONDS
        if not self._buckets or self._buckets[-1].begin < begin:
            self._buckets.append(_Bucket(begin, state))
        bucket = self._buckets[-1]
        bucket.state = state
        if view.media_time != self._media:
            self._media = view.media_time
            for values, value in (
                (bucket.luma, view.luma),
                (bucket.dark, view.dark),
                (bucket.motion, view.motion_db),
                (bucket.level, view.level_db),
            ):
                if value is not None and math.isfinite(value):
                    values.append(value)
        self._count(view, bucket)

    @property
    def points(self) -> list[StripPoint]:
        """Oldest first; the last one is still filling."""
        return [bucket.point for bucket in self._buckets]

    @property
    def is_idle(self) -> bool:
        """Whether all of it holds nothing but states, and one and the same."""
        return all(bucket.is_empty for bucket in self._buckets) and len({b.state for b in self._buckets}) < 2

    def _count(self, view: View, bucket: _Bucket) -> None:
        seen = view.newest
        if seen is None or seen.took is None or self._counted == (seen.sequence, seen.at.media):
            return
        self._counted = (seen.sequence, seen.at.media)
        bucket.media += seen.seconds
        bucket.took += seen.took
        bucket.size += seen.size


@dataclass(frozen=True, slots=True)
class Shown:
    """What is known of a stream at one moment, and in which epoch."""

    epoch: int
    view: View
    state: StreamState
    picture: Picture | None


class Glances:
    """`run` samples and sends for as long as the role works, at once when it is `told` of something to be seen."""

    def __init__(
        self,
        resource: ResourceRef,
        show: Callable[[], Shown | None],
        send: Callable[[Look], Awaitable[None]],
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`show` gives None while nothing is to be watched; `send` raises Unavailable, Refused, Gone or Fenced."""
        self._resource = resource
        self._show = show
        self._send = send
        self._clock = clock
        self._strip = Strip()
        self._hurry = asyncio.Event()
        self._sent: Picture | None = None
        self._idle = False

    def told(self, transition: Transition) -> None:
        """A condition of the picture that is raised is worth a picture at once."""
        entry = CONDITIONS.get(transition.condition)
        if transition.state == "raised" and entry is not None and entry.group is Group.PICTURE:
            self._hurry.set()

    async def run(self) -> None:
        """Works until cancelled."""
        loop = asyncio.get_running_loop()
        due = loop.time() + _TICK
        while True:
            urgent = self._hurry.is_set()
            self._hurry.clear()
            if (shown := self._show()) is not None:
                self._strip.sample(shown.view, shown.state, self._clock())
                if urgent or loop.time() >= due:
                    await self._glance(shown)
                    due = loop.time() + (_EVERY_SECONDS if self._sent else _UNTIL_FIRST_SECONDS)
            with suppress(TimeoutError):
                async with asyncio.timeout(_TICK):
                    await self._hurry.wait()

    async def _glance(self, shown: Shown) -> None:
        """Sends, unless nothing at all has happened since the last time. A picture goes once."""
        fresh = shown.picture if shown.picture is not self._sent else None
        was_idle, self._idle = self._idle, self._strip.is_idle
        if was_idle and self._idle and fresh is None:
            return
        look = Look(
            resource=self._resource,
            epoch=shown.epoch,
            taken_at=datetime.fromtimestamp(self._clock(), UTC),
            thumbnail=await asyncio.to_thread(thumbnail, fresh) if fresh else None,
            strip=self._strip.points,
        )
        try:
            await self._send(look)
        except (Unavailable, Refused, Gone, Fenced) as error:
            SENT.labels(type(error).__name__.lower()).inc()
            log.debug("glance_not_sent", reason=type(error).__name__, error=str(error))
        else:
            SENT.labels("taken").inc()
            self._sent = shown.picture


def _mean(values: list[float], least: float, most: float) -> float | None:
    return _clamped(sum(values) / len(values), least, most) if values else None


def _clamped(value: float, least: float, most: float) -> float:
    return round(min(most, max(least, value)), 4)
