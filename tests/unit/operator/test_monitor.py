# SPDX-License-Identifier: Apache-2.0
"""What the operator does about a Monitor, as tables."""

from datetime import timedelta
from typing import Any

import pytest
from castwarden_model.resources import Monitor
from castwarden_operator.kinds import Object
from castwarden_operator.reconcile.attempts import ATTEMPT
from castwarden_operator.reconcile.monitor import pod_for, reconcile
from castwarden_operator.reconcile.plan import Apply, Create, Delete, Plan

from .objects import NOW, SETTINGS, Turn, condition, monitor, pod_status, resource, said, stored


def plan_for(pod: Object | None, at: timedelta = timedelta(), **spec: Any) -> Plan:
    return reconcile(monitor(**spec), [pod] if pod else [], NOW + at, SETTINGS, Turn())


def running(**metadata: Any) -> Object:
    return stored(pod_for(monitor(), SETTINGS), pod_status("Running", ready=True), **metadata)


def ended(phase: str = "Failed", attempt: int = 0, minutes: float = 1, **status: Any) -> Object:
    """A Pod that ended at NOW after running for so long."""
    pod = stored(pod_for(monitor(), SETTINGS, attempt))
    start = (NOW - timedelta(minutes=minutes)).isoformat()
    state = {"terminated": {"reason": "Error", "exitCode": 1, "finishedAt": NOW.isoformat()}}
    pod["status"] = {"phase": phase, "startTime": start, "containerStatuses": [{"state": state}], **status}
    return pod


def test_a_new_monitor_gets_its_pod() -> None:
    plan = plan_for(None)
    (action,) = plan.actions
    assert isinstance(action, Create)
    assert action.manifest["metadata"]["name"] == "monitor-main"
    assert action.manifest["metadata"]["ownerReferences"][0]["uid"] == "uid-main"
    assert action.manifest["spec"]["containers"][0]["args"] == ["monitor"]
    assert said(plan) == (False, "Pending")
    assert plan.fields == {"podName": "monitor-main"}


def test_a_running_pod_is_left_alone_and_reported_ready() -> None:
    plan = plan_for(running())
    assert plan.actions == ()
    assert said(plan) == (True, "Running")
    assert not condition(plan, "Progressing").status
    assert not condition(plan, "Suspended").status


@pytest.mark.parametrize(
    ("status", "reason", "words"),
    [
        ({"phase": "Pending"}, "Pending", "is being started"),
        (pod_status("Pending", waiting="ContainerCreating"), "Pending", "is being started"),
        (pod_status("Pending", waiting="ImagePullBackOff", message="not found"), "ImagePullBackOff", "not found"),
        (pod_status("Pending", waiting="ErrImagePull"), "ImagePullBackOff", "CASTWARDEN_WORKER_IMAGE"),
        (pod_status("Pending", waiting="InvalidImageName"), "ImagePullBackOff", "CASTWARDEN_WORKER_IMAGE"),
        (
            pod_status("Pending", waiting="CreateContainerConfigError", message="secret x not found"),
            "CreateContainerConfigError",
            "secret x not found",
        ),
        (pod_status("Running", waiting="CrashLoopBackOff"), "CrashLoopBackOff", "kubectl logs --previous"),
        (pod_status("Running"), "Starting", "waits for the gateway"),
        (
            {
                "phase": "Pending",
                "conditions": [{"type": "PodScheduled", "status": "False", "message": "0/3 nodes are available"}],
            },
            "Unschedulable",
            "0/3 nodes are available",
        ),
    ],
)
def test_a_pod_that_does_not_run_says_why_and_what_to_do(status: Object, reason: str, words: str) -> None:
    plan = plan_for(stored(pod_for(monitor(), SETTINGS), status))
    assert plan.actions == ()
    assert said(plan) == (False, reason)
    assert words in condition(plan, "Ready").message


@pytest.mark.parametrize(
    ("changed", "reason", "progressing"),
    [("2026-11-20T12:00:00Z", "Starting", True), ("2026-11-20T12:05:00Z", "NotReady", False)],
)
def test_a_pod_that_was_ready_before_is_not_called_starting(changed: str, reason: str, progressing: bool) -> None:
    status = pod_status("Running")
    status["containerStatuses"][0]["state"] = {"running": {"startedAt": "2026-11-20T12:00:01Z"}}
    status["conditions"][0]["lastTransitionTime"] = changed
    plan = plan_for(stored(pod_for(monitor(), SETTINGS), status))
    assert said(plan) == (False, reason)
    assert condition(plan, "Progressing").status == progressing


