# SPDX-License-Identifier: Apache-2.0
"""The condition Degraded: whether the source is faulty, and what keeps us from seeing it."""

from datetime import timedelta
from typing import Any

import pytest
from castwarden_base.ids import uuid7
from castwarden_gateway.facts.fold import fold
from castwarden_gateway.facts.known import Known
from castwarden_model.conditions import ALERTS

from tests.unit.gateway.folding import MONITOR, NOW, folded, known, occurrence, report, transition


@pytest.mark.parametrize(
    ("fields", "status", "reason"),
    [
        ({"monitor": {"stream": "Live"}}, "False", "SourceHealthy"),
        ({"transitions": [transition("black", "raised")]}, "True", "ConditionsOpen"),
        ({"transitions": [transition("stall", "raised")]}, "True", "StreamStalled"),
        ({"monitor": {"stream": "ProbeBlocked", "reason": "bot_check"}}, "True", "ProbeBlocked"),
        ({"transitions": [transition("analysis_degraded", "raised")]}, "True", "ProbeDegraded"),
        ({"transitions": [transition("rendition_missing", "raised")]}, "True", "ConditionsOpen"),
    ],
)
def test_degraded_says_whether_the_source_is_faulty_and_why(fields: Any, status: str, reason: str) -> None:
    state = known()
    folded(state, report(**fields))
    condition = state.status["conditions"][0]
    assert (condition["type"], condition["status"], condition["reason"]) == ("Degraded", status, reason)


@pytest.mark.parametrize(
    ("conditions", "reason", "message"),
    [
        (("analysis_degraded",), "ProbeDegraded", "looks less deeply than it should: the worker cannot keep up"),
        (("silence", "black"), "ConditionsOpen", "open: black, silence"),
        (
            ("analysis_degraded", "black"),
            "ConditionsOpen",
            "open: black; looks less deeply than it should: the worker cannot keep up",
        ),
        (("black", "stall"), "StreamStalled", "open: black, stall"),
        (("stall", "probe_blocked"), "ProbeBlocked", "cannot look at the source: unknown; open: stall"),
    ],
)
def test_what_we_cannot_do_is_no_fault_of_the_stream(conditions: tuple[str, ...], reason: str, message: str) -> None:
    state = known()
    folded(state, report(transitions=[transition(condition, "raised") for condition in conditions]))
    condition = state.status["conditions"][0]
    assert (condition["reason"], condition["message"]) == (reason, message)
    assert state.status["openSummary"] == ", ".join(sorted(conditions))


def test_degraded_says_why_the_worker_looks_less_deeply_for_as_long_as_it_does() -> None:
    state = known()
    measured = {"reason": "a call that decodes does not return", "waited_sec": 60.0}
    folded(state, report(seq=1, transitions=[transition("analysis_degraded", "raised", measured=measured)]))
    folded(state, report(seq=2, monitor={"stream": "Live"}))
    assert message_of(state) == "looks less deeply than it should: a call that decodes does not return"
    folded(state, report(seq=3, transitions=[transition("analysis_degraded", "cleared")]))
    assert state.private == {}


def test_degraded_says_by_what_an_alert_was_raised() -> None:
    state = known()
    measured = {"dark_area": 0.998, "luma": 0.01}
    folded(state, report(transitions=[transition("black", "raised", measured=measured)]))
    assert message_of(state) == (
        "open: black (dark_area 0.998, luma 0.01, raised after 30 s, since 2026-11-20T12:00:00Z)"
    )


def test_what_a_stranger_wrote_does_not_fill_the_message() -> None:
    state = known()
    raised = [transition(name, "raised", measured={"error": "x" * 1000}) for name in ALERTS]
    folded(state, report(transitions=raised))
    assert len(message_of(state)) <= 4096
    assert all(name in message_of(state) for name in ALERTS.keys() - {"probe_blocked", "analysis_degraded"})


