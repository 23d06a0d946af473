# SPDX-License-Identifier: Apache-2.0
"""What the operator does about a Channel, as tables."""

from typing import Any

import pytest
from castwarden_operator.kinds import Object
from castwarden_operator.reconcile.channel import cron_job_for, first_job_for, reconcile
from castwarden_operator.reconcile.plan import Apply, Create, Plan
from castwarden_operator.reconcile.worker import pod_template

from .objects import NOW, SETTINGS, channel, condition, pod_status, said, stored

POLLED = {"firstPollAt": "2026-11-20T11:00:00Z"}


def plan_for(*children: Object, status: Object | None = None, **spec: Any) -> Plan:
    return reconcile(channel(status=status, **spec), children, NOW, SETTINGS)


def cron_job(**spec: Any) -> Object:
    return stored(cron_job_for(channel(**spec), SETTINGS))


def job(name: str, made: str, *conditions: str) -> Object:
    obj = stored(first_job_for(cron_job(), cron_job_for(channel(), SETTINGS)), name=name, creationTimestamp=made)
    obj["status"] = {
        "conditions": [{"type": type_, "status": "True", "message": "BackoffLimitExceeded"} for type_ in conditions]
    }
    return obj


def pod(status: Object) -> Object:
    return stored({"kind": "Pod", **pod_template(channel(), "poll", SETTINGS, "Never")}, status, name="poll-news-1")


def test_a_new_channel_gets_its_cron_job() -> None:
    plan = plan_for(schedule="*/5 * * * *", timeZone="Europe/Zurich")
    (action,) = plan.actions
    assert isinstance(action, Create)
    spec = action.manifest["spec"]
    assert action.manifest["metadata"]["name"] == "poll-news"
    assert (spec["schedule"], spec["timeZone"]) == ("*/5 * * * *", "Europe/Zurich")
    assert spec["concurrencyPolicy"] == "Forbid"
    assert spec["jobTemplate"]["spec"]["template"]["spec"]["containers"][0]["args"] == ["poll"]
    assert plan.fields == {"cronJobName": "poll-news", "firstPollAt": None}


def test_the_first_poll_is_made_from_the_cron_jobs_template_as_kubectl_would() -> None:
    existing = cron_job()
    (action,) = plan_for(existing).actions
    assert isinstance(action, Create)
    made = action.manifest
    assert made["metadata"]["name"] == "poll-news-first"
    assert made["metadata"]["annotations"] == {"cronjob.kubernetes.io/instantiate": "manual"}
    assert made["metadata"]["ownerReferences"][0]["kind"] == "CronJob"
    assert made["metadata"]["ownerReferences"][0]["uid"] == existing["metadata"]["uid"]
    assert made["spec"] == existing["spec"]["jobTemplate"]["spec"]


def test_when_the_first_poll_was_made_is_remembered() -> None:
    plan = plan_for(cron_job(), job("poll-news-first", "2026-11-20T11:00:05Z"))
    assert plan.actions == ()
    assert plan.fields["firstPollAt"] == "2026-11-20T11:00:05Z"


def test_the_first_poll_is_not_made_again_after_its_job_was_cleaned_up() -> None:
    plan = plan_for(cron_job(), status=POLLED)
    assert plan.actions == ()
    assert plan.fields["firstPollAt"] == "2026-11-20T11:00:00Z"


def test_the_first_poll_of_a_channel_made_suspended_waits_until_it_resumes() -> None:
    assert plan_for(cron_job(suspend=True), suspend=True).actions == ()
    create = next(action for action in plan_for(cron_job(suspend=True)).actions if isinstance(action, Create))
    assert create.manifest["metadata"]["name"] == "poll-news-first"


def test_a_settled_channel_needs_nothing() -> None:
    plan = plan_for(cron_job(), status=POLLED)
    assert said(plan) == (True, "Scheduled")
    assert not condition(plan, "Progressing").status


@pytest.mark.parametrize(
    "change",
    [
        {"schedule": "0 * * * *"},
        {"timeZone": "Asia/Tokyo"},
        {"template": {"labels": {"team": "sport"}}},
        {"suspend": True},
    ],
)
def test_a_changed_spec_reaches_the_cron_job(change: Object) -> None:
    (action,) = plan_for(cron_job(), status=POLLED, **change).actions
    assert isinstance(action, Apply)


def test_suspending_suspends_the_cron_job_and_says_so() -> None:
    plan = plan_for(cron_job(), status=POLLED, suspend=True)
    (action,) = plan.actions
    assert isinstance(action, Apply)
    assert action.manifest["spec"]["suspend"] is True
    assert said(plan) == (False, "Suspended")
    assert condition(plan, "Suspended").status


@pytest.mark.parametrize("where", ["schedule", "env", "label", "image"])
def test_foreign_edits_are_put_back(where: str) -> None:
    existing = cron_job()
    template = existing["spec"]["jobTemplate"]["spec"]["template"]
    worker = template["spec"]["containers"][0]
    match where:
        case "schedule":
            existing["spec"]["schedule"] = "0 0 1 1 *"
        case "env":
            worker["env"] = [entry for entry in worker["env"] if entry["name"] != "CASTWARDEN_UID"]
        case "label":
            template["metadata"]["labels"]["castwarden.dev/name"] = "other"
        case "image":
            worker["image"] = "evil:latest"
    (action,) = plan_for(existing, status=POLLED).actions
    assert isinstance(action, Apply)


def test_defaults_and_rewritten_quantities_are_no_drift() -> None:
    chosen = {"resources": {"requests": {"cpu": "0.5", "memory": "1024Mi"}}}
    existing = cron_job(template=chosen)
    worker = existing["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"][0]
    worker["resources"]["requests"] |= {"cpu": "500m", "memory": "1Gi"}
    worker["env"] = [{k: v for k, v in entry.items() if v != ""} for entry in worker["env"]]
    worker["livenessProbe"]["successThreshold"] = 1
    existing["spec"]["jobTemplate"]["spec"]["template"]["spec"]["schedulerName"] = "default-scheduler"
    existing["spec"]["jobTemplate"]["metadata"]["creationTimestamp"] = None
    assert plan_for(existing, status=POLLED, template=chosen).actions == ()


def test_a_failed_poll_is_told_until_a_later_one_succeeds() -> None:
    failed = job("poll-news-1", "2026-11-20T11:00:00Z", "Failed")
    done = job("poll-news-2", "2026-11-20T11:15:00Z", "Complete")
    active = job("poll-news-3", "2026-11-20T11:30:00Z")
    assert said(plan_for(cron_job(), failed, active, status=POLLED)) == (False, "PollFailed")
    assert said(plan_for(cron_job(), failed, done, active, status=POLLED)) == (True, "Scheduled")


def test_a_poll_that_cannot_start_is_told() -> None:
    plan = plan_for(cron_job(), pod(pod_status("Pending", waiting="ImagePullBackOff")), status=POLLED)
    assert said(plan) == (False, "ImagePullBackOff")


def test_a_poll_that_is_starting_or_running_changes_nothing() -> None:
    for status in ({"phase": "Pending"}, pod_status("Running"), {"phase": "Succeeded"}):
        assert said(plan_for(cron_job(), pod(status), status=POLLED)) == (True, "Scheduled")


def test_a_cron_job_of_a_deleted_namesake_is_awaited_not_taken_over() -> None:
    existing = cron_job()
    existing["metadata"]["ownerReferences"][0]["uid"] = "uid-of-the-old-channel"
    plan = plan_for(existing)
    assert plan.actions == ()
    assert said(plan) == (False, "NameTaken")
