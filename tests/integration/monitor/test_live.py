# SPDX-License-Identifier: Apache-2.0
"""Live origins in real time, each with its own fault. All are watched at once, since most of the time is waiting."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from castwarden_base.http import outbound_session
from castwarden_base.waiting import wait_until
from castwarden_local.origin.encode import Recipe
from castwarden_local.origin.live import Kind, LiveOrigin
from castwarden_model.messages import Occurrence, OpenCondition
from castwarden_model.resources.monitor import StreamState
from castwarden_worker.monitor.watch import Outcome, Source, Watch

from .conftest import LOOPBACK, Told, spec

SMALL = Recipe(width=160, height=90)
RUNNING = 80.0


@dataclass
class Seen:
    """One scenario after it was played."""

    origin: LiveOrigin
    watch: Watch
    told: Told


Scenario = Callable[[aiohttp.ClientSession], Awaitable[Seen]]
SCENARIOS: dict[str, Scenario] = {}


def scenario(play: Scenario) -> Scenario:
    SCENARIOS[play.__name__] = play
    return play


def script(name: str, parts: list[tuple[float, Kind]], checks: dict[str, Any] | None = None, **origin: Any) -> None:
    """A scenario that only watches to the end."""

    async def play(session: aiohttp.ClientSession) -> Seen:
        async with LiveOrigin(parts, recipe=SMALL, **origin) as made:
            told = Told()
            watch = Watch(session, spec(checks), told)
            while await watch.run(Source(made.url)) is not Outcome.ENDED:
                await asyncio.sleep(0.5)
        return Seen(made, watch, told)

    SCENARIOS[name] = play


script("black", [(4, "motion"), (5, "black"), (3, "motion")])
script("stall", [(3, "motion"), (6, "stall"), (4, "motion")])
script("missing", [(3, "motion"), (3, "missing"), (7, "motion")])
script("truncated", [(3, "motion"), (1, "truncated"), (3, "motion")])
script("restart", [(4, "motion"), (6, "restart")], first_sequence=500)
script("ended_while_black", [(4, "motion"), (6, "black")])
script("page", [(3, "motion"), (2, "html"), (4, "motion")], {})


@scenario
async def killed_while_black(session: aiohttp.ClientSession) -> Seen:
    async with LiveOrigin([(3, "motion"), (9, "black"), (6, "motion")], recipe=SMALL) as origin:
        before, after = Told(), Told()
        await watch_until(Watch(session, spec(), before), origin, lambda: "black raised" in before.words)
        raised = before.transition("black raised")
        known = opened("black", str(raised.episode), raised.started_at)
        second = Watch(session, spec(), after, stream=StreamState.LIVE, open=known)
        assert await second.run(Source(origin.url)) is Outcome.ENDED
    assert after.transition("black cleared").episode == raised.episode
    return Seen(origin, second, after)


@scenario
async def restarted_in_a_stall(session: aiohttp.ClientSession) -> Seen:
    async with LiveOrigin([(3, "motion"), (30, "stall")], recipe=SMALL) as origin:
        await wait_until(lambda: origin.elapsed > 4, RUNNING)
        known = opened("stall", "01a1fb67-c502-759a-9ae8-7ecc072f1e88", origin.went_on_air)
        told = Told()
        watch = Watch(session, spec(), told, stream=StreamState.STALLED, open=known)
        await watch_until(watch, origin, lambda: origin.elapsed > 9)
    return Seen(origin, watch, told)


@scenario
async def thresholds_changed(session: aiohttp.ClientSession) -> Seen:
    async with LiveOrigin([(3, "motion"), (20, "black")], recipe=SMALL) as origin:
        told = Told()
        watch = Watch(session, spec({}), told)

        async def change() -> None:
            await wait_until(lambda: origin.elapsed > 6, RUNNING)
            watch.configure(spec({"black": {"raiseAfter": "1s"}}))
            await wait_until(lambda: "black raised" in told.words, RUNNING)
            watch.configure(spec({"black": {"enabled": False}}))

        changing = asyncio.create_task(change())
        await watch_until(watch, origin, lambda: "black cleared" in told.words)
        await changing
    return Seen(origin, watch, told)


@scenario
async def url_renewed(session: aiohttp.ClientSession) -> Seen:
    """What a resolver does before a signed URL expires."""
    async with LiveOrigin([(12, "motion")], recipe=SMALL) as origin:
        told = Told()
        watch = Watch(session, spec(), told)
        await watch_until(watch, origin, lambda: watch.statistics.total_segments_analyzed >= 3)
        assert await watch.run(Source(f"{origin.url}?signature=new")) is Outcome.ENDED
    return Seen(origin, watch, told)


async def watch_until(watch: Watch, origin: LiveOrigin, enough: Callable[[], bool]) -> None:
    running = asyncio.create_task(watch.run(Source(origin.url)))
    await wait_until(enough, RUNNING)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


def opened(condition: str, episode: str, started_at: datetime) -> list[OpenCondition]:
    values = {"condition": condition, "episode": episode, "started_at": started_at}
    return [OpenCondition.model_validate(values)]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def seen() -> dict[str, Seen]:
    async with outbound_session(LOOPBACK, total=60) as session, asyncio.timeout(110):
        played = await asyncio.gather(*(play(session) for play in SCENARIOS.values()))
    return dict(zip(SCENARIOS, played, strict=True))


def test_a_live_alert_is_dated_by_the_streams_own_clock(seen: dict[str, Seen]) -> None:
    black = seen["black"]
    assert black.told.words == ["stream.started", "black raised", "black cleared", "stream.ended"]
    raised, on_air = black.told.transition("black raised"), dict(black.origin.timeline)["black"]
    assert raised.started_at.timestamp() == pytest.approx(on_air, abs=0.1)
    assert raised.media_time == pytest.approx(7, abs=0.05)
    assert raised.at.timestamp() >= on_air + 3


def test_a_stream_that_ends_during_an_alert_has_the_alerts_end_first(seen: dict[str, Seen]) -> None:
    ended = seen["ended_while_black"]
    assert ended.told.words == ["stream.started", "black raised", "black cleared", "stream.ended"]
    raised, cleared = ended.told.transition("black raised"), ended.told.transition("black cleared")
    assert cleared.episode == raised.episode
    assert cleared.duration_sec == pytest.approx(6, abs=0.2)
    assert not any(check.alert for check in ended.watch.checks)


def test_a_stall_is_raised_and_clears_with_new_segments(seen: dict[str, Seen]) -> None:
    stall = seen["stall"]
    assert stall.told.words == ["stream.started", "stall raised", "stall cleared", "stream.ended"]
    raised, cleared = stall.told.transition("stall raised"), stall.told.transition("stall cleared")
    assert raised.started_at.timestamp() >= dict(stall.origin.timeline)["stall"] - 0.5
    assert raised.media_time == pytest.approx(3, abs=0.05)
    assert cleared.duration_sec > 5
    assert cleared.episode == raised.episode


def test_missing_segments_are_counted_and_raise_an_alert_that_clears(seen: dict[str, Seen]) -> None:
    missing = seen["missing"]
    assert missing.told.words == ["stream.started", "segment_errors raised", "segment_errors cleared", "stream.ended"]
    assert missing.told.transition("segment_errors raised").measured == {"error": "HTTP 404"}
    assert missing.watch.statistics.segment_errors == 3
    assert missing.watch.statistics.total_segments_analyzed == 13


def test_one_truncated_segment_is_counted_and_is_no_alert(seen: dict[str, Seen]) -> None:
    assert seen["truncated"].told.words == ["stream.started", "stream.ended"]
    assert seen["truncated"].watch.statistics.segment_errors == 1


def test_a_restarted_numbering_is_a_new_epoch_and_no_stall(seen: dict[str, Seen]) -> None:
    restart = seen["restart"]
    assert restart.told.words == ["stream.started", "stream.epoch_changed", "stream.ended"]
    (changed,) = [fact for fact in restart.told.facts if isinstance(fact, Occurrence) and "epoch" in fact.type]
    assert changed.data == {"from_sequence": 503, "to_sequence": 0}
    assert restart.watch.statistics.total_segments_analyzed == 10
    assert restart.watch.view().media_time == pytest.approx(10, abs=0.1)


def test_a_page_instead_of_the_playlist_is_survived(seen: dict[str, Seen]) -> None:
    assert seen["page"].told.words == ["stream.started", "stream.ended"]
    assert seen["page"].watch.statistics.total_segments_analyzed == 9


def test_a_killed_worker_repeats_nothing_and_sends_the_recovery(seen: dict[str, Seen]) -> None:
    told = seen["killed_while_black"].told
    assert told.words == ["black cleared", "stream.ended"]
    assert told.transition("black cleared").duration_sec == pytest.approx(9, abs=0.5)


def test_a_restarted_worker_does_not_take_old_segments_for_the_end_of_a_stall(seen: dict[str, Seen]) -> None:
    stalled = seen["restarted_in_a_stall"]
    assert stalled.told.words == []
    assert stalled.watch.statistics.total_segments_analyzed == 1
    assert stalled.watch.observation().stream is StreamState.STALLED


def test_changed_thresholds_reach_a_stream_that_is_being_watched(seen: dict[str, Seen]) -> None:
    told = seen["thresholds_changed"].told
    assert told.words == ["stream.started", "black raised", "black cleared"]
    raised = told.transition("black raised")
    assert raised.threshold_sec == 1
    assert raised.media_time == pytest.approx(4, abs=0.05)


def test_a_renewed_url_is_watched_on_as_the_same_stream(seen: dict[str, Seen]) -> None:
    renewed = seen["url_renewed"]
    assert renewed.told.words == ["stream.started", "stream.ended"]
    assert renewed.watch.statistics.total_segments_analyzed == 12
    assert renewed.watch.view().media_time == pytest.approx(12, abs=0.1)


@pytest.mark.parametrize(("path", "problem"), [("nothing.m3u8", "HTTP 404"), ("main/0.ts", "not a playlist")])
async def test_a_playlist_that_is_not_there_is_unavailable_and_says_why(
    session: aiohttp.ClientSession, path: str, problem: str
) -> None:
    async with LiveOrigin([(2, "motion")], recipe=SMALL, live=False) as origin:
        watch = Watch(session, spec(), Told())
        assert await watch.run(Source(origin.url.replace("main.m3u8", path))) is Outcome.UNAVAILABLE
    assert problem in str(watch.problem)
    assert watch.observation().stream is StreamState.UNKNOWN
