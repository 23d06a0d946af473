# SPDX-License-Identifier: Apache-2.0
"""Role monitor: real processes watch real live streams and tell gateways of the documented API.

All stories are played at once, since most of the time is waiting; each test says how its own one went.
"""

import asyncio
import signal
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import pytest
import pytest_asyncio
from castwarden_base.ids import uuid7
from castwarden_local.origin.encode import Recipe
from castwarden_local.origin.live import Kind, LiveOrigin
from castwarden_model.messages import MonitorAssignment, OpenCondition, Report, ResourceRef
from castwarden_model.resources import MonitorSpec, StreamState

from .conftest import FakeGateway, Worker, Workers, stage, until

REF = ResourceRef(kind="Monitor", namespace="media", name="main", uid="uid-1")
QUICK = {
    "black": {"raiseAfter": "1500ms", "clearAfter": "1s"},
    "freeze": {"enabled": False},
    "silence": {"enabled": False},
}

SMALL = Recipe(width=160, height=90)
Story = Callable[[FakeGateway, Workers], Awaitable[None]]
STORIES: dict[str, Story] = {}


def side_by_side(story: Story) -> Callable[..., None]:
    """Makes a test of a story that is played together with the others."""
    name = story.__name__
    STORIES[name] = story

    def test(endings: dict[str, BaseException | None]) -> None:
        if ending := endings[name]:
            raise ending

    return test


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def endings(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, BaseException | None]:
    """How each story that is asked for went."""
    names = [name for name in STORIES if any(item.name == name for item in request.session.items)]

    async def play(name: str) -> None:
        async with stage(tmp_path_factory.mktemp("story")) as (gateway, workers), asyncio.timeout(100):
            await STORIES[name](gateway, workers)

    played = await asyncio.gather(*map(play, names), return_exceptions=True)
    return dict(zip(names, played, strict=True))


def on_air(*script: tuple[float, Kind], live: bool = True) -> LiveOrigin:
    return LiveOrigin(script, recipe=SMALL, live=live)


async def begun(gateway: FakeGateway, workers: Workers, **known: Any) -> Worker:
    """A worker that has nothing to do yet: when many start at once, that takes longer than some streams last."""
    gateway.assign(assigned("http://127.0.0.1:1/", version="0", more={"suspend": True}, **known))
    worker = await workers.start("monitor", REF)
    await until(lambda: any(asked.get("version") == "0" for asked in gateway.asked))
    return worker


def assigned(url: str, *, version: str = "1", checks: dict[str, Any] | None = None, **known: Any) -> MonitorAssignment:
    spec = {"source": {"url": url}, "lookInterval": "2s", "checks": QUICK if checks is None else checks}
    return MonitorAssignment(
        resource=REF, version=version, epoch=1, spec=MonitorSpec.model_validate(spec | known.pop("more", {})), **known
    )


def facts(reports: list[Report]) -> list[str]:
    """What was told, in order: `stream.started`, `black raised`, …"""
    told: list[str] = []
    for report in reports:
        told += [occurrence.type for occurrence in report.occurrences]
        told += [f"{transition.condition} {transition.state}" for transition in report.transitions]
    return told


def states(reports: list[Report]) -> list[StreamState]:
    return [report.monitor.stream for report in reports if report.monitor]


@side_by_side
async def test_a_stream_is_told_from_its_start_to_its_end(gateway: FakeGateway, workers: Workers) -> None:
    worker = await begun(gateway, workers)
    async with on_air((4, "motion"), (4, "black"), (4, "motion")) as origin:
        gateway.assign(assigned(origin.url))
        await until(lambda: "stream.started" in facts(gateway.reports))
        assert (await worker.health("/readyz"))[0] == 200
        await until(lambda: "stream.ended" in facts(gateway.reports))
    assert facts(gateway.reports) == ["stream.started", "black raised", "black cleared", "stream.ended"]
    raised, cleared = [t for report in gateway.reports for t in report.transitions]
    assert raised.episode == cleared.episode
    assert raised.threshold_sec == 1.5
    assert cleared.duration_sec == pytest.approx(4, abs=1.5)
    told = [report for report in gateway.reports if report.occurrences or report.transitions]
    assert [report.monitor.stream for report in told if report.monitor] == [StreamState.LIVE] * 3 + [StreamState.ENDED]
    assert told[-1].occurrences[0].data == {"reason": "endlist_detected"}
    worker.terminate()
    assert await worker.wait() == 0


