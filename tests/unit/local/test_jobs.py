# SPDX-License-Identifier: Apache-2.0
"""What a Job needs next, as a table of Pods, statuses and times."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from castwarden_local.controllers import jobs
from castwarden_local.controllers.objects import Object, condition, format_time

NOW = datetime(2030, 1, 1, 12, 0, tzinfo=UTC)
TRACKED = [jobs.TRACKED]


def job(status: Object | None = None, **spec: Any) -> Object:
    template = {"metadata": {"labels": {"a": "b"}}, "spec": {"restartPolicy": spec.pop("restart", "Never")}}
    given = {"parallelism": 1, "completions": 1, "backoffLimit": 6, "template": template} | spec
    meta = {"name": "fetch", "namespace": "n", "uid": "job-uid"}
    return {"metadata": meta, "spec": given, "status": status or {}}


def pod(uid: str, phase: str, *, ended: datetime = NOW, restarts: int = 0, **meta: Any) -> Object:
    state = {"terminated": {"finishedAt": format_time(ended)}} if phase in ("Succeeded", "Failed") else {}
    status = {"phase": phase, "containerStatuses": [{"state": state, "restartCount": restarts}]}
    return {"metadata": {"name": uid, "namespace": "n", "uid": uid, "finalizers": TRACKED} | meta, "status": status}


def settle(subject: Object, pods: Sequence[Object], now: datetime = NOW) -> tuple[Object, list[jobs.JobPlan]]:
    """Plays the controller until nothing changes any more; Pods that are asked to go do so."""
    pods, plans = list(pods), []
    for _ in range(10):
        plan = jobs.reconcile(subject, pods, now)
        plans.append(plan)
        if plan.status == subject["status"] and not plan.release:
            return subject, plans
        subject = subject | {"status": plan.status}
        for released in plan.release:
            released["metadata"]["finalizers"] = []
        pods = [one for one in pods if one not in plan.delete]
    raise AssertionError("it never settles")


def reason(subject: Object, kind: str) -> str | None:
    found = condition(subject["status"].get("conditions", []), kind)
    return found["reason"] if found else None


def test_a_new_job_starts_its_clock_and_makes_one_pod() -> None:
    plan = jobs.reconcile(job(), [], NOW)
    assert (plan.create, plan.status["startTime"], plan.status["active"]) == (1, "2030-01-01T12:00:00Z", 1)


def test_a_job_whose_pod_runs_makes_no_other() -> None:
    plan = jobs.reconcile(job({"startTime": format_time(NOW)}), [pod("a", "Running")], NOW)
    assert (plan.create, plan.delete, plan.status["active"]) == (0, [], 1)


def test_the_pod_carries_the_labels_the_finalizer_and_the_owner_of_its_job() -> None:
    made = jobs.pod_for(job())["metadata"]
    assert made["labels"] == {
        "a": "b",
        "controller-uid": "job-uid",
        "job-name": "fetch",
        "batch.kubernetes.io/controller-uid": "job-uid",
        "batch.kubernetes.io/job-name": "fetch",
    }
    assert made["generateName"] == "fetch-"
    assert made["finalizers"] == TRACKED
    assert (
        made["ownerReferences"][0] | {"kind": "Job", "uid": "job-uid", "controller": True}
        == (made["ownerReferences"][0])
    )


def test_a_succeeded_pod_completes_the_job_and_is_counted_once() -> None:
    done, plans = settle(job({"startTime": format_time(NOW)}), [pod("a", "Succeeded")])
    assert (done["status"]["succeeded"], reason(done, "Complete")) == (1, "CompletionsReached")
    assert done["status"]["completionTime"] == format_time(NOW)
    assert "active" not in done["status"]
    assert [kind["type"] for kind in done["status"]["conditions"]] == ["SuccessCriteriaMet", "Complete"]
    assert not any(plan.create for plan in plans)


def test_a_pod_is_listed_as_uncounted_before_its_finalizer_goes() -> None:
    plan = jobs.reconcile(job({"startTime": format_time(NOW)}), [pod("a", "Succeeded")], NOW)
    assert plan.status["uncountedTerminatedPods"] == {"succeeded": ["a"]}
    assert "succeeded" not in plan.status
    assert [released["metadata"]["uid"] for released in plan.release] == ["a"]
    assert condition(plan.status["conditions"], "Complete") is None


@pytest.mark.parametrize(
    ("failures", "seconds"), [(1, 10), (2, 20), (3, 40), (6, 320), (7, 600), (20, 600)], ids=lambda value: str(value)
)
def test_after_each_failure_the_next_pod_waits_twice_as_long(failures: int, seconds: int) -> None:
    failed = [pod(str(number), "Failed", finalizers=[]) for number in range(failures)]
    subject = job({"startTime": format_time(NOW), "failed": failures}, backoffLimit=99)
    early = jobs.reconcile(subject, failed, NOW + timedelta(seconds=seconds - 1))
    assert (early.create, early.again_in) == (0, timedelta(seconds=1))
    assert jobs.reconcile(subject, failed, NOW + timedelta(seconds=seconds)).create == 1


def test_one_failure_more_than_the_limit_fails_the_job() -> None:
    subject = job({"startTime": format_time(NOW), "failed": 1}, backoffLimit=1)
    failed, plans = settle(subject, [pod("b", "Failed")])
    assert reason(failed, "FailureTarget") == reason(failed, "Failed") == "BackoffLimitExceeded"
    assert failed["status"]["failed"] == 2
    assert not any(plan.create for plan in plans)
    assert "completionTime" not in failed["status"]


def test_restarts_in_place_count_against_the_limit() -> None:
    subject = job({"startTime": format_time(NOW)}, backoffLimit=2, restart="OnFailure")
    assert jobs.reconcile(subject, [pod("a", "Running", restarts=1)], NOW).delete == []
    failed, _ = settle(subject, [pod("a", "Running", restarts=2)])
    assert reason(failed, "Failed") == "BackoffLimitExceeded"


def test_a_job_past_its_deadline_deletes_its_pod_and_fails() -> None:
    subject = job({"startTime": format_time(NOW)}, activeDeadlineSeconds=60)
    running = pod("a", "Running")
    early = jobs.reconcile(subject, [running], NOW + timedelta(seconds=59))
    assert (early.delete, early.again_in) == ([], timedelta(seconds=1))
    late = jobs.reconcile(subject, [running], NOW + timedelta(seconds=60))
    assert late.delete == [running]
    assert condition(late.status["conditions"], "Failed") is None
    failed, _ = settle(subject, [running], NOW + timedelta(seconds=60))
    assert reason(failed, "Failed") == "DeadlineExceeded"


def test_a_suspended_job_gives_up_its_pod_without_counting_it() -> None:
    running = pod("a", "Running")
    plan = jobs.reconcile(job({"startTime": format_time(NOW)}, suspend=True), [running], NOW)
    assert (plan.abandon, plan.delete, plan.create) == ([running], [], 0)
    assert reason({"status": plan.status}, "Suspended") == "JobSuspended"
    abandoned = pod("a", "Running", finalizers=[], deletionTimestamp=format_time(NOW))
    assert "failed" not in jobs.reconcile(job(plan.status, suspend=True), [abandoned], NOW).status


def test_a_resumed_job_starts_anew() -> None:
    suspended = jobs.reconcile(job({"startTime": format_time(NOW)}, suspend=True), [], NOW).status
    later = NOW + timedelta(hours=1)
    plan = jobs.reconcile(job(suspended, suspend=False), [], later)
    assert (plan.create, plan.status["startTime"]) == (1, format_time(later))
    (resumed,) = plan.status["conditions"]
    assert (resumed["status"], resumed["reason"]) == ("False", "JobResumed")


def test_a_pod_that_somebody_deletes_is_a_failure_and_is_replaced() -> None:
    leaving = pod("a", "Running", deletionTimestamp=format_time(NOW))
    plan = jobs.reconcile(job({"startTime": format_time(NOW)}), [leaving], NOW + timedelta(seconds=10))
    assert plan.status["uncountedTerminatedPods"] == {"failed": ["a"]}
    assert (plan.create, plan.status["terminating"]) == (1, 1)


def test_a_failed_pod_that_is_gone_by_now_still_delays_the_next_one() -> None:
    subject = job({"startTime": format_time(NOW)})
    leaving = pod("a", "Pending", deletionTimestamp=format_time(NOW))
    plan = jobs.reconcile(subject, [leaving], NOW)
    assert plan.create == 0
    subject = subject | {"status": plan.status}
    gone = jobs.reconcile(subject, [], NOW + timedelta(seconds=1), plan.last_failure)
    assert (gone.create, gone.status["failed"], gone.again_in) == (0, 1, timedelta(seconds=9))


def test_a_finished_job_is_deleted_after_its_time_to_live() -> None:
    done, _ = settle(job({"startTime": format_time(NOW)}, ttlSecondsAfterFinished=30), [pod("a", "Succeeded")])
    early = jobs.reconcile(done, [], NOW + timedelta(seconds=29))
    assert (early.delete_job, early.again_in) == (False, timedelta(seconds=1))
    assert jobs.reconcile(done, [], NOW + timedelta(seconds=30)).delete_job


def test_a_finished_job_makes_nothing_and_keeps_its_status() -> None:
    done, _ = settle(job({"startTime": format_time(NOW)}), [pod("a", "Succeeded")])
    plan = jobs.reconcile(done, [], NOW + timedelta(days=1))
    assert (plan.create, plan.status, plan.again_in) == (0, done["status"], None)


def test_parallelism_never_starts_more_than_are_left_to_complete() -> None:
    subject = job({"startTime": format_time(NOW), "succeeded": 3}, completions=5, parallelism=4)
    assert jobs.reconcile(subject, [], NOW).create == 2