def test_a_crash_loop_names_the_exit_code() -> None:
    status = pod_status("Running", waiting="CrashLoopBackOff")
    status["containerStatuses"][0]["lastState"] = {"terminated": {"reason": "OOMKilled", "exitCode": 137}}
    plan = plan_for(stored(pod_for(monitor(), SETTINGS), status))
    assert "OOMKilled, exit code 137" in condition(plan, "Ready").message


def test_suspending_deletes_the_pod() -> None:
    pod = running()
    plan = plan_for(pod, suspend=True)
    assert plan.actions == (Delete(pod),)
    assert said(plan) == (False, "Suspended")
    assert condition(plan, "Suspended").status


def test_a_suspended_monitor_without_a_pod_has_nothing_to_do() -> None:
    plan = plan_for(None, suspend=True)
    assert plan.actions == ()
    assert plan.fields == {"podName": None}
    assert not condition(plan, "Progressing").status


def test_suspending_does_not_delete_twice() -> None:
    assert plan_for(running(deletionTimestamp="2026-11-20T12:00:30Z"), suspend=True).actions == ()


def test_a_changed_template_replaces_the_pod() -> None:
    pod = running()
    plan = plan_for(pod, template={"labels": {"team": "sport"}})
    assert plan.actions == (Delete(pod),)
    assert said(plan) == (False, "Replacing")


def test_a_changed_threshold_does_not_touch_the_pod() -> None:
    assert plan_for(running(), checks={"black": {"raiseAfter": "5s"}}).actions == ()


@pytest.mark.parametrize("label", ["castwarden.dev/name", "castwarden.dev/role"])
def test_a_label_that_somebody_changed_is_put_back(label: str) -> None:
    pod = running()
    pod["metadata"]["labels"][label] = "other"
    (action,) = plan_for(pod).actions
    assert isinstance(action, Apply)
    assert action.manifest["metadata"]["labels"][label] != "other"


def test_an_image_that_somebody_changed_is_put_back() -> None:
    pod = running()
    pod["spec"]["containers"][0]["image"] = "evil:latest"
    (action,) = plan_for(pod).actions
    assert isinstance(action, Apply)


def test_what_the_api_server_and_others_add_is_no_drift() -> None:
    pod = running()
    pod["metadata"]["labels"]["other-tool"] = "x"
    pod["metadata"]["annotations"]["cni/ip"] = "10.0.0.1"
    pod["spec"]["tolerations"] = [{"key": "node.kubernetes.io/not-ready", "operator": "Exists"}]
    pod["spec"]["containers"].append({"name": "sidecar", "image": "mesh:1"})
    pod["spec"]["containers"][0]["terminationMessagePath"] = "/dev/termination-log"
    assert plan_for(pod).actions == ()


def test_a_repair_keeps_the_count_of_failed_pods() -> None:
    pod = running()
    pod["metadata"]["annotations"][ATTEMPT] = "4"
    pod["metadata"]["labels"]["castwarden.dev/role"] = "x"
    (action,) = plan_for(pod).actions
    assert isinstance(action, Apply)
    assert action.manifest["metadata"]["annotations"][ATTEMPT] == "4"


def test_a_terminating_pod_is_awaited() -> None:
    plan = plan_for(running(deletionTimestamp="2026-11-20T12:00:30Z"))
    assert plan.actions == ()
    assert said(plan) == (False, "Replacing")
    assert plan.again_in == 90


def test_a_pod_that_does_not_end_long_after_its_grace_is_removed_by_force() -> None:
    pod = running(deletionTimestamp="2026-11-20T12:00:30Z")
    plan = plan_for(pod, at=timedelta(minutes=2))
    assert plan.actions == (Delete(pod, grace_seconds=0),)
    assert said(plan) == (False, "PodStuck")


def test_a_pod_of_a_deleted_namesake_is_awaited_not_taken_over() -> None:
    pod = running()
    pod["metadata"]["ownerReferences"][0]["uid"] = "uid-of-the-old-monitor"
    plan = plan_for(pod)
    assert plan.actions == ()
    assert said(plan) == (False, "NameTaken")


def test_a_pod_of_ours_that_lost_its_owner_is_taken_back() -> None:
    plan = plan_for(running(ownerReferences=[]))
    (action,) = plan.actions
    assert isinstance(action, Apply)
    assert action.manifest["metadata"]["ownerReferences"][0]["uid"] == "uid-main"
    assert said(plan) == (True, "Running")


def test_a_second_pod_of_ours_is_deleted() -> None:
    stray = running(name="monitor-main-old")
    plan = reconcile(monitor(), [running(), stray], NOW, SETTINGS, Turn())
    assert plan.actions == (Delete(stray),)


def test_a_second_pod_that_is_leaving_already_is_not_deleted_again() -> None:
    stray = running(name="monitor-main-old", deletionTimestamp="2026-11-20T12:00:30Z")
    assert reconcile(monitor(), [running(), stray], NOW, SETTINGS, Turn()).actions == ()