@side_by_side
async def test_kill_9_while_an_alert_is_open_and_untold_neither_loses_nor_doubles_it(
    gateway: FakeGateway, workers: Workers
) -> None:
    first = await begun(gateway, workers)
    gateway.answer = lambda report: (503, "database_unavailable") if report.transitions else None
    async with on_air((4, "motion"), (10, "black"), (4, "motion")) as origin:
        gateway.assign(assigned(origin.url))
        await until(lambda: "stream.started" in facts(gateway.reports))
        await until(lambda: sum(event["event"] == "told" for event in first.events()) == 2)
        first.kill()
        assert await first.wait() == -signal.SIGKILL
        # The gateway knows of the start, not of the alert, and a new worker begins a new epoch.
        gateway.assign(assigned(origin.url, stream=StreamState.LIVE).model_copy(update={"epoch": 2}))
        gateway.answer = lambda _: None
        await workers.start("monitor", REF)
        await until(lambda: "stream.ended" in facts(gateway.reports))
    assert facts(gateway.reports) == ["stream.started", "black raised", "black cleared", "stream.ended"]
    raised, cleared = [t for report in gateway.reports for t in report.transitions]
    assert raised.episode == cleared.episode
    assert {report.epoch for report in gateway.reports} == {1, 2}


@side_by_side
async def test_a_worker_restarted_while_the_gateway_is_down_goes_on_from_what_it_kept(
    gateway: FakeGateway, workers: Workers
) -> None:
    first = await begun(gateway, workers)
    async with on_air((4, "motion"), (10, "black"), (4, "motion")) as origin:
        gateway.assign(assigned(origin.url))
        await until(lambda: "black raised" in facts(gateway.reports))
        await gateway.down()
        first.kill()
        await first.wait()
        second = await workers.start("monitor", REF)
        await until(lambda: any(event["event"] == "kept_assignment_used" for event in second.events()))
        await until(lambda: sum(event["event"] == "told" for event in second.events()) == 2)
        await gateway.up()
        await until(lambda: "stream.ended" in facts(gateway.reports))
    assert facts(gateway.reports) == ["stream.started", "black raised", "black cleared", "stream.ended"]


@side_by_side
async def test_what_a_late_gateway_has_open_is_cleared_by_a_worker_that_began_with_a_stale_kept_file(
    gateway: FakeGateway, workers: Workers
) -> None:
    first = await begun(gateway, workers)
    async with on_air((60, "motion")) as origin:
        gateway.assign(assigned(origin.url, stream=StreamState.LIVE))
        await until(lambda: StreamState.LIVE in states(gateway.reports))
        await gateway.down()
        first.kill()
        await first.wait()
        second = await workers.start("monitor", REF)
        await until(lambda: any(event["event"] == "kept_assignment_used" for event in second.events()))
        there = [
            OpenCondition(condition=name, episode=uuid7(), started_at=datetime.now(UTC))
            for name in ("stall", "probe_blocked")
        ]
        newest = assigned(origin.url, version="2", stream=StreamState.PROBE_BLOCKED, open=there)
        gateway.assign(newest.model_copy(update={"epoch": 7}))
        await gateway.up()
        await until(lambda: {"stall cleared", "probe_blocked cleared"} <= set(facts(gateway.reports)))
        await until(lambda: states(gateway.reports)[-1] is StreamState.LIVE)
    told = [t for report in gateway.reports for t in report.transitions]
    assert {(t.condition, t.episode, t.state) for t in told} == {(c.condition, c.episode, "cleared") for c in there}


