# SPDX-License-Identifier: Apache-2.0
"""The monitor's role in virtual time: what a row of outcomes makes it tell. Streams themselves are not needed here."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast
from uuid import UUID

import aiohttp
import pytest
from castwarden_base.health import HealthServer
from castwarden_base.ids import uuid7
from castwarden_model.messages import ExtractionGrant, Look, MonitorAssignment, OpenCondition, Report, ResourceRef
from castwarden_model.resources import MonitorSpec, StreamState
from castwarden_worker.assignments import Assignments
from castwarden_worker.decoding import DecodeThreads
from castwarden_worker.gateway import Gateway
from castwarden_worker.monitor.role import ALERTS, StreamRole
from castwarden_worker.outcomes import Blocked, Ended, NotLive, Outcome, Unsupported, Upcoming
from castwarden_worker.reporter import Reporter
from castwarden_worker.resolve import Resolver
from castwarden_worker.shell import Work

pytestmark = pytest.mark.looptime
REF = ResourceRef(kind="Monitor", namespace="media", name="main", uid="uid-1")
ABSENT, BLOCKED = NotLive("http_404"), Blocked("bot_check", "Use another address.")
NOW = datetime.now(UTC)


@dataclass
class FakeReporter:
    reports: list[Report] = field(default_factory=list)

    async def tell(self, epoch: int, **findings: Any) -> Report:
        values = {"id": uuid7(), "resource": REF, "epoch": epoch, "seq": len(self.reports) + 1, **findings}
        self.reports.append(Report.model_validate(values))
        return self.reports[-1]


@dataclass
class FakeGateway:
    """Takes looks."""

    looks: list[Look] = field(default_factory=list)

    async def extraction(self, _: str) -> ExtractionGrant:
        return ExtractionGrant(granted=True)

    async def glance(self, look: Look) -> None:
        self.looks.append(look)


@dataclass
class FakeResolver:
    """Answers with the script, and then with its last line for ever."""

    script: Sequence[Outcome]
    looks: list[float] = field(default_factory=list)

    async def resolve(self, *_: object) -> Outcome:
        self.looks.append(asyncio.get_running_loop().time())
        return self.script[min(len(self.looks), len(self.script)) - 1]


@dataclass
class Case:
    reporter: FakeReporter
    resolver: FakeResolver
    assignments: Assignments
    kept: Path

    def told(self) -> list[str]:
        told: list[str] = []
        for report in self.reporter.reports:
            told += [occurrence.type for occurrence in report.occurrences]
            told += [f"{transition.condition} {transition.state}" for transition in report.transitions]
        return told

    def state(self) -> Any:
        """The newest snapshot."""
        return [report.monitor for report in self.reporter.reports if report.monitor][-1]


def assigned(version: str = "1", **known: Any) -> MonitorAssignment:
    spec = {"source": {"url": "https://example.com/live"}, **known.pop("spec", {})}
    return MonitorAssignment(resource=REF, version=version, epoch=1, spec=MonitorSpec.model_validate(spec), **known)


@asynccontextmanager
async def running(
    tmp_path: Path, assignment: MonitorAssignment, *script: Outcome, kept: bool = False
) -> AsyncIterator[Case]:
    assignments = Assignments(cast("Any", None), REF, tmp_path / "assignment.json")
    assignments.current = assignment
    assignments.fallback = assignment if kept else None
    case = Case(FakeReporter(), FakeResolver(script), assignments, tmp_path / "assignment.json")
    gateway = cast("Gateway", FakeGateway())
    reporter, resolver = cast("Reporter", case.reporter), cast("Resolver", case.resolver)
    settings = cast("Any", SimpleNamespace(outbound_allow=(), state_dir=tmp_path))
    work = Work(settings, assignment, assignments, reporter, HealthServer("127.0.0.1", 0), gateway)
    async with aiohttp.ClientSession() as session:
        role = asyncio.create_task(StreamRole(work, session, resolver, DecodeThreads(1)).run())
        try:
            yield case
        finally:
            role.cancel()
            await asyncio.gather(role, return_exceptions=True)


async def test_a_stream_that_was_live_ends_at_the_second_look_a_minute_later(tmp_path: Path) -> None:
    async with running(tmp_path, assigned(stream=StreamState.LIVE), ABSENT) as case:
        await asyncio.sleep(59)
        assert case.told() == []
        assert case.state().stream is StreamState.LIVE
        await asyncio.sleep(5)
        assert case.told() == ["stream.ended"]
        assert case.state().stream is StreamState.ENDED
        await asyncio.sleep(1200)
        assert case.told() == ["stream.ended"]


async def test_each_alert_is_counted_by_its_condition(tmp_path: Path) -> None:
    before = ALERTS.labels("probe_blocked")._value.get()
    async with running(tmp_path, assigned(stream=StreamState.LIVE), BLOCKED) as case:
        await asyncio.sleep(120)
        assert case.told() == ["probe_blocked raised"]
    assert ALERTS.labels("probe_blocked")._value.get() == before + 1


async def test_what_is_open_when_a_stream_is_gone_is_cleared_before_its_end(tmp_path: Path) -> None:
    known = [
        OpenCondition(condition=name, episode=uuid7(), started_at=NOW) for name in ("black", "stall", "probe_blocked")
    ]
    async with running(tmp_path, assigned(stream=StreamState.STALLED, open=known), ABSENT) as case:
        await asyncio.sleep(90)
        assert case.told() == ["probe_blocked cleared", "black cleared", "stall cleared", "stream.ended"]
        cleared = {t.condition: t.episode for report in case.reporter.reports for t in report.transitions}
        assert cleared == {condition.condition: condition.episode for condition in known}
        settled = {t.condition: t.settled for report in case.reporter.reports for t in report.transitions}
        assert settled == {"probe_blocked": "", "black": "stream_ended", "stall": "stream_ended"}
        kept = MonitorAssignment.model_validate_json(case.kept.read_bytes())
        assert (kept.open, kept.stream) == ([], StreamState.ENDED)


async def test_a_stream_that_never_was_live_does_not_end(tmp_path: Path) -> None:
    async with running(tmp_path, assigned(), Ended()) as case:
        await asyncio.sleep(1200)
        assert case.told() == []
        assert case.state().stream is StreamState.UNKNOWN


async def test_a_blocked_look_is_told_as_such_once_and_never_as_an_end(tmp_path: Path) -> None:
    async with running(tmp_path, assigned(stream=StreamState.LIVE), BLOCKED) as case:
        await asyncio.sleep(9)
        assert case.told() == []
        await asyncio.sleep(1800)
        assert case.told() == ["probe_blocked raised"]
        assert (case.state().stream, case.state().reason) == (StreamState.PROBE_BLOCKED, "bot_check")
        (transition,) = [t for report in case.reporter.reports for t in report.transitions]
        assert transition.detail == {"reason": "bot_check", "hint": "Use another address."}


async def test_being_able_to_look_again_clears_the_block(tmp_path: Path) -> None:
    async with running(tmp_path, assigned(), BLOCKED, BLOCKED, Upcoming()) as case:
        await asyncio.sleep(300)
        assert case.told() == ["probe_blocked raised", "probe_blocked cleared"]
        raised, cleared = [t for report in case.reporter.reports for t in report.transitions]
        assert raised.episode == cleared.episode
        assert case.state().stream is StreamState.UPCOMING


async def test_a_restarted_worker_neither_repeats_an_open_block_nor_forgets_its_end(tmp_path: Path) -> None:
    known = OpenCondition(condition="probe_blocked", episode=uuid7(), started_at=NOW)
    before = assigned(stream=StreamState.PROBE_BLOCKED, open=[known])
    async with running(tmp_path, before, BLOCKED, BLOCKED, ABSENT) as case:
        await asyncio.sleep(31)
        assert case.told() == []
        await asyncio.sleep(300)
        assert case.told() == ["probe_blocked cleared"]
        (cleared,) = [t for report in case.reporter.reports for t in report.transitions]
        assert cleared.episode == known.episode


def opened(*names: str) -> list[OpenCondition]:
    return [OpenCondition(condition=name, episode=uuid7(), started_at=NOW) for name in names]


def cleared(case: Case) -> dict[str, UUID]:
    transitions = [t for report in case.reporter.reports for t in report.transitions]
    return {t.condition: t.episode for t in transitions if t.state == "cleared"}


async def test_what_a_late_gateway_has_open_is_taken_up_by_a_worker_that_began_with_less(tmp_path: Path) -> None:
    there = opened("stall", "probe_blocked", "black")
    before = assigned(stream=StreamState.LIVE, open=opened("black"))
    async with running(tmp_path, before, ABSENT, kept=True) as case:
        await asyncio.sleep(5)
        await case.assignments._set(assigned("2", stream=StreamState.PROBE_BLOCKED, open=there))
        await asyncio.sleep(120)
        assert set(case.told()[:-1]) == {"probe_blocked cleared", "black cleared", "stall cleared"}
        assert case.told()[-1] == "stream.ended"
        assert cleared(case) == {condition.condition: condition.episode for condition in there}


async def test_what_a_late_gateway_has_open_is_cleared_even_when_the_stream_has_ended_meanwhile(tmp_path: Path) -> None:
    there = opened("stall")
    async with running(tmp_path, assigned(stream=StreamState.LIVE), ABSENT, kept=True) as case:
        await asyncio.sleep(120)
        assert case.told() == ["stream.ended"]
        await case.assignments._set(assigned("2", stream=StreamState.STALLED, open=there))
        await asyncio.sleep(30)
        assert case.told() == ["stream.ended", "stall cleared"]
        assert cleared(case) == {"stall": there[0].episode}


async def test_what_was_cleared_before_the_gateway_came_is_not_taken_up_again(tmp_path: Path) -> None:
    known = opened("probe_blocked")
    async with running(tmp_path, assigned(open=known), Upcoming(), kept=True) as case:
        await asyncio.sleep(5)
        await case.assignments._set(assigned("2", open=known))
        await asyncio.sleep(600)
        assert case.told() == ["probe_blocked cleared"]


async def test_later_assignments_say_nothing_new_about_what_is_open(tmp_path: Path) -> None:
    known = opened("probe_blocked")
    async with running(tmp_path, assigned(open=known), Upcoming()) as case:
        await asyncio.sleep(5)
        await case.assignments._set(assigned("2", open=known))
        await asyncio.sleep(600)
        assert case.told() == ["probe_blocked cleared"]


async def test_an_announced_stream_is_upcoming_with_its_start(tmp_path: Path) -> None:
    start = NOW + timedelta(days=1)
    async with running(tmp_path, assigned(), Upcoming(start, "Concert")) as case:
        await asyncio.sleep(30)
        state = case.state()
        assert (state.stream, state.scheduled_start, state.title) == (StreamState.UPCOMING, start, "Concert")
        assert len(case.reporter.reports) == 1


async def test_a_late_start_is_told_once_even_by_another_process(tmp_path: Path) -> None:
    spec = {"schedule": {"start": (NOW - timedelta(minutes=10)).isoformat(), "tolerance": "5m"}}
    ids = []
    for _ in range(2):
        async with running(tmp_path, assigned(spec=spec), ABSENT) as case:
            await asyncio.sleep(600)
            assert case.told() == ["stream.delayed"]
            (delayed,) = [o for report in case.reporter.reports for o in report.occurrences]
            assert delayed.data["tolerance_sec"] == 300
            assert delayed.data["delay_sec"] >= 600
            ids.append(delayed.id)
    assert ids[0] == ids[1]


@pytest.mark.parametrize(
    ("start", "state", "outcome"),
    [
        (timedelta(minutes=-4), StreamState.UNKNOWN, ABSENT),  # within its tolerance
        (timedelta(minutes=-10), StreamState.UNKNOWN, BLOCKED),  # nobody knows
        (timedelta(minutes=-10), StreamState.ENDED, ABSENT),  # it was there
    ],
)
async def test_what_is_no_late_start_is_not_told(
    tmp_path: Path, start: timedelta, state: StreamState, outcome: Outcome
) -> None:
    spec = {"schedule": {"start": (datetime.now(UTC) + start).isoformat(), "tolerance": "5m"}}
    async with running(tmp_path, assigned(spec=spec, stream=state), outcome) as case:
        await asyncio.sleep(20)
        assert "stream.delayed" not in case.told()


async def test_a_late_start_is_not_told_when_that_check_is_switched_off(tmp_path: Path) -> None:
    spec = {
        "schedule": {"start": (NOW - timedelta(minutes=10)).isoformat(), "tolerance": "5m"},
        "checks": {"startDelayed": {"enabled": False}},
    }
    async with running(tmp_path, assigned(spec=spec), ABSENT) as case:
        await asyncio.sleep(600)
        assert case.told() == []


async def test_a_source_that_nobody_understands_is_an_error_of_the_monitor(tmp_path: Path) -> None:
    async with running(tmp_path, assigned(), Unsupported("unsupported_source", "No resolver knows it.")) as case:
        await asyncio.sleep(1800)
        assert case.told() == ["monitor.error"]


async def test_a_page_in_the_place_of_a_live_stream_is_no_error_of_the_monitor(tmp_path: Path) -> None:
    page = Unsupported("unsupported_source", "No resolver knows it.")
    async with running(tmp_path, assigned(stream=StreamState.LIVE), page) as case:
        await asyncio.sleep(60)
        assert case.told() == ["probe_blocked raised"]
        assert case.state().reason == "not_a_playlist"


async def test_a_suspended_monitor_does_not_look_and_begins_when_it_may(tmp_path: Path) -> None:
    async with running(tmp_path, assigned(spec={"suspend": True}), ABSENT) as case:
        await asyncio.sleep(600)
        assert case.resolver.looks == []
        await case.assignments._set(assigned("2"))
        await asyncio.sleep(1)
        assert len(case.resolver.looks) == 1


async def test_a_changed_spec_ends_the_wait_for_the_next_look(tmp_path: Path) -> None:
    async with running(tmp_path, assigned(spec={"lookInterval": "1h"}), ABSENT) as case:
        await asyncio.sleep(60)
        assert len(case.resolver.looks) == 1
        await case.assignments._set(assigned("2", spec={"lookInterval": "10s"}))
        await asyncio.sleep(15)
        assert len(case.resolver.looks) == 3


async def test_a_state_that_does_not_change_is_told_once(tmp_path: Path) -> None:
    async with running(tmp_path, assigned(), ABSENT) as case:
        await asyncio.sleep(1200)
        assert len(case.reporter.reports) <= 2


async def test_a_url_that_leads_to_nothing_from_the_beginning_is_an_error_of_the_monitor_told_once(
    tmp_path: Path,
) -> None:
    ids = []
    for _ in range(2):
        async with running(tmp_path, assigned(), ABSENT) as case:
            await asyncio.sleep(50)
            assert (case.told(), case.state().reason) == ([], "http_404")
            await asyncio.sleep(1200)
            assert case.told() == ["monitor.error"]
            (error,) = [o for report in case.reporter.reports for o in report.occurrences]
            assert error.data == {
                "reason": "http_404",
                "message": "The source answers HTTP 404; check spec.source.url.",
            }
            ids.append(error.id)
    assert ids[0] == ids[1]


@pytest.mark.parametrize(
    ("known", "outcome"),
    [
        ({"stream": StreamState.ENDED}, ABSENT),
        ({"spec": {"schedule": {"start": (NOW + timedelta(days=1)).isoformat()}}}, ABSENT),
        ({}, NotLive("not_live")),  # by its site, which knows it
    ],
)
async def test_a_stream_that_was_there_or_is_to_come_is_no_error_of_the_monitor(
    tmp_path: Path, known: dict[str, Any], outcome: Outcome
) -> None:
    async with running(tmp_path, assigned(**known), outcome) as case:
        await asyncio.sleep(1200)
        assert case.told() == []


async def test_the_reason_of_an_end_stays_what_the_event_said_whoever_goes_on(tmp_path: Path) -> None:
    over = assigned(stream=StreamState.ENDED, end_reason="endlist_detected")
    async with running(tmp_path, over, ABSENT) as case:
        await asyncio.sleep(60)
        assert (case.state().stream, case.state().reason) == (StreamState.ENDED, "endlist_detected")
