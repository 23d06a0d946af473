# SPDX-License-Identifier: Apache-2.0
"""Follows a stream that has no playlist: one loop reads and reconnects, another analyses the stretches it was cut into.

To the watch it is a feed like any other. A connection that fails is a playlist that cannot be loaded; a stretch is a
segment.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal

from ..episode import Moment
from ..errors import FetchError, StreamError
from ..follow.decoding import Decoding
from ..follow.feed import Outcome, to_its_end
from ..follow.tracker import Tracker, Update
from ..playlist import MediaPlaylist, Segment
from ..seen import PlaylistSeen, SegmentSeen
from ..sight.analyzer import Analysis, Analyzer
from .stretches import SECONDS, Stretch
from .taps import SILENT, Tap

_BACKLOG = 16  # stretches waiting; what is older is skipped and counts as missed
_LATE = 15.0  # seconds that a stretch may wait and still be examined
_PATIENCE = 3  # failures in a row before the source is given up
_LONGEST_WAIT = 15.0
_CLOSED_FOR = 60.0
_CLOSED = "the stream was closed by its source"


@dataclass(frozen=True, slots=True)
class _Job:
    """A stretch to analyse; `wall` is the Unix time at which it began."""

    segment: Segment
    stretch: Stretch
    wall: float
    arrived: float  # monotonic


class Continuous:
    """One stream, picture and sound together. `on_playlist` and `on_segment` are awaited in order.

    It has ended when its source closed it in order and gave nothing more for `closed_for` seconds: two signs.
    """

    def __init__(
        self,
        analyzer: Analyzer,
        tracker: Tracker,
        *,
        on_playlist: Callable[[PlaylistSeen, Update | None], Awaitable[None]],
        on_segment: Callable[[Analysis], Awaitable[None]],
        clock: Callable[[], float] = time.time,
        closed_for: float | None = None,
        decoding: Decoding | None = None,
    ) -> None:
        self.analyzer = analyzer
        self.tracker = tracker
        self.rendition: Literal["main"] = "main"
        self.problem: str | None = None
        self.newest: SegmentSeen | None = None
        self.title: str | None = None
        self._on_playlist = on_playlist
        self._on_segment = on_segment
        self._clock = clock
        self._decoding = decoding or Decoding()
        self._closed_for = _CLOSED_FOR if closed_for is None else closed_for
        self._queue: asyncio.Queue[_Job | None] = asyncio.Queue(_BACKLOG)
        self._dropped = 0.0
        self._sequence = 0
        self._failures = 0  # in a row
        self._closed_at: float | None = None  # monotonic time at which the source closed the stream
        self._broken = False  # the next stretch does not follow from the one before

    async def run(self, tap: Tap) -> Outcome:
        """Follows until it is over or cannot be had any more."""
        self._queue = asyncio.Queue(_BACKLOG)
        self._failures = 0
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._analyse_all())
            outcome = await self._read_on(tap)
            await self._queue.put(None)
        return outcome

    async def _read_on(self, tap: Tap) -> Outcome:
        loop = asyncio.get_running_loop()
        while True:
            before = self._sequence
            try:
                await self._read(tap)
                self.problem, in_order = _CLOSED, True
            except StreamError as error:
                self.problem, in_order = str(error), False
            now = loop.time()
            if self._sequence > before:
                self._failures, self._broken = 0, True
                self._closed_at = now if in_order else None
            else:
                self._failures += 1
            await self._on_playlist(self._seen(error=self.problem), None)
            if self._closed_at is not None:
                if now - self._closed_at >= self._closed_for and self._failures:
                    return Outcome.ENDED
            elif self._failures >= _PATIENCE:
                return Outcome.UNAVAILABLE
            await asyncio.sleep(min(_LONGEST_WAIT, 2.0**self._failures))

    async def _read(self, tap: Tap) -> None:
        """One connection, to its end."""
        async with aclosing(tap.stretches()) as flow:
            while True:
                try:
                    async with asyncio.timeout(SILENT):
                        stretch = await anext(flow, None)
                except TimeoutError:
                    raise FetchError(f"no media for {SILENT:.0f} s") from None
                if stretch is None:
                    return
                self.title = tap.title
                self.problem, self._closed_at = None, None
                await self._announce(stretch)

    async def _announce(self, stretch: Stretch) -> None:
        self._sequence += 1
        broken, self._broken = self._broken or stretch.discontinuity, False
        segment = Segment(self._sequence, "", stretch.seconds, discontinuity=broken)
        arrived = asyncio.get_running_loop().time()
        update = self.tracker.update(MediaPlaylist((segment,), SECONDS, self._sequence), arrived)
        await self._on_playlist(replace(self._seen(), new=1), update)
        job = _Job(segment, stretch, self._clock() - stretch.seconds, arrived)
        if self._queue.full() and (oldest := self._queue.get_nowait()):
            self._dropped += oldest.stretch.seconds
        self._queue.put_nowait(job)

    async def _analyse_all(self) -> None:
        while job := await self._queue.get():
            dropped, self._dropped = self._dropped, 0.0
            await to_its_end(self._analyse(job, dropped))

    async def _analyse(self, job: _Job, missed: float) -> None:
        """A stretch that has waited too long is not examined."""
        if missed:
            self.analyzer.skip(missed)
        waited = asyncio.get_running_loop().time() - job.arrived
        shallow = waited > _LATE or not self._decoding.allowed()
        media = job.stretch.media
        if media.video or media.audio:
            work = partial(self.analyzer.analyze_media, job.segment, media, job.wall, shallow=shallow)
            analysis = await self._decoding.run(work)
        else:
            analysis = self.analyzer.missing(job.segment, job.wall, media.damage)
        self.newest = replace(
            analysis.seen,
            waited=waited,
            shallow=shallow or missed > 0,
            arrived=job.wall + job.stretch.seconds,
            size=job.stretch.size,
        )
        await self._on_segment(replace(analysis, seen=self.newest))

    def _seen(self, error: str | None = None) -> PlaylistSeen:
        return PlaylistSeen(
            Moment(self.analyzer.timeline.edge, self._clock()),
            self.rendition,
            error,
            self.tracker.target_duration,
            last_sequence=self._sequence or None,
        )