@side_by_side
async def test_alerts_that_are_open_when_the_stream_ends_are_cleared_before_its_end(
    gateway: FakeGateway, workers: Workers
) -> None:
    known = [OpenCondition(condition="probe_blocked", episode=uuid7(), started_at=datetime.now(UTC))]
    async with on_air((4, "motion"), (4, "black"), live=False) as origin:
        gateway.assign(assigned(origin.url, open=known))
        await workers.start("monitor", REF)
        await until(lambda: "stream.ended" in facts(gateway.reports))
    told = [fact for fact in facts(gateway.reports) if fact != "probe_blocked cleared"]
    assert told == ["stream.started", "black raised", "black cleared", "stream.ended"]
    assert "probe_blocked cleared" in facts(gateway.reports)
    assert facts(gateway.reports)[-1] == "stream.ended"


@side_by_side
async def test_a_changed_spec_reaches_the_running_worker_and_suspend_stops_its_asking(
    gateway: FakeGateway, workers: Workers
) -> None:
    patient = {"black": {"raiseAfter": "10m"}, "freeze": {"enabled": False}, "silence": {"enabled": False}}
    worker = await begun(gateway, workers)
    async with on_air((6, "motion"), (60, "black")) as origin:
        gateway.assign(assigned(origin.url, checks=patient))
        await until(lambda: "stream.started" in facts(gateway.reports))
        gateway.assign(assigned(origin.url, version="2"))
        await until(lambda: "black raised" in facts(gateway.reports))
        gateway.assign(assigned(origin.url, version="3", more={"suspend": True}))
        await until(lambda: gateway.asked[-1].get("version") == "3")
        await until(still(origin))
        before = sum(origin.requests.values())
        gateway.assign(assigned(origin.url, version="4"))
        await until(lambda: sum(origin.requests.values()) > before + 3)
        assert worker.process.returncode is None


def still(origin: LiveOrigin, seconds: float = 3.0) -> Callable[[], bool]:
    """True once nobody has asked the origin for anything for so long; each playlist is due every second."""
    last = (time.monotonic(), sum(origin.requests.values()))

    def check() -> bool:
        nonlocal last
        count = sum(origin.requests.values())
        if count != last[1]:
            last = (time.monotonic(), count)
        return time.monotonic() - last[0] >= seconds

    return check


@side_by_side
async def test_a_picture_and_measurements_reach_the_gateway_soon_after_the_start_and_with_the_alert(
    gateway: FakeGateway, workers: Workers
) -> None:
    await begun(gateway, workers)
    async with on_air((6, "motion"), (20, "black")) as origin:
        gateway.assign(assigned(origin.url))
        await until(lambda: [look for look in gateway.looks if look.thumbnail])
        bright = next(look for look in gateway.looks if look.thumbnail)
        await until(lambda: "black raised" in facts(gateway.reports))
        dark = await until(lambda: [look for look in gateway.looks if look.thumbnail not in (None, bright.thumbnail)])
    assert (bright.resource, bright.epoch) == (REF, 1)
    assert (bright.thumbnail or b"").startswith(b"\xff\xd8\xff")
    points = [point for point in dark[0].strip if point.luma is not None]
    assert points
    assert {point.state for point in points} <= {StreamState.LIVE, StreamState.UNKNOWN}
    assert any(point.bitrate_kbps for point in points)


@side_by_side
async def test_a_stream_that_has_ended_is_not_told_again_by_a_restarted_worker(
    gateway: FakeGateway, workers: Workers
) -> None:
    async with on_air((4, "motion"), live=False) as origin:
        gateway.assign(assigned(origin.url, stream=StreamState.ENDED))
        worker = await workers.start("monitor", REF)
        await until(lambda: sum(event["event"] == "looked" for event in worker.events()) >= 2)
    assert facts(gateway.reports) == []
    assert set(states(gateway.reports)) == {StreamState.ENDED}