@pytest.mark.parametrize("phase", ["Failed", "Succeeded"])
def test_a_pod_that_ended_is_replaced_at_once_the_first_time(phase: str) -> None:
    pod = ended(phase)
    plan = plan_for(pod)
    delete, create = plan.actions
    assert delete == Delete(pod, grace_seconds=0)
    assert isinstance(create, Create)
    assert create.manifest["metadata"]["annotations"][ATTEMPT] == "1"
    assert said(plan) == (False, "PodFailed")


def test_an_evicted_pod_is_replaced_and_the_reason_is_told() -> None:
    pod = ended(reason="Evicted", message="The node was low on resource: memory.")
    plan = plan_for(pod)
    assert len(plan.actions) == 2
    assert "Evicted, The node was low on resource: memory." in condition(plan, "Ready").message


@pytest.mark.parametrize(("attempt", "wait"), [(1, 10), (2, 20), (3, 40), (5, 160), (6, 300), (16, 300), (5000, 300)])
def test_a_pod_that_keeps_failing_early_is_replaced_ever_more_slowly(attempt: int, wait: int) -> None:
    pod = ended(attempt=attempt)
    early = plan_for(pod, at=timedelta(seconds=wait - 1))
    assert early.actions == ()
    assert early.again_in == 1
    assert len(plan_for(pod, at=timedelta(seconds=wait)).actions) == 2


def test_a_pod_that_ran_for_long_before_it_failed_is_replaced_at_once() -> None:
    delete, create = plan_for(ended(attempt=9, minutes=11)).actions
    assert isinstance(delete, Delete)
    assert isinstance(create, Create)
    assert create.manifest["metadata"]["annotations"][ATTEMPT] == "1"


def outdated(*, ready: bool = True) -> Object:
    old = pod_for(monitor(), SETTINGS.model_copy(update={"worker_image": "worker:old"}))
    return stored(old, pod_status("Running", ready=ready))


def test_a_ready_pod_is_replaced_when_its_turn_has_come_and_is_as_it_was_until_then() -> None:
    waiting = reconcile(monitor(), [outdated()], NOW, SETTINGS, Turn(None))
    assert (waiting.actions, waiting.again_in) == ((), None)
    assert said(waiting) == said(plan_for(running()))
    soon = reconcile(monitor(), [outdated()], NOW, SETTINGS, Turn(0.5))
    assert (soon.actions, soon.again_in) == ((), 0.5)
    (action,) = reconcile(monitor(), [outdated()], NOW, SETTINGS, Turn(0.0)).actions
    assert isinstance(action, Delete)


def test_a_pod_that_is_not_ready_loses_nothing_and_waits_for_nobody() -> None:
    (action,) = reconcile(monitor(), [outdated(ready=False)], NOW, SETTINGS, Turn(None)).actions
    assert isinstance(action, Delete)


@pytest.mark.parametrize(
    ("pod", "spec", "done"),
    [(running(), {}, True), (outdated(), {}, False), (None, {}, False), (outdated(), {"suspend": True}, True)],
)
def test_a_turn_is_over_when_the_new_pod_is_ready_or_none_is_wanted(
    pod: Object | None, spec: dict[str, Any], done: bool
) -> None:
    turn = Turn()
    reconcile(monitor(**spec), [pod] if pod else [], NOW, SETTINGS, turn)
    assert turn.is_done is done


def test_the_first_pod_has_two_seconds_to_run_before_the_status_says_anything() -> None:
    pod = stored(pod_for(monitor(), SETTINGS), pod_status("Pending"), creationTimestamp=NOW.isoformat())
    plan = plan_for(pod, timedelta(seconds=0.5))
    assert (plan.quiet, plan.again_in, plan.actions) == (True, 1.5, ())
    later = plan_for(pod, timedelta(seconds=2))
    assert not later.quiet
    assert said(later) == (False, "Pending")
    ready = stored(pod_for(monitor(), SETTINGS), pod_status("Running", ready=True), creationTimestamp=NOW.isoformat())
    assert said(plan_for(ready)) == (True, "Running")


def test_a_monitor_that_has_been_told_of_says_at_once_what_its_next_pod_does() -> None:
    pod = stored(pod_for(monitor(), SETTINGS), pod_status("Pending"), creationTimestamp=NOW.isoformat())
    failed = {"type": "Ready", "status": "False", "reason": "PodFailed", "lastTransitionTime": NOW.isoformat()}
    told = Monitor.model_validate(resource("Monitor", status={"conditions": [failed]}))
    assert said(reconcile(told, [pod], NOW, SETTINGS, Turn())) == (False, "Pending")
