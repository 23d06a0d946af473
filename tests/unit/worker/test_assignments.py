# SPDX-License-Identifier: Apache-2.0
"""Assignments: what a restarted worker begins with."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast
from uuid import UUID

import pytest
from castwarden_base.ids import uuid7
from castwarden_model.messages import (
    Assignment,
    MonitorAssignment,
    Occurrence,
    OpenCondition,
    Report,
    ResourceRef,
    Transition,
)
from castwarden_model.resources import MonitorSpec, StreamState
from castwarden_worker.assignments import Assignments, with_unsent
from castwarden_worker.errors import Gone, Unavailable
from castwarden_worker.gateway import Gateway

NOW = datetime(2026, 11, 20, tzinfo=UTC)
EPISODE = uuid7()
REF = ResourceRef(kind="Monitor", namespace="media", name="main", uid="uid-1")


def assigned(version: str = "1", **known: Any) -> MonitorAssignment:
    spec = MonitorSpec.model_validate({"source": {"url": "https://example.com/live"}})
    return MonitorAssignment(resource=REF, version=version, epoch=1, spec=spec, **known)


def transition(condition: str, state: str, episode: UUID = EPISODE) -> dict[str, Any]:
    values = {"id": uuid7(), "condition": condition, "state": state, "episode": episode, "at": NOW, "started_at": NOW}
    return {"transitions": [Transition.model_validate(values | {"media_time": 0, "duration_sec": 0})]}


def occurred(type_: str) -> dict[str, Any]:
    return {"occurrences": [Occurrence.model_validate({"id": uuid7(), "type": type_, "at": NOW})]}


def report(parts: dict[str, Any]) -> Report:
    return Report(id=uuid7(), resource=REF, epoch=1, seq=1, **parts)


def test_reports_that_were_not_sent_are_part_of_what_is_known() -> None:
    known = OpenCondition(condition="black", episode=EPISODE, started_at=NOW)
    unsent = [
        report(occurred("stream.started")),
        report(transition("black", "cleared")),
        report(transition("silence", "raised")),
        report(transition("stall", "raised")),
        report(transition("stall", "cleared")),
        report(transition("silence", "cleared", uuid7())),  # another episode's end
    ]
    result = with_unsent(assigned(open=[known]), unsent)
    assert result.stream is StreamState.LIVE
    assert [condition.condition for condition in result.open] == ["silence"]
    assert result.open[0].episode == unsent[2].transitions[0].episode
    assert with_unsent(result, [report(occurred("stream.ended"))]).stream is StreamState.ENDED


class FakeGateway:
    """Answers from a script; an exception is raised, the end of the script waits for ever."""

    def __init__(self, *script: Assignment | Exception | None) -> None:
        self.script = list(script)
        self.versions: list[str | None] = []

    async def assignment(self, version: str | None, _wait: float) -> Assignment | None:
        self.versions.append(version)
        if not self.script:
            await asyncio.Event().wait()
        answer = self.script.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


@pytest.fixture
def following(tmp_path: Path) -> Callable[..., Assignments]:
    def make(gateway: FakeGateway) -> Assignments:
        return Assignments(cast("Gateway", gateway), REF, tmp_path / "assignment.json")

    return make


async def run_for(assignments: Assignments, seconds: float, unsent: list[Report] | None = None) -> None:
    task = asyncio.create_task(assignments.run(unsent or []))
    await asyncio.sleep(seconds)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


@pytest.mark.looptime
async def test_the_version_at_hand_is_asked_for_after_the_first(following: Any) -> None:
    gateway = FakeGateway(assigned("1"), None, assigned("2"))
    assignments = following(gateway)
    await run_for(assignments, 60)
    assert gateway.versions == [None, "1", "1", "2"]
    assert assignments.current == assigned("2")


@pytest.mark.looptime
async def test_a_gateway_that_is_down_is_asked_again_and_the_last_assignment_stays(following: Any) -> None:
    gateway = FakeGateway(assigned("1"), *[Unavailable("down")] * 200)
    assignments = following(gateway)
    await run_for(assignments, 3600)
    assert assignments.current == assigned("1")
    assert 100 < len(gateway.versions) <= 202


@pytest.mark.looptime
async def test_a_worker_that_finds_no_gateway_begins_with_what_the_last_one_kept(following: Any) -> None:
    first = following(FakeGateway(assigned("1")))
    await run_for(first, 1)
    first.keep(assigned("1", stream=StreamState.LIVE))
    second = following(FakeGateway(Unavailable("down")))
    await run_for(second, 1)
    assert second.current == assigned("1", stream=StreamState.LIVE)


@pytest.mark.looptime
async def test_what_was_kept_for_another_resource_is_not_used(following: Any) -> None:
    other = ResourceRef(kind="Monitor", namespace="media", name="main", uid="uid-0")
    following(FakeGateway()).keep(assigned().model_copy(update={"resource": other}))
    second = following(FakeGateway(Unavailable("down")))
    await run_for(second, 1)
    assert second.current is None


@pytest.mark.looptime
async def test_a_kept_file_that_is_broken_is_as_good_as_none(following: Any, tmp_path: Path) -> None:
    (tmp_path / "assignment.json").write_text("{")
    assignments = following(FakeGateway(Unavailable("down")))
    await run_for(assignments, 1)
    assert assignments.current is None


@pytest.mark.looptime
async def test_a_stream_that_was_live_before_it_was_blocked_is_remembered_as_live(following: Any) -> None:
    following(FakeGateway()).keep(assigned(stream=StreamState.LIVE))
    assignments = following(FakeGateway(assigned("1", stream=StreamState.PROBE_BLOCKED)))
    await run_for(assignments, 1)
    assert assignments.current.stream is StreamState.LIVE


@pytest.mark.looptime
async def test_unsent_reports_count_for_the_first_assignment_only(following: Any) -> None:
    assignments = following(FakeGateway(assigned("1"), assigned("2")))
    unsent = [report(transition("black", "raised"))]
    task = asyncio.create_task(assignments.run(unsent))
    first = await assignments.changed()
    second = await assignments.changed(first)
    task.cancel()
    assert [len(found.open) for found in (first, second)] in ([1, 0], [0, 0])
    await asyncio.gather(task, return_exceptions=True)


@pytest.mark.looptime
async def test_a_resource_that_is_gone_is_noticed(following: Any) -> None:
    assignments = following(FakeGateway(Gone("gone")))
    await run_for(assignments, 1)
    assert assignments.gone.is_set()


@pytest.mark.looptime
async def test_a_kept_assignment_that_had_to_do_is_told_from_what_the_gateway_gave(following: Any) -> None:
    following(FakeGateway()).keep(assigned("1"))
    late = following(FakeGateway(Unavailable("down")))
    await run_for(late, 1)
    assert late.fallback is late.current is not None
    there = following(FakeGateway(assigned("1")))
    await run_for(there, 1)
    assert there.fallback is None


def test_what_a_stream_ended_by_is_known_until_it_starts_again() -> None:
    ended = Occurrence(id=uuid7(), type="stream.ended", at=NOW, data={"reason": "endlist_detected"})
    over = with_unsent(assigned(), [report({"occurrences": [ended]})])
    assert (over.stream, over.end_reason) == (StreamState.ENDED, "endlist_detected")
    assert with_unsent(over, [report(occurred("stream.started"))]).end_reason is None
