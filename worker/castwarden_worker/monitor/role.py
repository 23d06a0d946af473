# SPDX-License-Identifier: Apache-2.0
"""Role monitor: looks for the stream, watches it while it is there, tells what happens. Never ends by itself."""

import asyncio
from collections.abc import Iterable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from uuid import UUID

import aiohttp
from castwarden_base.http import outbound_session
from castwarden_base.logs import get_logger
from castwarden_model.messages import MonitorAssignment, MonitorObservation, Occurrence, OpenCondition, Transition
from castwarden_model.resources import StreamState
from castwarden_model.resources.monitor import MonitorSpec, Statistics
from prometheus_client import Counter

from ..assignments import with_facts
from ..decoding import DecodeThreads, Stuck
from ..outcomes import Blocked, Ended, Live, NotLive, Outcome, Unsupported
from ..resolve import Resolver
from ..shell import Work
from . import facts
from .follow.decoding import Decoding, Examination
from .glance import Glances, Shown
from .looks import Looks
from .peek import goes_on
from .rest import Rest
from .shut_out import ShutOut
from .sight.analyzer import Analysis
from .sources import Opener, Source
from .standing import overdue, standing
from .teller import Fact, Teller
from .watch import Outcome as Watched
from .watch import Watch

log = get_logger(__name__)
LOOKS = Counter("castwarden_worker_looks_total", "Looks at the source by what they found", ["outcome"])
ALERTS = Counter("castwarden_monitor_alerts_total", "Conditions raised", ["condition"])
_THREADS = 2  # for a picture and a sound that come apart
_TICK = 1.0
_RENEW_EARLY = timedelta(minutes=5)


async def watch_stream(work: Work) -> int:
    """The role. Runs until it is cancelled."""
    settings = work.settings
    async with outbound_session(settings.outbound_allow, total=60) as session:
        resolver = Resolver(session, settings.outbound_allow, settings.state_dir)
        threads = DecodeThreads(_THREADS)
        work.health.live_while("decoding", threads.failure)
        return await StreamRole(work, session, resolver, threads).run()