@side_by_side
async def test_an_ended_stream_that_comes_back_is_started_again(gateway: FakeGateway, workers: Workers) -> None:
    await begun(gateway, workers, stream=StreamState.ENDED)
    async with on_air((30, "motion")) as origin:
        gateway.assign(assigned(origin.url, stream=StreamState.ENDED))
        await until(lambda: "stream.started" in facts(gateway.reports))
        await until(lambda: states(gateway.reports)[-1] is StreamState.LIVE)


@side_by_side
async def test_a_source_that_cannot_be_looked_at_is_blocked_not_ended(gateway: FakeGateway, workers: Workers) -> None:
    gateway.assign(assigned("http://127.0.0.1:1/live.m3u8", stream=StreamState.LIVE))
    worker = await workers.start("monitor", REF)
    await until(lambda: "probe_blocked raised" in facts(gateway.reports))
    assert facts(gateway.reports) == ["probe_blocked raised"]
    (transition,) = [t for report in gateway.reports for t in report.transitions]
    assert transition.detail["reason"] == "unreachable"
    await until(lambda: states(gateway.reports)[-1] is StreamState.PROBE_BLOCKED)
    status, text = await worker.health("/readyz")
    assert (status, "cannot look" in text) == (503, True)


@side_by_side
async def test_a_source_that_nobody_understands_is_told_once(gateway: FakeGateway, workers: Workers) -> None:
    gateway.assign(assigned("http://169.254.169.254/live.m3u8"))
    first = await workers.start("monitor", REF)
    await until(lambda: facts(gateway.reports))
    first.kill()
    await first.wait()
    await workers.start("monitor", REF)
    await until(lambda: len({r.id for r in gateway.posted if r.occurrences}) == 2)
    told = [occurrence for report in gateway.posted for occurrence in report.occurrences]
    assert {occurrence.type for occurrence in told} == {"monitor.error"}
    assert len({occurrence.id for occurrence in told}) == 1
    assert told[0].data["reason"] == "blocked_address"


@side_by_side
async def test_a_page_in_the_place_of_the_playlist_is_a_stall_and_watching_goes_on(
    gateway: FakeGateway, workers: Workers
) -> None:
    checks = QUICK | {"stall": {"raiseAfter": "4s"}}
    await begun(gateway, workers)
    async with on_air((4, "motion"), (10, "html"), (6, "motion")) as origin:
        gateway.assign(assigned(origin.url, checks=checks))
        await until(lambda: "stream.ended" in facts(gateway.reports))
    told = facts(gateway.reports)
    assert [fact for fact in told if "probe" not in fact] == [
        "stream.started",
        "stall raised",
        "stall cleared",
        "stream.ended",
    ]


@side_by_side
async def test_a_source_that_turns_us_away_for_a_while_is_not_said_to_stall(
    gateway: FakeGateway, workers: Workers
) -> None:
    await begun(gateway, workers)
    async with on_air((4, "motion"), (14, "forbidden"), (6, "motion")) as origin:
        gateway.assign(assigned(origin.url, checks=QUICK | {"stall": {"raiseAfter": "8s"}}))
        await until(lambda: "stream.ended" in facts(gateway.reports))
    told = [fact for fact in facts(gateway.reports) if "playlist_errors" not in fact]
    assert [fact for fact in told if "probe_blocked" not in fact] == ["stream.started", "stream.ended"]


@side_by_side
async def test_a_playlist_that_is_gone_has_playlist_errors_long_before_that_proves_the_end(
    gateway: FakeGateway, workers: Workers
) -> None:
    await begun(gateway, workers)
    async with on_air((3, "motion"), (5, "black"), (60, "gone")) as origin:
        gateway.assign(assigned(origin.url, checks=QUICK | {"stall": {"raiseAfter": "5m"}}))
        await until(lambda: "playlist_errors raised" in facts(gateway.reports))
    assert facts(gateway.reports) == ["stream.started", "black raised", "playlist_errors raised"]
    (raised,) = [t for report in gateway.reports for t in report.transitions if t.condition == "playlist_errors"]
    assert raised.measured == {"error": "HTTP 404"}