@pytest.mark.parametrize(
    ("settled", "why"),
    [
        ("check_disabled", "its check was switched off"),
        ("stream_ended", "the stream ended"),
        ("baseline_lost", "what it was measured against is not known any more"),
        ("something_newer", "something_newer"),
    ],
)
def test_an_alert_that_nobody_saw_recover_ends_without_an_event_and_the_status_says_why(settled: str, why: str) -> None:
    state = known()
    folded(state, report(seq=1, monitor={"stream": "Live"}, transitions=[transition("black", "raised")]))
    (added,) = folded(state, report(seq=2, transitions=[transition("black", "cleared", settled=settled)]))
    assert added.events == []
    assert (state.open, state.status["openConditions"]) == ({}, [])
    assert message_of(state) == f"black ended at 2026-11-20T12:00:00Z without a recovery: {why}"
    fold(state, report(seq=3, monitor={"stream": "Live"}), MONITOR, set(), NOW + timedelta(days=1, minutes=1))
    assert message_of(state) == ""


def test_an_alert_that_is_raised_again_is_no_longer_one_that_ended_without_a_recovery() -> None:
    state = known()
    folded(state, report(seq=1, transitions=[transition("black", "raised")]))
    folded(state, report(seq=2, transitions=[transition("black", "cleared", settled="check_disabled")]))
    again = uuid7()
    folded(state, report(seq=3, transitions=[transition("black", "raised", episode=again)]))
    assert message_of(state) == "open: black"
    folded(state, report(seq=4, transitions=[transition("black", "cleared", episode=again)]))
    assert state.private == {}


def test_the_summary_of_what_is_open_stays_short() -> None:
    state = known()
    names = ["black", "silence", "stall", "av_drift", "pdt_jump", "slow_delivery", "freeze"]
    folded(state, report(seq=1, transitions=[transition(name, "raised") for name in names]))
    assert state.status["openSummary"] == "av_drift, black, freeze, pdt_jump, silence, +2"
    folded(state, report(seq=2, transitions=[]), report(seq=3, monitor={"stream": "Live"}))
    assert state.status["openSummary"].endswith("+2")


def test_degraded_keeps_the_time_of_its_last_change_while_only_the_reason_changes() -> None:
    state = known()
    times = []
    for second, changed in enumerate(
        [("black", "raised"), ("stall", "raised"), ("black", "cleared"), ("stall", "cleared")]
    ):
        one = report(seq=second, transitions=[transition(*changed)])
        fold(state, one, MONITOR, set(), NOW + timedelta(seconds=second))
        times.append(state.status["conditions"][0]["lastTransitionTime"])
    assert times == ["2026-11-20T12:00:00Z"] * 3 + ["2026-11-20T12:00:03Z"]


def test_degraded_says_why_the_source_cannot_be_looked_at_for_as_long_as_it_cannot() -> None:
    state = known()
    why = {"reason": "unreachable", "hint": "Check the URL."}
    folded(state, report(seq=1, transitions=[transition("probe_blocked", "raised", detail=why)]))
    folded(state, report(seq=2, monitor={"stream": "Live"}, transitions=[transition("black", "raised")]))
    condition = state.status["conditions"][0]
    assert condition["reason"] == "ProbeBlocked"
    assert condition["message"] == "cannot look at the source: unreachable; Check the URL.; open: black"
    folded(state, report(seq=3, transitions=[transition("probe_blocked", "cleared")]))
    assert state.status["conditions"][0]["message"] == "open: black"
    folded(state, report(seq=4, monitor={"stream": "ProbeBlocked", "reason": "bot_check"}))
    assert state.status["conditions"][0]["message"] == "cannot look at the source: bot_check; open: black"


def message_of(state: Known) -> str:
    return str(state.status["conditions"][0]["message"])