class StreamRole:
    """One Monitor."""

    def __init__(self, work: Work, session: aiohttp.ClientSession, resolver: Resolver, threads: DecodeThreads) -> None:
        assignment = work.assignment
        if not isinstance(assignment, MonitorAssignment):
            raise TypeError(f"a monitor cannot work on a {assignment.kind}")
        self._work = work
        self._session = session
        self._resolver = resolver
        self._threads = threads
        self._rest = Rest(work.settings.state_dir / "rest")
        self._assignment = assignment  # as the gateway gave it
        self._known = assignment  # with all that we told since
        self._unheard: list[Transition] | None = [] if assignment is work.assignments.fallback else None
        self._looks = Looks()
        self._found: Outcome | None = None
        self._over = assignment.stream is StreamState.ENDED
        self._watching = False
        self._analysed = 0
        self._shut_out = ShutOut(assignment.open)
        self._watch = self._new_watch(assignment.stream, assignment.statistics)
        self._round: asyncio.Task[None] | None = None
        self._nudge = asyncio.Event()
        self._teller = Teller(work.reporter, work.assignments, self._to_keep)
        self._glances = Glances(assignment.resource, self._show, work.gateway.glance)
        self._told: set[UUID] = set()
        work.health.ready_while("source", self._unready)

    async def run(self) -> int:
        """Looks, watches, waits, for ever."""
        telling = asyncio.create_task(self._teller.run(), name="telling")
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(_share_fate(telling))
                tasks.create_task(self._follow_assignment())
                tasks.create_task(self._keep_telling())
                tasks.create_task(self._glances.run())
                await self._keep_looking()
        finally:
            self._teller.close()
            await telling
        return 0

    @property
    def _spec(self) -> MonitorSpec:
        return self._assignment.spec

    @property
    def _started(self) -> bool:
        return self._known.stream in (StreamState.LIVE, StreamState.STALLED)

    def _new_watch(self, stream: StreamState, statistics: Statistics) -> Watch:
        still_open = self._known.open
        return Watch(
            self._session,
            self._spec,
            self._emit,
            stream=stream,
            open=still_open,
            statistics=statistics,
            allow=self._work.settings.outbound_allow,
            decoding=Decoding(self._decode, self._rest.is_over),
        )

    async def _decode(self, examination: Examination) -> Analysis:
        try:
            return await self._threads.run(examination, self._watch.stuck)
        except Stuck:
            self._rest.begin()
            raise

    async def _follow_assignment(self) -> None:
        while True:
            found = await self._work.assignments.changed(self._assignment)
            if not isinstance(found, MonitorAssignment):
                continue
            self._assignment = found
            if self._unheard is not None:
                unheard, self._unheard = self._unheard, None
                await self._adopt(with_facts(found, unheard, []).open)
            self._watch.configure(found.spec)
            self._nudge.set()
            if found.spec.suspend and self._round:
                self._round.cancel()

    async def _adopt(self, there: Iterable[OpenCondition]) -> None:
        """Takes up what the gateway has open and the kept assignment did not know of: nobody else would clear it."""
        held = {condition.episode for condition in self._known.open}
        news = [condition for condition in there if condition.episode not in held]
        by_name = {condition.condition: condition for condition in (*self._known.open, *news)}
        self._known = self._known.model_copy(update={"open": list(by_name.values())})
        self._shut_out.adopt(news)
        await self._watch.adopt(news)

    async def _keep_looking(self) -> None:
        while True:
            if self._spec.suspend:
                await self._pause(None)
                continue
            self._round = asyncio.create_task(self._look(), name="look")
            try:
                await asyncio.wait({self._round})
            finally:
                self._round.cancel()
            with suppress(asyncio.CancelledError):  # it was stopped because of spec.suspend
                self._round.result()

    async def _look(self) -> None:
        """One look, what follows from it, and the wait for the next one."""
        outcome: Outcome | None = await self._resolver.resolve(
            self._spec.source.page_url, self._spec.resolver, self._work.gateway.extraction
        )
        LOOKS.labels(type(outcome).__name__.lower()).inc()
        if isinstance(outcome, Live):
            outcome = await self._watch_it(outcome)
        elif isinstance(outcome, Unsupported) and self._started:
            outcome = Blocked("not_a_playlist", outcome.message)  # it was one before: a page is in its place now
        now = asyncio.get_running_loop().time()
        self._looks.took(outcome, now)
        self._found = outcome
        await self._conclude(outcome, now)
        doubted = self._started and not self._over
        interval = self._spec.look_interval.total_seconds()
        wait = self._looks.wait(outcome, interval, now, datetime.now(UTC), doubted=doubted)
        log.debug("looked", outcome=type(outcome).__name__, wait_seconds=wait)
        unknown = isinstance(outcome, Blocked) and outcome.turned_away  # then whether it stalls, too
        idle = asyncio.create_task(self._watch.idle()) if doubted and not unknown else None
        try:
            await self._pause(wait)
        finally:
            if idle:
                idle.cancel()

    async def _watch_it(self, live: Live) -> Outcome | None:
        """Watches until there is something new to know: the end, why nothing is seen, or None to look again."""
        source = Source(live.url, live.headers, live.title)
        if self._over:
            if not await goes_on(Opener(self._session, self._work.settings.outbound_allow), source):
                return Ended()
            self._over = False
            self._watch = self._new_watch(StreamState.UNKNOWN, self._watch.statistics)
        self._found = live
        self._analysed = self._watch.statistics.total_segments_analyzed
        self._watching = True
        try:
            async with asyncio.timeout(_seconds_until(live.expires)):
                seen = await self._watch.run(source)
        except TimeoutError:
            return None
        finally:
            self._watching = False
        if seen is Watched.ENDED:
            return Ended("endlist_detected")
        if self._watch.statistics.total_segments_analyzed == self._analysed:
            return Blocked("playlist_refused", self._watch.problem or "The playlist cannot be read.")
        return None

    async def _conclude(self, outcome: Outcome | None, now: float) -> None:
        """Tells what this look, with those before it, proves."""
        if isinstance(outcome, Blocked):
            if self._looks.is_shut_out(now):
                self._tell(self._shut_out.begin(outcome, self._looks.blocked_for(now)))
        elif outcome is not None:
            self._tell(self._shut_out.end())
        if isinstance(outcome, NotLive) and outcome.answer:
            await self._take_absence(outcome.reason, outcome.answer, now)
        if isinstance(outcome, (Ended, NotLive)) and self._started and self._looks.is_over(now):
            await self._watch.end("stream_no_longer_live")
        if isinstance(outcome, Unsupported):
            self._tell_error(outcome.reason, outcome.message)

    async def _take_absence(self, reason: str, answer: str, now: float) -> None:
        """The URL itself leads to nothing: a fault of a stream that was live, and of the spec if it never was."""
        if self._started:
            await self._watch.absent(answer)
        elif self._known.stream is StreamState.UNKNOWN and not self._spec.schedule and self._looks.is_over(now):
            self._tell_error(reason, f"The source answers {answer}; check spec.source.url.")

    def _tell_error(self, reason: str, message: str) -> None:
        self._tell_once(facts.unsupported(self._assignment.resource, self._assignment.version, reason, message))

    def _tell_once(self, occurrence: Occurrence) -> None:
        if occurrence.id not in self._told:
            self._told.add(occurrence.id)
            self._tell(occurrence)

    def _tell(self, fact: Fact | None) -> None:
        """Takes one fact into what is known, and passes it on together with the state that it led to."""
        if fact is None:
            return
        if isinstance(fact, Transition):
            self._known = with_facts(self._known, [fact], [])
            self._glances.told(fact)
            if fact.state == "raised":
                ALERTS.labels(fact.condition).inc()
            if self._unheard is not None:
                self._unheard.append(fact)
        else:
            self._known = with_facts(self._known, [], [fact])
            self._over = fact.type == "stream.ended" or (self._over and fact.type != "stream.started")
        self._teller.say(self._assignment.epoch, self.observation(), fact)

    async def _emit(self, fact: Fact) -> None:
        if isinstance(fact, Occurrence) and fact.type == "stream.ended":
            self._tell(self._shut_out.end())  # whoever saw the end was able to look
        self._tell(fact)

    def _to_keep(self) -> MonitorAssignment:
        now = {"spec": self._spec, "version": self._assignment.version, "statistics": self._watch.statistics}
        return self._known.model_copy(update=now)

    async def _keep_telling(self) -> None:
        while True:
            await asyncio.sleep(_TICK)
            if self._watching and self._watch.statistics.total_segments_analyzed > self._analysed:
                self._tell(self._shut_out.end())
            if not (self._started or self._over) and (late := overdue(self._found, self._spec, datetime.now(UTC))):
                self._tell_once(facts.delayed(self._assignment.resource, late.start, late.tolerance))
            self._teller.snapshot(self._assignment.epoch, self.observation())

    def observation(self) -> MonitorObservation:
        """The state as the gateway keeps it."""
        return standing(
            self._watch.observation(),
            self._found,
            shut_out=self._shut_out.is_open,
            over=self._over,
            watched=self._watching or self._started,
            end_reason=self._known.end_reason,
        )

    def _show(self) -> Shown | None:
        if self._spec.suspend:
            return None
        return Shown(self._assignment.epoch, self._watch.view(), self.observation().stream, self._watch.picture)

    def _unready(self) -> str | None:
        if self._spec.suspend:
            return None
        if self._found is None:
            return "not looked yet"
        return f"cannot look: {self._found.reason}" if isinstance(self._found, (Blocked, Unsupported)) else None

    async def _pause(self, seconds: float | None) -> None:
        """Waits, at most until the assignment changes."""
        self._nudge.clear()
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._nudge.wait()


async def _share_fate(task: "asyncio.Task[None]") -> None:
    """Ends as `task` does, without being able to cancel it."""
    await asyncio.shield(task)


def _seconds_until(expires: datetime | None) -> float | None:
    return None if expires is None else max(60.0, (expires - _RENEW_EARLY - datetime.now(UTC)).total_seconds())
