# SPDX-License-Identifier: Apache-2.0
"""What a Job needs next, given its Pods and the time. Pure. The rules and words are those of kube-controller-manager.

A Pod is counted exactly once although counting takes two writes: its uid goes into `status.uncountedTerminatedPods`,
then the Pod loses its tracking finalizer, and only a Pod without it is moved from there into the counters.
Not covered: Indexed completion, podFailurePolicy, successPolicy.
"""

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from castwarden_local.controllers.objects import (
    Note,
    Object,
    condition,
    format_time,
    is_deleting,
    owner_reference,
    parse_time,
    warning,
)

TRACKED = "batch.kubernetes.io/job-tracking"
FIRST_DELAY = timedelta(seconds=10)  # before a Pod is made in place of a failed one; doubles with each failure
LONGEST_DELAY = timedelta(minutes=10)


@dataclass(slots=True)
class JobPlan:
    """What to do, in this order: `create` Pods, `delete` Pods, write `status`, `release` Pods from the finalizer."""

    status: Object
    create: int = 0
    delete: list[Object] = field(default_factory=list)
    abandon: list[Object] = field(default_factory=list)  # deleted without being counted
    release: list[Object] = field(default_factory=list)
    delete_job: bool = False
    again_in: timedelta | None = None
    last_failure: datetime | None = None
    notes: list[Note] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Verdict:
    """Why a Job is over. The interim condition stands while its Pods are ending, the final one from then on."""

    interim: str
    final: str
    reason: str
    message: str


COMPLETED = Verdict("SuccessCriteriaMet", "Complete", "CompletionsReached", "Reached expected number of succeeded pods")
TOO_MANY_FAILURES = Verdict(
    "FailureTarget", "Failed", "BackoffLimitExceeded", "Job has reached the specified backoff limit"
)
TOO_LATE = Verdict("FailureTarget", "Failed", "DeadlineExceeded", "Job was active longer than specified deadline")


def reconcile(job: Object, pods: Sequence[Object], now: datetime, last_failure: datetime | None = None) -> JobPlan:
    """`pods` are those that the Job controls; `last_failure` is what the plan before said, for Pods that are gone."""
    plan = JobPlan(deepcopy(job.get("status") or {}), last_failure=last_failure)
    if is_deleting(job) or finished_at(job) is not None:
        plan.release = [pod for pod in pods if _is_tracked(pod)]
        _expire(plan, job, now)
        return plan
    _count(plan, pods)
    active = [pod for pod in pods if not _is_over(pod) and not is_deleting(pod)]
    verdict = _verdict(plan.status, job, pods, active, now)
    if verdict is not None:
        plan.delete = active
        _end(plan, verdict, pods, now)
    elif job["spec"].get("suspend"):
        _suspend(plan, active, now)
        active = []
    else:
        _resume(plan, now)
        _scale(plan, job, pods, active, now)
        _watch_deadline(plan, job, now)
    _summarise(plan, active, pods)
    return plan


def finished_at(job: Object) -> datetime | None:
    """When the Job completed or failed; None while it has not."""
    conditions = (job.get("status") or {}).get("conditions", [])
    final = condition(conditions, "Complete") or condition(conditions, "Failed")
    return parse_time(final["lastTransitionTime"]) if final else None


def succeeded(job: Object) -> bool:
    return condition((job.get("status") or {}).get("conditions", []), "Complete") is not None


def pod_for(job: Object) -> Object:
    """The Pod that the Job's template describes."""
    meta, template = job["metadata"], deepcopy(job["spec"]["template"])
    labels = {"controller-uid": meta["uid"], "job-name": meta["name"]}
    labels |= {f"batch.kubernetes.io/{name}": value for name, value in labels.items()}
    given = template.get("metadata") or {}
    metadata = {
        "generateName": f"{meta['name']}-",
        "namespace": meta["namespace"],
        "labels": labels | (given.get("labels") or {}),
        "finalizers": [*given.get("finalizers", []), TRACKED],
        "ownerReferences": [owner_reference(job, "batch/v1", "Job")],
    }
    if given.get("annotations"):
        metadata["annotations"] = given["annotations"]
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template["spec"]}


