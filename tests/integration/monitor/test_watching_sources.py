# SPDX-License-Identifier: Apache-2.0
"""Every kind of source, live and in real time, through one watch each. All at once: most of the time is waiting."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from castwarden_base.http import outbound_session
from castwarden_base.waiting import wait_until
from castwarden_local.origin.dash import DashOrigin
from castwarden_local.origin.encode import Recipe, Stretch
from castwarden_local.origin.icecast import IcecastOrigin
from castwarden_local.origin.pushed import PushedOrigin
from castwarden_local.origin.rtsp import RtspOrigin
from castwarden_worker.monitor.endless import continuous
from castwarden_worker.monitor.watch import Outcome, Source, Watch

from .conftest import CHECKS, LOOPBACK, Told, spec

SMALL = Recipe(width=160, height=90)
DARK = [Stretch(4), Stretch(6, look="black"), Stretch(4)]
QUIET = [Stretch(4), Stretch(6, heard="none"), Stretch(4)]
BLACK = ["stream.started", "black raised", "black cleared", "stream.ended"]
SILENCE = ["stream.started", "silence raised", "silence cleared", "stream.ended"]
UNHURRIED = {**CHECKS, "stall": {"raiseAfter": "60s"}, "playlistErrors": {"enabled": False}}  # while the end is proven
RUNNING = 90.0


@dataclass
class Seen:
    """One source after it was watched to its end."""

    origin: Any
    watch: Watch
    told: Told


Scenario = Callable[[aiohttp.ClientSession], Awaitable[Seen]]
SCENARIOS: dict[str, Scenario] = {}


def watching(name: str, make: Callable[[], Any], checks: dict[str, Any] | None = None) -> None:
    """A scenario that only watches to the end."""

    async def play(session: aiohttp.ClientSession) -> Seen:
        async with make() as origin:
            return await to_the_end(session, origin, checks)

    SCENARIOS[name] = play


async def to_the_end(session: aiohttp.ClientSession, origin: Any, checks: dict[str, Any] | None = None) -> Seen:
    told = Told()
    watch = Watch(session, spec(checks), told, allow=LOOPBACK)
    await go_on_watching(watch, origin.url)
    return Seen(origin, watch, told)


async def go_on_watching(watch: Watch, url: str) -> None:
    while await watch.run(Source(url)) is not Outcome.ENDED:
        await asyncio.sleep(0.5)


def dash(addressing: Any, kind: Any) -> Callable[[], DashOrigin]:
    return lambda: DashOrigin([(4, "motion"), (5, kind), (4, "motion")], addressing=addressing, recipe=SMALL)


watching("dash timeline black", dash("timeline", "black"))
watching("dash numbers black", dash("numbers", "black"))
watching("dash numbers silent", dash("numbers", "silent"))
watching("dash missing", dash("timeline", "missing"))
watching("dash periods", lambda: DashOrigin([(4, "motion"), (5, "restart")], recipe=SMALL), {})
watching("icecast mp3", lambda: IcecastOrigin(QUIET, "mp3", title="A song"), UNHURRIED)
watching("icecast opus", lambda: IcecastOrigin(QUIET, "opus"), UNHURRIED)
watching("http ts", lambda: IcecastOrigin(DARK, "ts"), UNHURRIED)
watching("rtmp", lambda: PushedOrigin(DARK, "rtmp"), UNHURRIED)
watching("srt", lambda: PushedOrigin(DARK, "srt"), UNHURRIED)
watching("rtsp", lambda: RtspOrigin(DARK), UNHURRIED)


async def interrupted(session: aiohttp.ClientSession) -> Seen:
    """A station whose connection breaks for long enough to be a stall."""
    async with IcecastOrigin([Stretch(60)], "aac") as origin:
        told = Told()
        watch = Watch(session, spec(), told, allow=LOOPBACK)
        running = asyncio.create_task(go_on_watching(watch, origin.url))
        await wait_until(lambda: watch.statistics.total_segments_analyzed >= 3, RUNNING)
        origin.hang_up()
        await wait_until(lambda: "stall raised" in told.words, RUNNING)
        origin.come_back()
        await wait_until(lambda: "stall cleared" in told.words, RUNNING)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        return Seen(origin, watch, told)


SCENARIOS["interrupted"] = interrupted


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def seen() -> dict[str, Seen]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(continuous, "_CLOSED_FOR", 6.0)
        async with outbound_session(LOOPBACK, total=60) as session, asyncio.timeout(115):
            played = await asyncio.gather(*(play(session) for play in SCENARIOS.values()))
    return dict(zip(SCENARIOS, played, strict=True))


@pytest.mark.parametrize("name", ["dash timeline black", "dash numbers black", "http ts", "rtmp", "srt", "rtsp"])
def test_black_is_raised_and_cleared_and_the_end_is_seen(seen: dict[str, Seen], name: str) -> None:
    told = seen[name].told
    assert told.words == BLACK
    assert told.transition("black cleared").duration_sec == pytest.approx(5 if "dash" in name else 6, abs=0.3)


@pytest.mark.parametrize("name", ["dash numbers silent", "icecast mp3", "icecast opus"])
def test_silence_is_raised_and_cleared_and_the_end_is_seen(seen: dict[str, Seen], name: str) -> None:
    told = seen[name].told
    assert told.words == SILENCE
    assert told.transition("silence cleared").duration_sec == pytest.approx(5 if "dash" in name else 6, abs=0.3)


@pytest.mark.parametrize(
    ("name", "reason"), [("dash timeline black", "endlist_detected"), ("rtmp", "stream_no_longer_live")]
)
def test_the_end_has_its_reason(seen: dict[str, Seen], name: str, reason: str) -> None:
    assert seen[name].watch.observation().reason == reason


def test_dash_media_is_dated_by_its_manifest(seen: dict[str, Seen]) -> None:
    black = seen["dash numbers black"]
    raised, on_air = black.told.transition("black raised"), dict(black.origin.timeline)["black"]
    assert raised.started_at.timestamp() == pytest.approx(on_air, abs=0.3)


def test_missing_dash_segments_are_counted_and_raise_an_alert_that_clears(seen: dict[str, Seen]) -> None:
    missing = seen["dash missing"]
    assert missing.told.words[:2] == ["stream.started", "segment_errors raised"]
    assert missing.told.words[-1] == "stream.ended"
    assert missing.watch.statistics.segment_errors == 10


def test_a_new_period_alerts_nobody(seen: dict[str, Seen]) -> None:
    assert seen["dash periods"].told.words == ["stream.started", "stream.ended"]
    assert seen["dash periods"].watch.view().media_time == pytest.approx(9, abs=0.2)


def test_a_station_says_what_it_plays(seen: dict[str, Seen]) -> None:
    assert seen["icecast mp3"].watch.observation().title == "A song"


def test_a_broken_connection_is_a_stall_that_ends_when_it_is_back(seen: dict[str, Seen]) -> None:
    told = seen["interrupted"].told
    stalls = [word for word in told.words if word.startswith("stall")]
    assert stalls == ["stall raised", "stall cleared"]
    assert "stream.ended" not in told.words
