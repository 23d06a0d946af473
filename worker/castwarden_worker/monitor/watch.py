# SPDX-License-Identifier: Apache-2.0
"""Watches one live stream: playlist, segments, measurements, checks, transitions. Run by the role
`monitor` and by the probe.

    watch = Watch(session, spec, emit, stream=assignment.stream, open=assignment.open, statistics=assignment.statistics)
    outcome = await watch.run(Source(url, headers))  # Outcome.ENDED, or UNAVAILABLE: resolve again and run() again
    watch.configure(new_spec)                        # at any time, also while run() is under way; nothing restarts
    watch.observation(), watch.view()                # at any time: what is known now
    await watch.end("stream_no_longer_live")         # the caller knows by other means that the stream is over

`emit` is awaited once per fact, in order. Cancelling the task that runs `run()` is the way to stop. What was learnt
stays in the object, so `run()` may be called again with another source and nothing is told twice.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from datetime import UTC, datetime
from typing import Any

import aiohttp
from castwarden_base.addresses import Network
from castwarden_model.messages import MonitorObservation, Occurrence, OpenCondition, Settled, Transition
from castwarden_model.resources.monitor import MonitorSpec, Statistics, StreamState

from . import facts
from .arrange import Arrangement, Feeds
from .checks import CheckSet
from .endless.continuous import Continuous
from .endless.taps import Tap
from .episode import Change, Moment
from .errors import StreamError
from .follow.decoding import Decoding
from .follow.feed import Feed, Outcome, first_to_fail
from .follow.fetch import Fetcher, Page
from .follow.loader import Renditions
from .follow.tracker import Update
from .health import count, health_of
from .hls.prober import RenditionProber
from .hls.rota import Edge, RenditionRota
from .seen import ClockSeen, Kind, Picture, PlaylistSeen, RenditionSeen, SegmentSeen
from .sight.analyzer import Analysis
from .sources import Opener, Source
from .view import View, view_of

__all__ = ["Emit", "Outcome", "Source", "Watch"]

_TICK = 1.0  # seconds between looks at the clock; each wakes the process
_PROBE = 10.0  # seconds between probes of other renditions: of two, one that is missing is known after half a minute
_LOOKBACK = 30.0  # seconds before the live edge where a stream that is new to us begins
_OPEN_TRIES = 3
_OPEN_WAIT = 2.0
_STRAGGLER = 30.0  # seconds that one rendition may end after the other

Emit = Callable[[Transition | Occurrence], Awaitable[None]]


class Watch:
    """One stream.

    `stream`, `open` and `statistics` say what is known from before; `whole` analyses a finished playlist from its
    beginning instead of its last half minute; `allow` opens networks for RTMP, RTSP and SRT, as it does for `session`;
    `clock` gives Unix time.
    """

    def __init__(
        self,
        session: aiohttp.ClientSession,
        spec: MonitorSpec,
        emit: Emit,
        *,
        stream: StreamState = StreamState.UNKNOWN,
        open: Iterable[OpenCondition] = (),  # noqa: A002 - the message's name for it
        statistics: Statistics | None = None,
        whole: bool = False,
        allow: Iterable[Network] = (),
        clock: Callable[[], float] = time.time,
        decoding: Decoding | None = None,
    ) -> None:
        self.checks = CheckSet(spec.checks)
        self.statistics = statistics.model_copy(deep=True) if statistics else Statistics()
        self.feeds: Feeds = ()
        self._opener = Opener(session, allow, clock=clock)
        self._spec = spec
        self._emit = emit
        self._clock = clock
        self._whole = whole
        self._started = stream in (StreamState.LIVE, StreamState.STALLED)
        lookback = 0.0 if self._started else _LOOKBACK
        decoding = decoding or Decoding()
        self._arrangement = Arrangement(self.checks, self._loaded, self._analysed, lookback, whole, clock, decoding)
        if not decoding.allowed():
            self.checks.analysis_degraded.rests()
        self._unopened: str | None = None  # why the last try to open the source failed
        self._ended: str | None = None
        self._title: str | None = None
        self._last: SegmentSeen | None = None
        self._tracks: set[Kind] = set()  # that were there at any time
        self._format: tuple[object, ...] | None = None  # of the rendition that is watched, by its multivariant playlist
        self._last_check: float | None = None
        self._prime(open)

    def configure(self, spec: MonitorSpec) -> None:
        """Takes changed settings. They count from the next segment on, for the stall at once."""
        self._spec = spec
        self.checks.configure(spec.checks)
        for feed in self.feeds:
            feed.analyzer.set_depth(spec.depth)

    async def run(self, source: Source) -> Outcome:
        """Watches until the stream ends or its playlist cannot be had any more."""
        self._title = source.title or self._title
        async with asyncio.TaskGroup() as tasks:
            beside = [tasks.create_task(self._tick())]
            outcome = await self._follow(source, lambda work: beside.append(tasks.create_task(work)))
            for task in beside:
                task.cancel()
        if outcome is Outcome.ENDED:
            said = any(isinstance(feed, Feed) for feed in self.feeds)
            await self.end("endlist_detected" if said else "stream_no_longer_live")
        return outcome

    async def end(self, reason: str) -> None:
        """The stream is over. Told once. It ends every alert that is open, and none of them has recovered."""
        if self._ended is not None:
            return
        self._ended = reason
        await self._close()
        await self._emit(facts.ended(reason, self._clock()))

    async def adopt(self, open: Iterable[OpenCondition]) -> None:  # noqa: A002 - the message's name for it
        """Goes on with episodes that are known late: they clear when the stream is good, and end with it."""
        self._prime(open)
        if self._ended is not None:
            await self._close()

    async def absent(self, error: str) -> None:
        """A look at the source found this in place of the playlist: one more try to load it that failed."""
        if self.feeds and self._ended is None:
            await self._failed(error)

    async def stuck(self, seconds: float) -> None:
        """Something has been decoded for so long, and does not return."""
        change = self.checks.analysis_degraded.stuck(self._now(), seconds)
        await self._tell([change] if change else [])

    async def idle(self) -> None:
        """Keeps time while there is no source to `run`, so that a stream that was live stalls. Cancel to stop."""
        await self._tick()

    @property
    def problem(self) -> str | None:
        """Why nothing can be seen at the moment."""
        return self._unopened or next((feed.problem for feed in self.feeds if feed.problem), None)

    def observation(self) -> MonitorObservation:
        """The state as the gateway keeps it."""
        carried: dict[str, frozenset[Kind]] = {feed.rendition: feed.analyzer.sought for feed in self.feeds}
        checked = None if self._last_check is None else datetime.fromtimestamp(self._last_check, UTC)
        return MonitorObservation(
            stream=self._state,
            title=self._title or self._heard_title,
            reason=self._ended or self.problem,
            video=health_of("video", self.checks, carried, seen="video" in self._tracks),
            audio=health_of("audio", self.checks, carried, seen="audio" in self._tracks),
            last_check_at=checked,
            statistics=self.statistics.model_copy(deep=True),
        )

    @property
    def _heard_title(self) -> str | None:
        """What the stream says that it is called."""
        return next((feed.title for feed in self.feeds if isinstance(feed, Continuous)), None)

    @property
    def picture(self) -> Picture | None:
        """The picture that was looked at last."""
        return self.feeds[0].analyzer.eyes.last if self.feeds else None

    def view(self) -> View:
        """Measurements and timing, for people who look on."""
        return view_of(self.feeds, self.checks, self._state, self.statistics, self.problem, self._now())

    @property
    def _state(self) -> StreamState:
        if self._ended:
            return StreamState.ENDED
        if not self._started:
            return StreamState.UNKNOWN
        return StreamState.STALLED if self.checks.stall.alert else StreamState.LIVE

    def _prime(self, conditions: Iterable[OpenCondition]) -> None:
        for known in conditions:
            if check := self.checks.named(known.condition):
                check.prime(known.episode, known.started_at.timestamp(), known.measured)

    async def _close(self) -> None:
        now = self._now()
        await self._tell(change for check in self.checks if (change := check.close(now, Settled.STREAM_ENDED)))

    async def _follow(self, source: Source, start: Callable[[Coroutine[Any, Any, None]], None]) -> Outcome:
        """`start` begins what goes on beside the feeds."""
        opened = await self._open(source)
        if opened is None:
            return Outcome.UNAVAILABLE
        if not isinstance(opened, Renditions):
            tapped = self._arrangement.continuous(self.feeds)
            self._arrange(tapped)
            return await tapped.run(opened)
        if opened.format is not None:
            self._watches(opened.format)
        feeds = self._arrangement.renditions(self.feeds, separate=len(opened.loaders) > 1)
        self._arrange(*feeds)
        running = []
        for feed, loader in zip(feeds, opened.loaders, strict=True):
            feed.announced = opened.announced & feed.analyzer.sought
            running.append(asyncio.create_task(feed.run(opened.fetcher, loader)))
        if opened.offer:
            start(self._prober(opened.fetcher, *opened.offer).run())
        return await first_to_fail(running, None if self._whole else _STRAGGLER)

    async def _open(self, source: Source) -> Renditions | Tap | None:
        """Finds out what it is; None when that is in vain."""
        for attempt in range(_OPEN_TRIES):
            if attempt:
                await asyncio.sleep(_OPEN_WAIT)
            try:
                opened = await self._opener.open(source)
            except StreamError as error:
                self._unopened = str(error)
                if self.feeds and attempt:  # it was a stream before; the first try comes right after a load that failed
                    await self._failed(str(error))
            else:
                self._unopened = None
                return opened
        return None

    async def _failed(self, error: str) -> None:
        target = self.feeds[0].tracker.target_duration
        await self._loaded(PlaylistSeen(self._now(), "main", error, target), None)

    def _arrange(self, *feeds: Feed | Continuous) -> None:
        self.feeds = feeds
        self.configure(self._spec)

    def _watches(self, format: tuple[object, ...]) -> None:  # noqa: A002 - the field's word
        """Another format than before is another rendition, and no fault of the stream."""
        if self._format not in (None, format):
            self.checks.renewed()
        self._format = format

    async def _tick(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(_TICK)
            arrivals = [feed.tracker.last_new for feed in self.feeds if feed.tracker.last_new is not None]
            if arrivals and self._started and not self._ended:
                idle = loop.time() - min(arrivals)
                target = max(feed.tracker.target_duration for feed in self.feeds)
                count = min(feed.tracker.new_count for feed in self.feeds)
                part = self.feeds[0].tracker.part_target
                await self._tell(self.checks.clock(ClockSeen(self._now(), idle, target, count, part)))

    async def _loaded(self, seen: PlaylistSeen, update: Update | None) -> None:
        if update and update.epoch_changed and seen.rendition == "main":
            await self._emit(facts.epoch_changed(*update.epoch_changed, self._clock()))
        if self._started or seen.error is None:  # a stream that has not begun has no playlist yet
            await self._tell(self.checks.playlist(seen))

    def _prober(self, fetcher: Fetcher, url: str, page: Page) -> RenditionProber:
        return RenditionProber(
            fetcher,
            url,
            page,
            edge=lambda: Edge.of(newest) if (newest := self.feeds[0].tracker.newest) else None,
            at=self._now,
            on_seen=self._probed,
            rota=RenditionRota(every=_PROBE, each=2 * _PROBE),
            monotonic=asyncio.get_running_loop().time,
        )

    async def _probed(self, seen: RenditionSeen) -> None:
        await self._tell(self.checks.rendition(seen))

    async def _analysed(self, analysis: Analysis) -> None:
        seen = analysis.seen
        if seen.rendition == "main":
            self._last = seen
        self._tracks |= {*(["video"] if seen.video else ()), *(["audio"] if seen.audio else ())}
        self._last_check = self._clock()
        self.statistics.total_segments_analyzed += 1
        self.statistics.segment_errors += seen.error is not None
        if not self._started and seen.error is None:
            self._started = True
            await self._emit(facts.started(self._title or self._heard_title or "", self._clock()))
        await self._tell([*analysis.changes, *self.checks.segment(seen)], seen)

    async def _tell(self, changes: Iterable[Change], seen: SegmentSeen | None = None) -> None:
        for change in changes:
            count(change, self.statistics)
            check = self.checks.named(change.condition)
            measured = check.measured() if check else {}
            await self._emit(facts.transition(change, seen or self._last, self._clock(), measured))

    def _now(self) -> Moment:
        """The edge of media, now."""
        return Moment(self.feeds[0].analyzer.timeline.edge if self.feeds else 0.0, self._clock())
