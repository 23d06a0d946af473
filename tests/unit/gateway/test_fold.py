# SPDX-License-Identifier: Apache-2.0
"""What one report adds: events, each once and with its fields, or a refusal."""

from datetime import timedelta

import pytest
from castwarden_gateway.facts.errors import InvalidReport
from castwarden_gateway.facts.known import Known
from castwarden_model.conditions import ALERTS
from castwarden_model.messages import OpenCondition
from castwarden_model.resources import Monitor

from tests.unit.gateway.folding import EPISODES, NOW, REF, folded, known, occurrence, report, transition, types

RAISED, RECOVERED = "alert.blackout", "alert.blackout_recovered"
JOINS = {"condition", "episode", "stream_url"}  # of every alert and recovery
MADE_UP = "mon-019a9f3c-5d2e-7c41-9b7a-0f6f3b1c2d4e"


@pytest.mark.parametrize(
    ("open_before", "told", "events", "open_after"),
    [
        (None, ["raised 0"], [RAISED], 0),
        (None, ["cleared 0"], [], None),
        (None, ["raised 0", "raised 0"], [RAISED], 0),
        (None, ["raised 0", "cleared 0"], [RAISED, RECOVERED], None),
        (None, ["raised 0", "cleared 0", "raised 1"], [RAISED, RECOVERED, RAISED], 1),
        (0, ["raised 0"], [], 0),  # a worker that went on with it
        (0, ["cleared 0", "cleared 0"], [RECOVERED], None),
        (0, ["cleared 0", "raised 1"], [RECOVERED, RAISED], 1),
        (0, ["cleared 1"], [], 0),
        (0, ["raised 1"], [RECOVERED, RAISED], 1),
        (0, ["raised 1", "cleared 0"], [RECOVERED, RAISED], 1),
        (0, ["raised 1", "cleared 1"], [RECOVERED, RAISED, RECOVERED], None),
    ],
)
def test_an_episode_is_raised_once_and_cleared_once_by_its_own_end_or_by_the_next_one(
    open_before: int | None, told: list[str], events: list[str], open_after: int | None
) -> None:
    state = known()
    if open_before is not None:
        state.open["black"] = OpenCondition(condition="black", episode=EPISODES[open_before], started_at=NOW)
    transitions = [transition("black", one.split()[0], episode=EPISODES[int(one.split()[1])]) for one in told]
    assert types(folded(state, report(transitions=transitions))) == events
    assert [one.episode for one in state.open.values()] == ([] if open_after is None else [EPISODES[open_after]])


@pytest.mark.parametrize(("after", "lasted"), [(90.0, 90.0), (0.0, 0.0), (-5.0, 0.0)])
def test_a_lost_recovery_is_told_as_of_the_next_episode(after: float, lasted: float) -> None:
    state, began = known(), NOW + timedelta(seconds=after)
    first = transition("black", "raised")
    second = transition("black", "raised", episode=EPISODES[1], started_at=began, at=began + timedelta(seconds=30))
    recovered = folded(state, report(transitions=[first, second]))[0].events[1]
    at = NOW + timedelta(seconds=lasted)
    assert (recovered.type, recovered.timestamp, recovered.data["total_duration_sec"]) == (RECOVERED, at, lasted)
    assert recovered.data["started_at"] == "2026-11-20T12:00:00Z"
    assert recovered.data["recovered_at"] == at.isoformat().replace("+00:00", "Z")
    assert state.open["black"].started_at == began


@pytest.mark.parametrize("condition", list(ALERTS))
def test_a_lost_recovery_can_be_told_of_every_condition(condition: str) -> None:
    told = ALERTS[condition]
    transitions = [transition(condition, "raised", episode=one) for one in EPISODES]
    assert types(folded(known(), report(transitions=transitions))) == [told.raised, told.cleared, told.raised]