def _expire(plan: JobPlan, job: Object, now: datetime) -> None:
    seconds, finished = job["spec"].get("ttlSecondsAfterFinished"), finished_at(job)
    if seconds is None or finished is None or is_deleting(job):
        return
    left = finished + timedelta(seconds=seconds) - now
    plan.delete_job = left <= timedelta(0)
    plan.again_in = None if plan.delete_job else left


def _count(plan: JobPlan, pods: Sequence[Object]) -> None:
    status = plan.status
    waiting = status.get("uncountedTerminatedPods") or {}
    tracked = {pod["metadata"]["uid"]: pod for pod in pods if _is_tracked(pod)}
    listed = {"succeeded": list(waiting.get("succeeded", [])), "failed": list(waiting.get("failed", []))}
    for outcome, uids in listed.items():
        settled = [uid for uid in uids if uid not in tracked]
        if settled:
            status[outcome] = status.get(outcome, 0) + len(settled)
        listed[outcome] = [uid for uid in uids if uid in tracked]
    known = {*listed["succeeded"], *listed["failed"]}
    for uid, pod in tracked.items():
        outcome = _outcome(pod)
        if uid not in known and outcome:
            listed[outcome].append(uid)
    status["uncountedTerminatedPods"] = {outcome: uids for outcome, uids in listed.items() if uids}
    plan.release = [tracked[uid] for uids in listed.values() for uid in uids]


def _outcome(pod: Object) -> str:
    phase = _phase(pod)
    if phase == "Succeeded":
        return "succeeded"
    return "failed" if phase == "Failed" or is_deleting(pod) else ""  # a deleted Pod may never reach a final phase


def _total(status: Object, outcome: str) -> int:
    counted: int = status.get(outcome, 0)
    return counted + len(status["uncountedTerminatedPods"].get(outcome, []))


def _verdict(
    status: Object, job: Object, pods: Sequence[Object], active: Sequence[Object], now: datetime
) -> Verdict | None:
    standing = status.get("conditions", [])
    for verdict in (TOO_MANY_FAILURES, TOO_LATE, COMPLETED):
        given = condition(standing, verdict.interim)
        if given and given["reason"] == verdict.reason:
            return verdict
    spec = job["spec"]
    limit = spec.get("backoffLimit", 6)
    if _total(status, "failed") > limit or _restarts_exceed(limit, spec, pods):
        return TOO_MANY_FAILURES
    started, deadline = parse_time(status.get("startTime")), spec.get("activeDeadlineSeconds")
    if started and deadline is not None and not spec.get("suspend") and now - started >= timedelta(seconds=deadline):
        return TOO_LATE
    done = _total(status, "succeeded")
    wanted = spec.get("completions")
    if wanted is None:  # a work queue: the first success ends it once nothing runs any more
        return COMPLETED if done and not active else None
    return COMPLETED if done >= wanted else None


def _restarts_exceed(limit: int, spec: Object, pods: Sequence[Object]) -> bool:
    if spec["template"]["spec"].get("restartPolicy") != "OnFailure":
        return False
    restarts = 0
    for pod in pods:
        if _phase(pod) in ("Running", "Pending"):
            status = pod.get("status") or {}
            containers = status.get("initContainerStatuses", []) + status.get("containerStatuses", [])
            restarts += sum(container.get("restartCount", 0) for container in containers)
    return restarts > 0 if limit == 0 else restarts >= limit


def _end(plan: JobPlan, verdict: Verdict, pods: Sequence[Object], now: datetime) -> None:
    """First the interim condition; the final one once no Pod is left to run, end or count."""
    status = plan.status
    _set_condition(status, verdict.interim, "True", verdict.reason, verdict.message, now)
    unfinished = any(not _is_over(pod) for pod in pods)
    if unfinished or any(status["uncountedTerminatedPods"].values()):
        return
    _set_condition(status, verdict.final, "True", verdict.reason, verdict.message, now)
    if verdict.final == "Complete":
        status["completionTime"] = format_time(now)
        plan.notes.append(Note("Completed", "Job completed"))
    else:
        plan.notes.append(warning(verdict.reason, verdict.message))


def _suspend(plan: JobPlan, active: Sequence[Object], now: datetime) -> None:
    plan.abandon = list(active)
    if _set_condition(plan.status, "Suspended", "True", "JobSuspended", "Job suspended", now):
        plan.notes.append(Note("Suspended", "Job suspended"))


