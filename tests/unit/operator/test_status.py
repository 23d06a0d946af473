# SPDX-License-Identifier: Apache-2.0
"""Conditions: written only when something is new, with transition times that tell the truth."""

from datetime import timedelta

from castwarden_operator.kinds import Object
from castwarden_operator.reconcile.plan import conditions, not_ready, ready
from castwarden_operator.status import summarise

from .objects import NOW, resource

LATER = NOW + timedelta(minutes=5)
RUNNING = conditions(ready("Running", "Pod monitor-main watches"))
FIELDS = {"podName": "monitor-main"}


def settled() -> Object:
    """A Monitor whose status was written at NOW."""
    obj = resource("Monitor")
    obj["status"] = summarise(obj, RUNNING, FIELDS, NOW).status
    return obj


def ready_of(status: Object) -> Object:
    found: Object = next(condition for condition in status["conditions"] if condition["type"] == "Ready")
    return found


def test_the_first_status_is_new_and_a_transition() -> None:
    summary = summarise(resource("Monitor"), RUNNING, FIELDS, NOW)
    assert summary.changed
    assert summary.transition == RUNNING[0]
    assert summary.status["observedGeneration"] == 3
    assert ready_of(summary.status) == {
        "type": "Ready",
        "status": "True",
        "reason": "Running",
        "message": "Pod monitor-main watches",
        "observedGeneration": 3,
        "lastTransitionTime": "2026-11-20T12:00:00Z",
    }


def test_the_same_again_is_no_change() -> None:
    summary = summarise(settled(), RUNNING, FIELDS, LATER)
    assert not summary.changed
    assert summary.transition is None


def test_what_the_gateway_writes_is_no_change() -> None:
    obj = settled()
    degraded = {"type": "Degraded", "status": "True", "lastTransitionTime": "2026-11-20T12:00:00Z"}
    obj["status"]["conditions"].append(degraded)
    obj["status"]["stream"] = {"state": "Live"}
    assert not summarise(obj, RUNNING, FIELDS, LATER).changed


def test_a_new_generation_is_a_change_but_no_transition() -> None:
    obj = settled()
    obj["metadata"]["generation"] = 4
    summary = summarise(obj, RUNNING, FIELDS, LATER)
    assert summary.changed
    assert summary.transition is None
    assert ready_of(summary.status)["lastTransitionTime"] == "2026-11-20T12:00:00Z"
    assert ready_of(summary.status)["observedGeneration"] == 4


def test_a_new_reason_keeps_the_time_while_the_status_stays() -> None:
    first = resource("Monitor")
    first["status"] = summarise(first, conditions(not_ready("Pending", "")), FIELDS, NOW).status
    summary = summarise(first, conditions(not_ready("CrashLoopBackOff", "")), FIELDS, LATER)
    assert summary.changed
    assert summary.transition is not None
    assert ready_of(summary.status)["lastTransitionTime"] == "2026-11-20T12:00:00Z"


def test_a_new_status_gets_a_new_time() -> None:
    summary = summarise(settled(), conditions(not_ready("PodFailed", "")), FIELDS, LATER)
    assert ready_of(summary.status)["lastTransitionTime"] == "2026-11-20T12:05:00Z"


def test_a_field_that_goes_away_is_a_change() -> None:
    summary = summarise(settled(), RUNNING, {"podName": None}, LATER)
    assert summary.changed
    assert "podName" not in summary.status


def test_a_condition_that_somebody_edited_is_put_back() -> None:
    obj = settled()
    ready_of(obj["status"])["reason"] = "Hacked"
    assert summarise(obj, RUNNING, FIELDS, LATER).changed