@pytest.mark.parametrize(
    ("condition", "raised", "cleared"),
    [
        ("black", {"duration_sec", "started_at", "threshold_sec", "segment_info"}, None),
        ("silence", {"duration_sec", "started_at", "threshold_sec", "segment_info"}, None),
        ("freeze", {"duration_sec", "started_at", "threshold_sec", "segment_info"}, None),
        ("stall", set(), set()),
        ("segment_errors", {"error", "duration_sec", "started_at"}, None),
        ("probe_blocked", {"reason", "hint"}, None),
    ],
)
def test_every_condition_tells_the_fields_that_its_events_promise(
    condition: str, raised: set[str], cleared: set[str] | None
) -> None:
    segment = {"sequence": 7, "duration": 4.0}
    first, second = (transition(condition, state, segment=segment) for state in ("raised", "cleared"))
    events = folded(known(), report(transitions=[first, second]))[0].events
    assert set(events[0].data) == raised | JOINS
    recovered = {"total_duration_sec", "started_at", "recovered_at"} if cleared is None else cleared
    assert set(events[1].data) == recovered | JOINS


def test_a_condition_of_a_newer_worker_is_kept_open_without_an_event() -> None:
    state = known()
    assert types(folded(state, report(transitions=[transition("loudness", "raised")]))) == []
    assert state.status["openConditions"] == ["loudness"]


def test_events_carry_the_resource_its_metadata_and_the_workers_time() -> None:
    at = NOW - timedelta(minutes=1)
    event = folded(known(), report(occurrences=[{**occurrence("stream.ended", reason="x"), "at": at}]))[0].events[0]
    assert (event.subject.uid, event.metadata, event.timestamp) == ("uid-1", {"show": "news"}, at)


def test_a_report_that_would_make_the_state_too_large_is_invalid() -> None:
    state = known()
    several = [transition(f"{number}{'x' * 200}", "raised") for number in range(400)]
    folded(state, report(seq=1, transitions=several[:200]))
    with pytest.raises(InvalidReport, match="state"):
        folded(state, report(seq=2, transitions=several[200:]))


def test_an_event_with_too_much_data_is_an_invalid_report() -> None:
    with pytest.raises(InvalidReport, match=r"stream\.ended"):
        folded(known(), report(occurrences=[occurrence("stream.ended", reason="x" * 70_000)]))


def test_a_fact_that_was_taken_before_is_left_out() -> None:
    raised = transition("black", "raised")
    assert types(folded(known(), report(transitions=[raised]), repeated={raised["id"]})) == []


def test_data_that_the_catalogue_refuses_is_an_invalid_report() -> None:
    with pytest.raises(InvalidReport, match="delay_sec"):
        folded(known(), report(occurrences=[occurrence("stream.delayed")]))


def test_what_a_stream_ended_by_is_handed_on_until_it_starts_again() -> None:
    state = known()
    folded(state, report(seq=1, occurrences=[occurrence("stream.ended", reason="endlist_detected")]))
    assert state.private == {"end_reason": "endlist_detected"}
    folded(state, report(seq=2, occurrences=[occurrence("stream.started", title="Main")]))
    assert state.private == {}


def test_an_alert_and_its_recovery_name_the_condition_the_episode_and_the_stream() -> None:
    for condition, types_ in ALERTS.items():
        state = known()
        raised, cleared = folded(
            state,
            report(seq=1, transitions=[transition(condition, "raised")]),
            report(seq=2, transitions=[transition(condition, "cleared")]),
        )
        told = [event for added in (raised, cleared) for event in added.events]
        assert [event.type for event in told] == [types_.raised, types_.cleared]
        for event in told:
            same = {key: event.data[key] for key in ("condition", "episode", "stream_url")}
            assert same == {
                "condition": condition,
                "episode": str(EPISODES[0]),
                "stream_url": "https://cdn.example.com/x.m3u8",
            }


@pytest.mark.parametrize(
    ("name", "metadata", "given", "title"),
    [
        ("one", {}, "Main", "Main"),
        ("one", {}, "", "one"),
        (MADE_UP, {}, "", "cdn.example.com/x.m3u8"),
        (MADE_UP, {"title": "Main channel"}, "", "Main channel"),
    ],
)
def test_a_stream_that_names_itself_nothing_has_the_name_that_a_person_gave_it(
    name: str, metadata: dict[str, str], given: str, title: str
) -> None:
    source = {"source": {"url": "https://cdn.example.com/x.m3u8?token=1"}}
    state = Known(REF.model_copy(update={"name": name}), EPISODES[1], epoch=1, pod="pod-1")
    resource = Monitor.model_validate({"spec": source | {"metadata": metadata}})
    (added,) = folded(state, report(occurrences=[occurrence("stream.started", title=given)]), resource=resource)
    assert added.events[0].data["title"] == title
