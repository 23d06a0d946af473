# SPDX-License-Identifier: Apache-2.0
"""What a CronJob needs next, given its Jobs and the time. Pure. Rules and words of kube-controller-manager."""

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from castwarden_local.controllers import jobs
from castwarden_local.controllers.objects import (
    Note,
    Object,
    format_time,
    is_deleting,
    owner_reference,
    parse_time,
    warning,
)
from castwarden_local.controllers.schedule import BadSchedule, Schedule

SCHEDULED_AT = "batch.kubernetes.io/cronjob-scheduled-timestamp"
MANY_MISSED = 100


@dataclass(slots=True)
class CronPlan:
    """What to do: `delete` Jobs, `create` one, write `status`, look again at the latest after `again_in`."""

    status: Object
    create: Object | None = None
    delete: list[Object] = field(default_factory=list)
    again_in: timedelta | None = None
    notes: list[Note] = field(default_factory=list)


def reconcile(cronjob: Object, owned: Sequence[Object], now: datetime) -> CronPlan:
    """`owned` are the Jobs that the CronJob controls."""
    plan = CronPlan(deepcopy(cronjob.get("status") or {}))
    _follow_jobs(plan, owned)
    _trim_history(plan, cronjob["spec"], owned)
    if is_deleting(cronjob) or cronjob["spec"].get("suspend"):
        return plan
    try:
        schedule = Schedule.parse(cronjob["spec"]["schedule"], cronjob["spec"].get("timeZone"))
    except BadSchedule as error:
        plan.notes.append(warning("UnparseableSchedule", f"unparseable schedule: {error}"))
        return plan
    _run_if_due(plan, cronjob, owned, schedule, now)
    following = schedule.after(now)
    if plan.again_in is None and following:
        plan.again_in = following - now
    return plan


def job_for(cronjob: Object, scheduled: datetime) -> Object:
    """The Job of one scheduled time; its name holds the minutes since 1970, so that no time has two."""
    meta, template = cronjob["metadata"], deepcopy(cronjob["spec"]["jobTemplate"])
    given = template.get("metadata") or {}
    metadata = {
        "name": f"{meta['name']}-{int(scheduled.timestamp()) // 60}",
        "namespace": meta["namespace"],
        "labels": given.get("labels") or {},
        "annotations": (given.get("annotations") or {}) | {SCHEDULED_AT: format_time(scheduled)},
        "ownerReferences": [owner_reference(cronjob, "batch/v1", "CronJob")],
    }
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "spec": template.get("spec") or {}}


def reference_to(job: Object) -> Object:
    """How `status.active` names a Job."""
    meta = job["metadata"]
    names = {"apiVersion": "batch/v1", "kind": "Job", "name": meta["name"], "namespace": meta["namespace"]}
    return names | {"uid": meta["uid"], "resourceVersion": meta["resourceVersion"]}


def _follow_jobs(plan: CronPlan, owned: Sequence[Object]) -> None:
    by_uid = {job["metadata"]["uid"]: job for job in owned}
    kept: list[Object] = []
    for reference in plan.status.get("active", []):
        job = by_uid.get(reference["uid"])
        if job is None:
            plan.notes.append(Note("MissingJob", f"Active job went missing: {reference['name']}"))
        elif jobs.finished_at(job) is None:
            kept.append(reference)
        else:
            outcome = "Complete" if jobs.succeeded(job) else "Failed"
            plan.notes.append(Note("SawCompletedJob", f"Saw completed job: {reference['name']}, condition: {outcome}"))
    _set_active(plan.status, kept)
    ends = [job["status"].get("completionTime") for job in owned if jobs.succeeded(job)]
    latest = max((end for end in [plan.status.get("lastSuccessfulTime"), *ends] if end), default=None)
    if latest:
        plan.status["lastSuccessfulTime"] = latest


def _trim_history(plan: CronPlan, spec: Object, owned: Sequence[Object]) -> None:
    finished = [job for job in owned if jobs.finished_at(job) is not None and not is_deleting(job)]
    finished.sort(key=lambda job: (job["status"].get("startTime", ""), job["metadata"]["name"]))
    for good, limit in (
        (True, spec.get("successfulJobsHistoryLimit", 3)),
        (False, spec.get("failedJobsHistoryLimit", 1)),
    ):
        of_kind = [job for job in finished if jobs.succeeded(job) is good]
        plan.delete += of_kind[: max(0, len(of_kind) - limit)]


def _run_if_due(plan: CronPlan, cronjob: Object, owned: Sequence[Object], schedule: Schedule, now: datetime) -> None:
    spec, status = cronjob["spec"], plan.status
    since = parse_time(status.get("lastScheduleTime")) or parse_time(cronjob["metadata"]["creationTimestamp"])
    if since is None:
        return
    deadline = spec.get("startingDeadlineSeconds")
    if deadline is not None:
        since = max(since, now - timedelta(seconds=deadline))
    due = schedule.last(since, now)
    if due is None or format_time(due) == status.get("lastScheduleTime"):
        return
    if schedule.count(since, now, MANY_MISSED + 1) > MANY_MISSED:
        text = "too many missed start times. Set or decrease .spec.startingDeadlineSeconds or check clock skew"
        plan.notes.append(warning("TooManyMissedTimes", text))
    job = job_for(cronjob, due)
    existing = next((other for other in owned if other["metadata"]["name"] == job["metadata"]["name"]), None)
    if existing:  # made before a crash kept us from saying so
        _record(status, existing, due)
        return
    active = {reference["uid"] for reference in status.get("active", [])}  # not Jobs that somebody made by hand
    running = [other for other in owned if other["metadata"]["uid"] in active]
    if running and spec.get("concurrencyPolicy") == "Forbid":
        text = "Not starting job because prior execution is running and concurrency policy is Forbid"
        plan.notes.append(Note("JobAlreadyActive", text))
        return
    if spec.get("concurrencyPolicy") == "Replace":
        plan.delete += running
        _set_active(status, [])
    plan.create = job
    status["lastScheduleTime"] = format_time(due)


def _record(status: Object, job: Object, due: datetime) -> None:
    status["lastScheduleTime"] = format_time(due)
    if jobs.finished_at(job) is None:
        add_active(status, job)


def add_active(status: Object, job: Object) -> None:
    """Lists a Job that was just made."""
    others = [known for known in status.get("active", []) if known["uid"] != job["metadata"]["uid"]]
    _set_active(status, [*others, reference_to(job)])


def _set_active(status: Object, active: list[Object]) -> None:
    status.pop("active", None)
    if active:
        status["active"] = active
