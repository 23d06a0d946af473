# SPDX-License-Identifier: Apache-2.0
"""Following streams without playlists: scripted taps in virtual time."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence

import pytest
from castwarden_local.origin.encode import Recipe
from castwarden_local.origin.encode import Stretch as Script
from castwarden_local.origin.streams import air
from castwarden_model.resources import Checks
from castwarden_worker.monitor.checks import CheckSet
from castwarden_worker.monitor.endless.continuous import Continuous
from castwarden_worker.monitor.endless.stretches import Stretch, cutter_for
from castwarden_worker.monitor.errors import FetchError, StreamError
from castwarden_worker.monitor.follow.feed import Outcome
from castwarden_worker.monitor.follow.tracker import Tracker, Update
from castwarden_worker.monitor.seen import PlaylistSeen
from castwarden_worker.monitor.sight.analyzer import Analysis, Analyzer

Connection = Callable[[], AsyncGenerator[Stretch, None]]
pytestmark = [pytest.mark.looptime]


@pytest.fixture(scope="module")
def stretches() -> list[Stretch]:
    """Eight seconds in four stretches."""
    data = b"".join(piece.data for piece in air([Script(8)], "ts", Recipe(width=64, height=36)))
    cutter = cutter_for(data[:4096])
    return [*cutter.feed(data), *cutter.finish()]


class ScriptedTap:
    """Plays one connection after the other; the last one again and again."""

    title = "A station"

    def __init__(self, connections: Sequence[Connection]) -> None:
        self.opened = 0
        self._connections = connections

    async def stretches(self) -> AsyncGenerator[Stretch, None]:
        connection = self._connections[min(self.opened, len(self._connections) - 1)]
        self.opened += 1
        async for stretch in connection():
            yield stretch


def playing(stretches: Sequence[Stretch], then: StreamError | None = None, every: float = 2.0) -> Connection:
    async def play() -> AsyncGenerator[Stretch, None]:
        for stretch in stretches:
            await asyncio.sleep(every)
            yield stretch
        if then:
            raise then

    return play


REFUSED = playing([], FetchError("cannot reach it"))


class Heard:
    """A feed and what it told."""

    def __init__(self, closed_for: float = 60.0) -> None:
        self.analyses: list[Analysis] = []
        self.loads: list[PlaylistSeen] = []
        self.feed = Continuous(
            Analyzer(CheckSet(Checks())),
            Tracker(0.0),
            on_playlist=self._playlist,
            on_segment=self._segment,
            closed_for=closed_for,
        )

    async def _playlist(self, seen: PlaylistSeen, _: Update | None) -> None:
        self.loads.append(seen)

    async def _segment(self, analysis: Analysis) -> None:
        self.analyses.append(analysis)

    @property
    def errors(self) -> list[str]:
        return [seen.error for seen in self.loads if seen.error]


async def test_every_stretch_is_announced_and_analysed_in_order(stretches: list[Stretch]) -> None:
    heard = Heard()
    assert await heard.feed.run(ScriptedTap([playing(stretches), REFUSED])) is Outcome.ENDED
    assert [analysis.seen.sequence for analysis in heard.analyses] == [1, 2, 3, 4]
    assert sum(seen.new for seen in heard.loads) == 4
    assert heard.feed.analyzer.timeline.edge == pytest.approx(8, abs=0.2)
    assert heard.feed.title == "A station"
    assert not any(analysis.seen.error or analysis.seen.discontinuity for analysis in heard.analyses)


async def test_a_stream_that_was_closed_in_order_has_ended_a_minute_later(stretches: list[Stretch]) -> None:
    heard = Heard()
    loop = asyncio.get_running_loop()
    began = loop.time()
    assert await heard.feed.run(ScriptedTap([playing(stretches[:1]), REFUSED])) is Outcome.ENDED
    assert loop.time() - began >= 62


async def test_a_stream_that_comes_back_within_the_minute_goes_on_after_a_discontinuity(
    stretches: list[Stretch],
) -> None:
    heard = Heard()
    tap = ScriptedTap([playing(stretches[:1]), REFUSED, REFUSED, REFUSED, playing(stretches[1:]), REFUSED])
    assert await heard.feed.run(tap) is Outcome.ENDED
    assert [analysis.seen.discontinuity for analysis in heard.analyses] == [False, True, False, False]
    assert heard.feed.analyzer.timeline.edge == pytest.approx(8, abs=0.2)


async def test_a_stream_that_breaks_and_cannot_be_reached_is_unavailable_and_not_over(
    stretches: list[Stretch],
) -> None:
    heard = Heard()
    tap = ScriptedTap([playing(stretches[:1], FetchError("the connection was lost")), REFUSED])
    assert await heard.feed.run(tap) is Outcome.UNAVAILABLE
    assert heard.errors == ["the connection was lost", *["cannot reach it"] * 3]
    assert heard.feed.problem == "cannot reach it"


async def test_a_connection_without_media_is_given_up(stretches: list[Stretch]) -> None:
    async def silent() -> AsyncGenerator[Stretch, None]:
        await asyncio.sleep(3600)
        yield stretches[0]

    heard = Heard()
    loop = asyncio.get_running_loop()
    began = loop.time()
    assert await heard.feed.run(ScriptedTap([silent])) is Outcome.UNAVAILABLE
    assert heard.errors == ["no media for 30 s"] * 3
    assert 90 <= loop.time() - began < 110


async def test_what_was_learnt_outlives_a_run(stretches: list[Stretch]) -> None:
    heard = Heard()
    broken = FetchError("the connection was lost")
    await heard.feed.run(ScriptedTap([playing(stretches[:2], broken), REFUSED]))
    await heard.feed.run(ScriptedTap([playing(stretches[2:], broken), REFUSED]))
    assert [analysis.seen.sequence for analysis in heard.analyses] == [1, 2, 3, 4]
    assert heard.analyses[2].seen.discontinuity