def _resume(plan: JobPlan, now: datetime) -> None:
    if condition(plan.status.get("conditions", []), "Suspended"):
        _set_condition(plan.status, "Suspended", "False", "JobResumed", "Job resumed", now)
        plan.notes.append(Note("Resumed", "Job resumed"))
        plan.status["startTime"] = format_time(now)  # its deadline counts from here
    plan.status.setdefault("startTime", format_time(now))


def _scale(plan: JobPlan, job: Object, pods: Sequence[Object], active: Sequence[Object], now: datetime) -> None:
    spec, done = job["spec"], _total(plan.status, "succeeded")
    wanted = spec.get("parallelism", 1)
    if spec.get("completions") is not None:
        wanted = min(wanted, spec["completions"] - done)
    elif done:
        wanted = len(active)
    if wanted < len(active):
        newest_first = sorted(active, key=lambda pod: pod["metadata"].get("creationTimestamp", ""), reverse=True)
        plan.abandon = newest_first[: len(active) - wanted]
    elif wanted > len(active):
        delay = _delay_left(plan, pods, now)
        plan.create = 0 if delay > timedelta(0) else wanted - len(active)
        plan.again_in = delay if delay > timedelta(0) else None


def _delay_left(plan: JobPlan, pods: Sequence[Object], now: datetime) -> timedelta:
    last_success = max((_ended(pod, now) for pod in pods if _phase(pod) == "Succeeded"), default=None)
    failures = [_ended(pod, now) for pod in pods if _outcome(pod) == "failed"]
    failures += [plan.last_failure] if plan.last_failure else []
    plan.last_failure = max(failures, default=None)
    since = [moment for moment in failures if last_success is None or moment > last_success]
    if not since:
        return timedelta(0)
    count = _total(plan.status, "failed") if last_success is None else len(since)
    delay: timedelta = min(FIRST_DELAY * 2 ** min(max(count, 1) - 1, 16), LONGEST_DELAY)
    return max(since) + delay - now


def _ended(pod: Object, now: datetime) -> datetime:
    """When the last of its containers ended; for a Pod that never ran, when it was deleted."""
    statuses = (pod.get("status") or {}).get("containerStatuses", [])
    ends = [status.get("state", {}).get("terminated", {}).get("finishedAt") for status in statuses]
    moments = [parse_time(end) for end in ends if end] or [parse_time(pod["metadata"].get("deletionTimestamp"))]
    return max((moment for moment in moments if moment), default=now)


def _watch_deadline(plan: JobPlan, job: Object, now: datetime) -> None:
    deadline, started = job["spec"].get("activeDeadlineSeconds"), parse_time(plan.status.get("startTime"))
    if deadline is None or started is None:
        return
    left = started + timedelta(seconds=deadline) - now
    plan.again_in = left if plan.again_in is None else min(left, plan.again_in)


def _summarise(plan: JobPlan, active: Sequence[Object], pods: Sequence[Object]) -> None:
    status = plan.status
    kept = [] if plan.delete else active
    status["active"] = len(kept) - len(plan.abandon if kept else []) + plan.create
    if not status["active"]:
        del status["active"]
    status["ready"] = sum(1 for pod in kept if condition((pod.get("status") or {}).get("conditions", []), "Ready"))
    leaving = [pod for pod in pods if not _is_over(pod) and is_deleting(pod)]
    status["terminating"] = len(leaving) + len(plan.delete)


def _set_condition(status: Object, kind: str, value: str, reason: str, message: str, now: datetime) -> bool:
    """True when that changed anything."""
    conditions: list[Object] = status.setdefault("conditions", [])
    old = next((c for c in conditions if c["type"] == kind), None)
    if old and old["status"] == value:
        return False
    moment = format_time(now)
    new = {"type": kind, "status": value, "lastProbeTime": moment, "lastTransitionTime": moment}
    new |= {"reason": reason, "message": message}
    if old:
        conditions[conditions.index(old)] = new
    else:
        conditions.append(new)
    return True


def _phase(pod: Object) -> str:
    phase: str = (pod.get("status") or {}).get("phase", "Pending")
    return phase


def _is_over(pod: Object) -> bool:
    return _phase(pod) in ("Succeeded", "Failed")


def _is_tracked(pod: Object) -> bool:
    return TRACKED in pod["metadata"].get("finalizers", [])
