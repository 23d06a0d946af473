# SPDX-License-Identifier: Apache-2.0
"""A Pod's phase, conditions and container statuses from the states of its containers, and back again."""

from datetime import UTC, datetime, timedelta

import pytest
from castwarden_local.controllers.objects import Object
from castwarden_local.runner.status import ContainerState, Running, Terminated, Waiting, phase, pod_status, restore

NOW = datetime(2030, 1, 1, 12, 0, tzinfo=UTC)
GOOD = Terminated(0, "Completed", NOW, NOW)
BAD = Terminated(1, "Error", NOW, NOW)


def container(state: Waiting | Running | Terminated, last: Terminated | None = None, name: str = "c") -> ContainerState:
    ready = isinstance(state, Running)
    return ContainerState(name, "image", state, last, restarts=1 if last else 0, ready=ready, started=ready)


WAITING, RUNNING, DONE, FAILED = (container(state) for state in (Waiting(), Running(NOW), GOOD, BAD))
CRASHED = container(Waiting("CrashLoopBackOff"), BAD)


@pytest.mark.parametrize(
    ("policy", "inits", "containers", "expected"),
    [
        ("Always", [], [WAITING], "Pending"),
        ("Always", [], [RUNNING, WAITING], "Pending"),
        ("Always", [], [RUNNING], "Running"),
        ("Always", [], [DONE], "Running"),
        ("Always", [], [CRASHED], "Running"),
        ("OnFailure", [], [DONE], "Succeeded"),
        ("OnFailure", [], [FAILED], "Running"),
        ("Never", [], [DONE], "Succeeded"),
        ("Never", [], [FAILED], "Failed"),
        ("Never", [], [FAILED, RUNNING], "Running"),
        ("Never", [], [FAILED, DONE], "Failed"),
        ("Never", [RUNNING], [WAITING], "Pending"),
        ("Never", [FAILED], [WAITING], "Failed"),
        ("Always", [CRASHED], [WAITING], "Pending"),
        ("Always", [DONE], [RUNNING], "Running"),
    ],
)
def test_the_phase(policy: str, inits: list[ContainerState], containers: list[ContainerState], expected: str) -> None:
    assert phase(policy, inits, containers) == expected


def status_of(state: ContainerState, policy: str = "Always", old: Object | None = None) -> Object:
    pod = {"spec": {"restartPolicy": policy}, "status": old or {}}
    return pod_status(pod, [], [state], ip="127.9.1.1", host_ip="127.0.0.1", started=NOW, now=NOW)


def conditions(status: Object) -> dict[str, tuple[str, str]]:
    return {c["type"]: (c["status"], c.get("reason", "")) for c in status["conditions"]}


def test_a_ready_pod_says_so_and_where_it_is() -> None:
    status = status_of(RUNNING)
    assert conditions(status)["Ready"] == conditions(status)["ContainersReady"] == ("True", "")
    assert (status["podIP"], status["startTime"]) == ("127.9.1.1", "2030-01-01T12:00:00Z")
    assert status["containerStatuses"][0]["state"] == {"running": {"startedAt": "2030-01-01T12:00:00Z"}}


def test_a_crashed_container_shows_why_it_waits_and_how_it_ended() -> None:
    status = status_of(CRASHED)
    assert conditions(status)["Ready"] == ("False", "ContainersNotReady")
    (shown,) = status["containerStatuses"]
    assert shown["state"] == {"waiting": {"reason": "CrashLoopBackOff"}}
    assert (shown["lastState"]["terminated"]["exitCode"], shown["restartCount"]) == (1, 1)


def test_a_finished_pod_is_unready_for_a_reason() -> None:
    assert conditions(status_of(DONE, "Never"))["Ready"] == ("False", "PodCompleted")
    assert conditions(status_of(FAILED, "Never"))["Ready"] == ("False", "PodFailed")


def test_a_condition_keeps_the_time_of_its_last_transition() -> None:
    earlier = NOW - timedelta(hours=1)
    first = pod_status({"spec": {}, "status": {}}, [], [RUNNING], ip="i", host_ip="h", started=earlier, now=earlier)
    times = {c["type"]: c["lastTransitionTime"] for c in status_of(RUNNING, old=first)["conditions"]}
    assert times["Ready"] == "2030-01-01T11:00:00Z"
    times = {c["type"]: c["lastTransitionTime"] for c in status_of(CRASHED, old=first)["conditions"]}
    assert (times["Ready"], times["PodScheduled"]) == ("2030-01-01T12:00:00Z", "2030-01-01T11:00:00Z")


def test_a_verdict_fails_the_pod_whatever_its_containers_say() -> None:
    pod: Object = {"spec": {}, "status": {}}
    verdict = ("DeadlineExceeded", "too long")
    status = pod_status(pod, [], [DONE], ip="i", host_ip="h", started=NOW, now=NOW, verdict=verdict)
    assert (status["phase"], status["reason"], status["message"]) == ("Failed", *verdict)


def test_a_container_that_ran_when_the_runner_died_is_lost() -> None:
    pod = {"status": status_of(RUNNING)}
    state = restore(pod, "containerStatuses", {"name": "c"}, NOW)
    assert isinstance(state.state, Terminated)
    assert (state.state.exit_code, state.state.reason) == (255, "Unknown")


def test_what_had_ended_and_how_often_is_remembered() -> None:
    state = restore({"status": status_of(FAILED, "Never")}, "containerStatuses", {"name": "c"}, NOW)
    assert state.state == BAD
    state = restore({"status": status_of(CRASHED)}, "containerStatuses", {"name": "c"}, NOW)
    assert (state.over, state.restarts) == (BAD, 1)


def test_a_container_without_a_status_starts_from_nothing() -> None:
    assert restore({}, "containerStatuses", {"name": "c"}, NOW).over is None
