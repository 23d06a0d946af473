# SPDX-License-Identifier: Apache-2.0
"""Follows one rendition: one loop takes playlists from its loader, another fetches and analyses what they announced."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, replace
from enum import Enum, auto
from functools import partial
from typing import Any, Literal

from ..episode import Moment
from ..errors import FetchError, PlaylistError, Refused, StreamError, Unreadable
from ..seen import Kind, PlaylistSeen, SegmentSeen
from ..sight.analyzer import Analysis, Analyzer
from .decoding import Decoding
from .fetch import Fetcher, Payload
from .loader import Loader
from .tracker import Arrival, Tracker, Update

_BACKLOG = 32  # segments waiting; live media beyond that is skipped and counts as missed
_PATIENCE = 2  # refusals in a row before the source is resolved again: a URL that expired is no fault of the stream
_LATE, _LATE_SECONDS = 3, 15.0  # durations, and seconds, that a segment may wait and still be examined
_FIRST_PATIENCE = 5  # failures of any kind before the first playlist


class Outcome(Enum):
    """Why following came to an end."""

    ENDED = auto()  # the playlist says so (EXT-X-ENDLIST), and all of it was analysed
    UNAVAILABLE = auto()  # there is no playlist to be had from this URL: resolve the source again


@dataclass(frozen=True, slots=True)
class Job:
    """A segment to analyse; `wall` is the Unix time of its first picture."""

    arrival: Arrival
    base: str
    wall: float
    announced: float  # monotonic
    arrived: float  # the same as Unix time
    live: bool  # not of a finished playlist, nor of the backlog of the first load, which may take its time


class Feed:
    """One rendition, `main` or the `audio` that belongs to it. `on_playlist` and `on_segment` are awaited in order."""

    def __init__(
        self,
        analyzer: Analyzer,
        tracker: Tracker,
        *,
        rendition: Literal["main", "audio"],
        on_playlist: Callable[[PlaylistSeen, Update | None], Awaitable[None]],
        on_segment: Callable[[Analysis], Awaitable[None]],
        clock: Callable[[], float] = time.time,
        decoding: Decoding | None = None,
    ) -> None:
        self.analyzer = analyzer
        self.tracker = tracker
        self.problem: str | None = None
        self.newest: SegmentSeen | None = None
        self.rendition = rendition
        self.announced: frozenset[Kind] = frozenset()  # tracks that the multivariant playlist promises
        self._on_playlist = on_playlist
        self._on_segment = on_segment
        self._clock = clock
        self._decoding = decoding or Decoding()
        self._queue: asyncio.Queue[Job | None] = asyncio.Queue(_BACKLOG)
        self._dropped = 0.0
        self._locked_out = 0  # segments in a row that we were not allowed to have

    async def run(self, fetcher: Fetcher, loader: Loader) -> Outcome:
        """Follows what `loader` loads until that ends or cannot be had any more."""
        self._queue = asyncio.Queue(_BACKLOG)
        self._locked_out = 0
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._analyse_all(fetcher))
            outcome = await self._reload(loader)
            await self._queue.put(None)
        return outcome

    async def _reload(self, loader: Loader) -> Outcome:
        loop = asyncio.get_running_loop()
        failures = refusals = 0  # in a row
        while self._locked_out < _PATIENCE:
            try:
                loaded = await loader.load()
                update = self.tracker.update(loaded.playlist, loop.time())
            except StreamError as error:
                self.problem = str(error)
                await self._on_playlist(self._seen(error=str(error)), None)
                failures += 1
                refusals += isinstance(error, (Refused, PlaylistError))
                if refusals >= _PATIENCE or (self.tracker.last_new is None and failures > _FIRST_PATIENCE):
                    return Outcome.UNAVAILABLE
                continue
            self.problem, failures, refusals = None, 0, 0
            await self._announce(update, loaded.base)
            if update.ended:
                return Outcome.ENDED
        return Outcome.UNAVAILABLE

    async def _announce(self, update: Update, base: str) -> None:
        await self._on_playlist(self._loaded(update), update)
        now, announced = self._clock(), asyncio.get_running_loop().time()
        live = not update.ended and self.tracker.new_count > 0
        for arrival in update.new:
            segment = arrival.segment
            wall = now - arrival.behind - segment.duration if segment.program_time is None else segment.program_time
            job = Job(arrival, base, wall, announced, now, live)
            if update.ended:
                await self._queue.put(job)
            else:
                self._put(job)

    def _put(self, job: Job) -> None:
        """Live media does not wait: when we cannot keep up, the oldest segments are skipped."""
        if self._queue.full() and (oldest := self._queue.get_nowait()):
            self._dropped += oldest.arrival.missed + oldest.arrival.segment.duration
        self._queue.put_nowait(job)

    async def _analyse_all(self, fetcher: Fetcher) -> None:
        while job := await self._queue.get():
            dropped, self._dropped = self._dropped, 0.0
            found = await self._get(fetcher, job)
            await to_its_end(self._analyse(job, found, job.arrival.missed + dropped, late=dropped > 0))

    async def _get(self, fetcher: Fetcher, job: Job) -> Payload | StreamError | None:
        """The segment, or why it could not be had; None for one that is announced as a gap."""
        if job.arrival.segment.gap:
            return None
        try:
            payload = await self._fetch(fetcher, job)
        except StreamError as error:
            forbidden = isinstance(error, Refused) and error.status != 404
            self._locked_out = self._locked_out + 1 if forbidden else 0
            return error
        self._locked_out = 0
        return payload

    async def _analyse(self, job: Job, found: Payload | StreamError | None, missed: float, *, late: bool) -> None:
        """`late`: segments before it were skipped already. One that has waited too long is not examined."""
        segment = job.arrival.segment
        if missed:
            self.analyzer.skip(missed)
        waited = asyncio.get_running_loop().time() - job.announced
        too_long = job.live and waited > max(_LATE * segment.duration, _LATE_SECONDS)
        shallow = too_long or not self._decoding.allowed()
        if isinstance(found, Payload):
            work = partial(self.analyzer.analyze, segment, found.data, found.init, job.wall, shallow=shallow)
            analysis = await self._decoding.run(work)
        elif isinstance(found, Unreadable):
            analysis = self.analyzer.missing(segment, job.wall, None, remark=str(found))
        else:
            analysis = self.analyzer.missing(segment, job.wall, None if found is None else str(found))
        seen = replace(
            analysis.seen,
            rendition=self.rendition,
            announced=self.announced,
            shallow=shallow or late,
            arrived=job.arrived,
            waited=waited,
        )
        if isinstance(found, Payload):
            seen = replace(seen, size=found.size, took=found.took, ttfb=found.ttfb)
        self.newest = seen
        await self._on_segment(replace(analysis, seen=seen))

    def _loaded(self, update: Update) -> PlaylistSeen:
        """What a load brought, for the checks."""
        newest = update.new[-1].segment if update.new else None
        latency = None
        if newest and newest.program_time is not None:
            latency = self._clock() - newest.program_time - newest.duration
        return replace(
            self._seen(),
            new=len(update.new),
            added=sum(arrival.segment.duration for arrival in update.new),
            missed=sum(arrival.missed for arrival in update.new),
            behind=update.behind,
            epoch_changed=update.epoch_changed is not None,
            latency=latency,
        )

    def _seen(self, error: str | None = None) -> PlaylistSeen:
        return PlaylistSeen(
            Moment(self.analyzer.timeline.edge, self._clock()),
            self.rendition,
            error,
            self.tracker.target_duration,
            last_sequence=self.tracker.last_sequence,
        )

    async def _fetch(self, fetcher: Fetcher, job: Job) -> Payload:
        segment = job.arrival.segment
        timeout = max(10.0, min(3 * segment.duration, 30.0))
        loop = asyncio.get_running_loop()
        began = loop.time()
        try:
            return await fetcher.segment(segment, job.base, timeout)
        except FetchError:
            if loop.time() - began > timeout / 2:
                raise
        # At the live edge a segment may be announced a moment before every cache has it.
        await asyncio.sleep(min(1.0, segment.duration / 2))
        return await fetcher.segment(segment, job.base, timeout)


async def to_its_end(work: Coroutine[Any, Any, None]) -> None:
    """What an analysis has found is told even when watching is stopped meanwhile: checks never find it twice."""
    task = asyncio.create_task(work)
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        await task
        raise


async def first_to_fail(running: list["asyncio.Task[Outcome]"], straggler: float | None) -> Outcome:
    """UNAVAILABLE as soon as one feed is; ENDED once all have ended, or one has and the other is long overdue."""
    pending = set(running)
    try:
        while pending:
            timeout = straggler if len(pending) < len(running) else None
            done, pending = await asyncio.wait(pending, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
            if any(task.result() is Outcome.UNAVAILABLE for task in done):
                return Outcome.UNAVAILABLE
            if not done:
                break
        return Outcome.ENDED
    finally:
        for task in pending:
            task.cancel()
        await asyncio.gather(*pending, return_exceptions=True)
