# SPDX-License-Identifier: Apache-2.0
"""What a CronJob needs next: due times, missed times, concurrency, history."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from castwarden_local.controllers import cronjobs
from castwarden_local.controllers.objects import Object, format_time
from castwarden_local.controllers.schedule import BadSchedule, Schedule

CREATED = datetime(2030, 1, 1, 12, 0, 30, tzinfo=UTC)


def at(text: str) -> datetime:
    return datetime.fromisoformat(f"2030-01-{text}+00:00")


def cronjob(status: Object | None = None, **spec: Any) -> Object:
    template = {"metadata": {"labels": {"a": "b"}, "annotations": {"c": "d"}}, "spec": {"template": {}}}
    given = {"schedule": "*/5 * * * *", "concurrencyPolicy": "Allow", "jobTemplate": template} | spec
    meta = {"name": "poll", "namespace": "n", "uid": "u", "creationTimestamp": format_time(CREATED)}
    return {"metadata": meta, "spec": given, "status": status or {}}


def job(name: str, outcome: str = "", ended: datetime = CREATED) -> Object:
    meta = {"name": name, "namespace": "n", "uid": f"uid-{name}", "resourceVersion": "1"}
    finished = {"type": outcome, "status": "True", "lastTransitionTime": format_time(ended)}
    status: Object = {"startTime": format_time(ended), "conditions": [finished] if outcome else []}
    if outcome == "Complete":
        status["completionTime"] = format_time(ended)
    return {"metadata": meta, "status": status}


def active(*jobs: Object) -> list[Object]:
    return [cronjobs.reference_to(one) for one in jobs]


def reasons(plan: cronjobs.CronPlan) -> list[str]:
    return [note.reason for note in plan.notes]


def test_before_the_first_due_time_it_only_waits() -> None:
    plan = cronjobs.reconcile(cronjob(), [], at("01T12:04:00"))
    assert (plan.create, plan.again_in) == (None, timedelta(minutes=1))


def test_at_the_due_time_a_job_is_made_that_is_named_after_it() -> None:
    plan = cronjobs.reconcile(cronjob(), [], at("01T12:05:02"))
    due = at("01T12:05:00")
    assert plan.create is not None
    meta = plan.create["metadata"]
    assert meta["name"] == f"poll-{int(due.timestamp()) // 60}"
    assert meta["labels"] == {"a": "b"}
    assert meta["annotations"] == {"c": "d", cronjobs.SCHEDULED_AT: "2030-01-01T12:05:00Z"}
    assert (meta["ownerReferences"][0]["kind"], meta["ownerReferences"][0]["uid"]) == ("CronJob", "u")
    assert plan.status["lastScheduleTime"] == "2030-01-01T12:05:00Z"
    assert plan.again_in == timedelta(minutes=4, seconds=58)


def test_a_due_time_is_served_once() -> None:
    served = cronjob({"lastScheduleTime": "2030-01-01T12:05:00Z"})
    assert cronjobs.reconcile(served, [], at("01T12:07:00")).create is None


def test_a_job_made_before_a_crash_is_taken_for_its_own() -> None:
    plan = cronjobs.reconcile(cronjob(), [], at("01T12:05:02"))
    assert plan.create is not None
    made = job(plan.create["metadata"]["name"])
    again = cronjobs.reconcile(cronjob(), [made], at("01T12:05:03"))
    assert again.create is None
    assert [reference["name"] for reference in again.status["active"]] == [made["metadata"]["name"]]
    assert again.status["lastScheduleTime"] == "2030-01-01T12:05:00Z"


def test_of_many_missed_times_only_the_latest_is_made_up_for() -> None:
    plan = cronjobs.reconcile(cronjob(), [], at("01T18:02:00"))
    assert plan.status["lastScheduleTime"] == "2030-01-01T18:00:00Z"
    assert reasons(plan) == []


def test_more_than_a_hundred_missed_times_are_mentioned() -> None:
    plan = cronjobs.reconcile(cronjob(), [], at("02T12:02:00"))
    assert plan.status["lastScheduleTime"] == "2030-01-02T12:00:00Z"
    assert reasons(plan) == ["TooManyMissedTimes"]


def test_a_time_missed_by_more_than_the_deadline_is_skipped() -> None:
    subject = cronjob(startingDeadlineSeconds=60)
    assert cronjobs.reconcile(subject, [], at("01T12:06:01")).create is None
    assert cronjobs.reconcile(subject, [], at("01T12:05:59")).create is not None


def test_a_suspended_one_makes_nothing() -> None:
    plan = cronjobs.reconcile(cronjob(suspend=True), [], at("01T12:05:02"))
    assert (plan.create, plan.again_in) == (None, None)


def test_forbid_waits_until_the_running_job_has_ended_and_then_makes_up_for_it() -> None:
    running = job("poll-1")
    subject = cronjob({"active": active(running)}, concurrencyPolicy="Forbid")
    plan = cronjobs.reconcile(subject, [running], at("01T12:05:02"))
    assert (plan.create, reasons(plan)) == (None, ["JobAlreadyActive"])
    ended = job("poll-1", "Complete")
    assert cronjobs.reconcile(subject, [ended], at("01T12:06:00")).create is not None


def test_a_job_made_by_hand_does_not_hold_up_forbid() -> None:
    plan = cronjobs.reconcile(cronjob(concurrencyPolicy="Forbid"), [job("by-hand")], at("01T12:05:02"))
    assert plan.create is not None


def test_replace_ends_the_running_job() -> None:
    running = job("poll-1")
    subject = cronjob({"active": active(running)}, concurrencyPolicy="Replace")
    plan = cronjobs.reconcile(subject, [running], at("01T12:05:02"))
    assert plan.delete == [running]
    assert plan.create is not None
    assert "active" not in plan.status


def test_a_finished_job_leaves_the_active_list_and_sets_the_time_of_success() -> None:
    ended = job("poll-1", "Complete", at("01T12:03:00"))
    plan = cronjobs.reconcile(cronjob({"active": active(ended)}), [ended], at("01T12:03:01"))
    assert plan.status == {"lastSuccessfulTime": "2030-01-01T12:03:00Z"}
    assert reasons(plan) == ["SawCompletedJob"]


def test_history_beyond_its_limits_is_deleted_oldest_first() -> None:
    good = [job(f"good-{minute}", "Complete", at(f"01T12:0{minute}:00")) for minute in range(4)]
    bad = [job(f"bad-{minute}", "Failed", at(f"01T12:0{minute}:00")) for minute in range(3)]
    plan = cronjobs.reconcile(cronjob(successfulJobsHistoryLimit=2), [*good, *bad], at("01T12:04:00"))
    assert {one["metadata"]["name"] for one in plan.delete} == {"good-0", "good-1", "bad-0", "bad-1"}


def test_a_schedule_that_cannot_be_read_is_reported() -> None:
    assert reasons(cronjobs.reconcile(cronjob(schedule="61 * * * *"), [], CREATED)) == ["UnparseableSchedule"]
    assert reasons(cronjobs.reconcile(cronjob(timeZone="Mars/Olympus"), [], CREATED)) == ["UnparseableSchedule"]


@pytest.mark.parametrize(
    ("text", "zone", "moment", "expected"),
    [
        ("*/15 * * * *", None, "01T12:00:00", "01T12:15:00"),
        ("@hourly", None, "01T12:00:01", "01T13:00:00"),
        ("@every 1h30m", None, "01T12:00:00", "01T13:30:00"),
        ("0 9 * * *", "America/New_York", "01T12:00:00", "01T14:00:00"),
        ("0 0 ? * MON", None, "01T12:00:00", "07T00:00:00"),
        ("0 0 13 * 5", None, "01T12:00:00", "04T00:00:00"),  # both day fields given: either may match
        ("0 0 */10 * 3", None, "01T12:00:00", "02T00:00:00"),  # a step counts as given
    ],
)
def test_the_next_time_of_a_schedule(text: str, zone: str | None, moment: str, expected: str) -> None:
    assert Schedule.parse(text, zone).after(at(moment)) == at(expected)


@pytest.mark.parametrize("text", ["", "* * * *", "* * * * * *", "0 0 L * *", "@every", "@every 5x", "@sometimes"])
def test_what_kubernetes_cannot_read_is_refused(text: str) -> None:
    with pytest.raises(BadSchedule):
        Schedule.parse(text, None)


def test_the_last_due_time_is_the_latest_up_to_and_including_now() -> None:
    schedule = Schedule.parse("*/5 * * * *", None)
    assert schedule.last(at("01T12:00:00"), at("01T12:14:59")) == at("01T12:10:00")
    assert schedule.last(at("01T12:00:00"), at("01T12:15:00")) == at("01T12:15:00")
    assert schedule.last(at("01T12:00:00"), at("01T12:04:59")) is None


def test_the_last_due_time_of_an_interval_counts_from_the_one_before() -> None:
    schedule = Schedule.parse("@every 10m", None)
    assert schedule.last(at("01T12:00:00"), at("01T12:25:00")) == at("01T12:20:00")
