# SPDX-License-Identifier: Apache-2.0
"""What the operator does about a DownloadJob, as tables."""

from typing import Any

import pytest
from castwarden_operator.kinds import Object
from castwarden_operator.reconcile.downloadjob import job_for, reconcile
from castwarden_operator.reconcile.plan import Apply, Create, Delete, Plan
from castwarden_operator.reconcile.worker import pod_template
from castwarden_operator.settings import Settings

from .objects import NOW, SETTINGS, condition, download, pod_status, said, stored

OFF = SETTINGS.model_copy(update={"downloads_enabled": False})
NO_CLAIM = SETTINGS.model_copy(update={"download_claim": None})
OTHER_IMAGE = SETTINGS.model_copy(update={"worker_image": "registry.example/worker:2"})


def plan_for(*children: Object, settings: Settings = SETTINGS, status: Object | None = None, **spec: Any) -> Plan:
    return reconcile(download(status=status, **spec), children, NOW, settings)


def job(status: Object | None = None, **spec: Any) -> Object:
    return stored(job_for(download(**spec), SETTINGS), status or {"startTime": "2026-11-20T11:00:00Z"})


def over(type_: str, reason: str, message: str) -> Object:
    return {"conditions": [{"type": type_, "status": "True", "reason": reason, "message": message}]}


def test_a_new_download_gets_its_job_with_claim_limits_and_deadline() -> None:
    plan = plan_for(timeout="2h", backoffLimit=5, ttlSecondsAfterFinished=60, storage={"subPath": "films"})
    (action,) = plan.actions
    assert isinstance(action, Create)
    spec = action.manifest["spec"]
    assert action.manifest["metadata"]["name"] == "download-film"
    assert (spec["backoffLimit"], spec["activeDeadlineSeconds"], spec["ttlSecondsAfterFinished"]) == (5, 7200, 60)
    pod = spec["template"]["spec"]
    assert {"name": "downloads", "persistentVolumeClaim": {"claimName": "media"}} in pod["volumes"]
    mount = {"name": "downloads", "mountPath": "/downloads", "subPath": "films"}
    assert mount in pod["containers"][0]["volumeMounts"]
    assert plan.fields == {"jobName": "download-film"}


def test_a_timeout_below_a_second_is_a_second_for_kubernetes_takes_whole_ones() -> None:
    (action,) = plan_for(timeout="500ms").actions
    assert isinstance(action, Create)
    assert action.manifest["spec"]["activeDeadlineSeconds"] == 1


def test_the_resources_own_claim_comes_first() -> None:
    (action,) = plan_for(storage={"persistentVolumeClaim": "own"}).actions
    assert isinstance(action, Create)
    volumes = action.manifest["spec"]["template"]["spec"]["volumes"]
    assert {"name": "downloads", "persistentVolumeClaim": {"claimName": "own"}} in volumes


@pytest.mark.parametrize(
    ("settings", "spec", "reason"),
    [
        (OFF, {}, "DownloadsDisabled"),
        (NO_CLAIM, {}, "NoVolumeClaim"),
        (SETTINGS, {"suspend": True}, "Suspended"),
    ],
)
def test_what_forbids_a_download_makes_no_job_and_is_told(settings: Settings, spec: Object, reason: str) -> None:
    plan = plan_for(settings=settings, **spec)
    assert plan.actions == ()
    assert said(plan) == (False, reason)
    assert plan.fields == {"jobName": None}


def test_suspending_suspends_the_job_and_resuming_resumes_it() -> None:
    (suspend,) = plan_for(job(), suspend=True).actions
    (resume,) = plan_for(job(suspend=True)).actions
    assert isinstance(suspend, Apply)
    assert isinstance(resume, Apply)
    assert (suspend.manifest["spec"]["suspend"], resume.manifest["spec"]["suspend"]) == (True, False)


def test_switching_downloads_off_suspends_what_runs() -> None:
    plan = plan_for(job(), settings=OFF)
    (action,) = plan.actions
    assert isinstance(action, Apply)
    assert action.manifest["spec"]["suspend"] is True
    assert said(plan) == (False, "DownloadsDisabled")


def test_a_running_download_is_left_alone() -> None:
    template = pod_template(download(), "download", SETTINGS, "Never")
    pod = stored({"kind": "Pod", **template}, pod_status("Running", ready=True), name="download-film-x")
    plan = plan_for(job(), pod)
    assert plan.actions == ()
    assert said(plan) == (True, "Running")


def test_a_running_job_keeps_the_image_it_has() -> None:
    assert plan_for(job(), settings=OTHER_IMAGE).actions == ()


def test_a_running_job_of_an_old_image_can_still_be_suspended() -> None:
    existing = job()
    (action,) = plan_for(existing, settings=OTHER_IMAGE, suspend=True).actions
    assert isinstance(action, Apply)
    assert action.manifest["spec"]["template"] == existing["spec"]["template"]
    assert action.manifest["spec"]["suspend"] is True


def test_a_job_of_an_old_image_that_has_not_begun_is_replaced() -> None:
    existing = job({"active": 0})
    assert plan_for(existing, settings=OTHER_IMAGE).actions == (Delete(existing),)


@pytest.mark.parametrize(("type_", "ready"), [("Complete", (True, "Complete")), ("Failed", (False, "Failed"))])
def test_the_end_of_the_job_is_copied_with_its_reason(type_: str, ready: tuple[bool, str]) -> None:
    plan = plan_for(job(over(type_, "TheReason", "in the Job's words")))
    assert plan.actions == ()
    assert said(plan) == ready
    end = condition(plan, type_)
    assert (end.status, end.reason, end.message) == (True, "TheReason", "in the Job's words")


@pytest.mark.parametrize("type_", ["Complete", "Failed"])
def test_a_finished_download_gets_no_new_job_after_the_old_one_was_cleaned_up(type_: str) -> None:
    status = over(type_, "TheReason", "in the Job's words")
    status["conditions"][0]["lastTransitionTime"] = "2026-11-20T11:00:00Z"
    plan = plan_for(status=status)
    assert plan.actions == ()
    assert condition(plan, type_).reason == "TheReason"


def test_a_download_that_the_gateway_saw_complete_gets_no_new_job() -> None:
    plan = plan_for(status={"state": "Complete"})
    assert plan.actions == ()
    assert said(plan) == (True, "Complete")


def test_a_job_that_somebody_deleted_before_its_end_is_made_again() -> None:
    (action,) = plan_for(status={"state": "Running", "jobName": "download-film"}).actions
    assert isinstance(action, Create)


def test_a_changed_time_to_live_reaches_the_job() -> None:
    (action,) = plan_for(job(), ttlSecondsAfterFinished=30).actions
    assert isinstance(action, Apply)


def test_a_download_that_cannot_start_says_why() -> None:
    template = pod_template(download(), "download", SETTINGS, "Never")
    unbound = {"type": "PodScheduled", "status": "False", "message": 'persistentvolumeclaim "media" not found'}
    pod = stored({"kind": "Pod", **template}, {"phase": "Pending", "conditions": [unbound]}, name="download-film-x")
    plan = plan_for(job(), pod)
    assert said(plan) == (False, "Unschedulable")
    assert 'persistentvolumeclaim "media" not found' in condition(plan, "Ready").message