@pytest.mark.parametrize(("offset", "remark"), [(95.4, "about 100 s ahead"), (-42.0, "about 40 s behind")])
def test_a_clock_that_is_off_is_told_with_the_condition_and_alters_neither_it_nor_any_time(
    offset: float, remark: str
) -> None:
    state = known()
    raised = transition("black", "raised")
    added = folded(state, report(seq=1, monitor={"stream": "Live"}, transitions=[raised], clock_offset=offset))
    assert state.status["conditions"][0]["status"] == "True"
    assert message_of(state).startswith("open: black; the worker's clock is " + remark)
    assert added[0].events[0].timestamp == NOW
    folded(
        state,
        report(
            seq=2,
            monitor={"stream": "Live"},
            clock_offset=offset + 3,
            transitions=[{**raised, "id": uuid7(), "state": "cleared"}],
        ),
    )
    assert state.status["conditions"][0]["status"] == "False"
    assert message_of(state).startswith("the worker's clock is " + remark)
    folded(state, report(seq=3, monitor={"stream": "Live"}, clock_offset=1.0))
    assert message_of(state) == ""


@pytest.mark.parametrize(
    ("stream", "reason", "said"),
    [
        ({"stream": "Live"}, "SourceHealthy", ""),
        ({"stream": "Unknown", "reason": "http_404"}, "SourceNotSeen", "the stream has not been seen yet: http_404"),
        ({"stream": "Upcoming"}, "SourceNotSeen", "the stream has not been seen yet: no segment yet"),
        ({"stream": "Ended", "reason": "endlist_detected"}, "SourceEnded", "the stream has ended: endlist_detected"),
    ],
)
def test_a_source_is_called_healthy_only_while_it_is_seen(stream: dict[str, str], reason: str, said: str) -> None:
    state = known()
    folded(state, report(monitor=stream))
    condition = state.status["conditions"][0]
    assert (condition["status"], condition["reason"], condition["message"]) == ("False", reason, said)


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        ("http_404", "SourceNotFound"),
        ("blocked_address", "SourceRefused"),
        ("invalid_url", "SourceRefused"),
        ("media_file", "SourceUnsupported"),
    ],
)
def test_a_source_that_cannot_be_watched_is_told_with_why_until_it_is_seen(error: str, reason: str) -> None:
    state = known()
    unseen = {"stream": "Unknown", "reason": error}
    failed = occurrence("monitor.error", reason=error, message="The source answers HTTP 404.")
    (added,) = folded(state, report(seq=1, monitor=unseen, occurrences=[failed]))
    assert [event.type for event in added.events] == ["monitor.error"]
    folded(state, report(seq=2, monitor=unseen))
    condition = state.status["conditions"][0]
    assert (condition["status"], condition["reason"]) == ("True", reason)
    assert condition["message"] == "the source cannot be watched: The source answers HTTP 404."
    folded(state, report(seq=3, monitor={"stream": "Live"}))
    assert (state.status["conditions"][0]["reason"], state.private) == ("SourceHealthy", {})


def test_an_error_counts_whenever_the_worker_finds_it_and_not_while_it_finds_something_else() -> None:
    state = known()
    failed = occurrence("monitor.error", reason="http_404", message="The source answers HTTP 404.")
    folded(state, report(seq=1, monitor={"stream": "Unknown", "reason": "http_404"}, occurrences=[failed]))
    folded(state, report(seq=2, monitor={"stream": "Unknown", "reason": "not_live"}))
    assert state.status["conditions"][0]["reason"] == "SourceNotSeen"
    folded(state, report(seq=3, monitor={"stream": "Unknown", "reason": "http_404"}))
    assert state.status["conditions"][0]["reason"] == "SourceNotFound"


def test_an_error_that_the_gateway_itself_has_noticed_is_none_of_the_source() -> None:
    state = known()
    refused = occurrence("monitor.error", reason="webhook_url_refused", message="10.0.0.1 is private")
    folded(state, report(seq=-1, occurrences=[refused]), report(seq=1, monitor={"stream": "Unknown"}))
    assert (state.status["conditions"][0]["reason"], state.private) == ("SourceNotSeen", {})
