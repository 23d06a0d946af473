# SPDX-License-Identifier: Apache-2.0
"""A DownloadJob is one Job, made once: its end is kept in `status`, and after it no Job is made again."""

from collections.abc import Sequence
from datetime import datetime

from castwarden_model.resources import DownloadJob

from ..kinds import JOB, POD, Object
from ..settings import Settings
from .children import named, obstacle
from .drift import drifted
from .jobs import condition_of, has_started
from .plan import Action, Apply, Create, Delete, Is, Plan, conditions, not_ready, ready
from .pods import trouble
from .worker import CONTAINER, SPEC_HASH, annotation, child_name, labels, owner_reference, pod_template


def job_for(download: DownloadJob, settings: Settings) -> Object:
    """The Job of one DownloadJob. An eviction is nobody's fault and does not count as a try.

    Exit code 3 is the worker's word that no retry would mend the failure.
    """
    spec = download.spec
    template = pod_template(download, "download", settings, restart="Never")
    job: Object = {
        "apiVersion": JOB.api_version,
        "kind": JOB.name,
        "metadata": {
            "name": child_name("download", download.metadata.name, 57),
            "namespace": download.metadata.namespace,
            "labels": labels(download, "download"),
            "annotations": {SPEC_HASH: template["metadata"]["annotations"][SPEC_HASH]},
            "ownerReferences": [owner_reference(download)],
        },
        "spec": {
            "suspend": _held(download, settings),
            "backoffLimit": spec.backoff_limit,
            "activeDeadlineSeconds": max(1, int(spec.timeout.total_seconds())),
            "podFailurePolicy": {
                "rules": [
                    {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]},
                    {"action": "FailJob", "onExitCodes": {"containerName": CONTAINER, "operator": "In", "values": [3]}},
                ]
            },
            "template": template,
        },
    }
    if spec.ttl_seconds_after_finished is not None:
        job["spec"]["ttlSecondsAfterFinished"] = spec.ttl_seconds_after_finished
    return job


def reconcile(download: DownloadJob, children: Sequence[Object], _now: datetime, settings: Settings) -> Plan:
    """What to do about one DownloadJob and its Job."""
    wanted = job_for(download, settings)
    name = wanted["metadata"]["name"]
    job = named(children, JOB, name)
    pods = [child for child in children if child["kind"] == POD.name]
    plan = _missing(download, wanted, settings) if job is None else _existing(download, wanted, job, pods, settings)
    return Plan(plan.actions, plan.conditions, {"jobName": name if job or plan.actions else None}, plan.again_in)


def _held(download: DownloadJob, settings: Settings) -> bool:
    return download.spec.suspend or not settings.downloads_enabled


def _missing(download: DownloadJob, wanted: Object, settings: Settings) -> Plan:
    if (end := _remembered_end(download)) is not None:
        return _over(end)
    if (blocked := _blocked(download, settings)) is not None:
        return Plan((), conditions(blocked, suspended=download.spec.suspend))
    return Plan((Create(wanted),), conditions(not_ready("Pending", "the Job is being created"), progressing=True))


def _existing(download: DownloadJob, wanted: Object, job: Object, pods: Sequence[Object], settings: Settings) -> Plan:
    if (why := obstacle(job, download.metadata.uid)) is not None:
        return Plan((), conditions(why, progressing=True))
    if (end := _end_of(job)) is not None:
        return _over(end)
    repair = _repair(wanted, job)
    if (blocked := _blocked(download, settings)) is not None:
        return Plan(repair, conditions(blocked, suspended=download.spec.suspend))
    seen = _describe(job, pods)
    return Plan(repair, conditions(seen, progressing=not seen.status))


def _blocked(download: DownloadJob, settings: Settings) -> Is | None:
    """Why nothing may run now."""
    if not settings.downloads_enabled:
        why = "downloads are switched off here; DOWNLOADS_ENABLED=true (castwarden up --downloads) switches them on"
        return not_ready("DownloadsDisabled", why, warning=True)
    if download.spec.suspend:
        return not_ready("Suspended", "spec.suspend is true; set it to false to go on")
    if download.spec.storage.persistent_volume_claim is None and settings.download_claim is None:
        why = "no claim to download to: set spec.storage.persistentVolumeClaim or the operator's default"
        return not_ready("NoVolumeClaim", why, warning=True)
    return None


def _repair(wanted: Object, job: Object) -> tuple[Action, ...]:
    """A Job's template cannot change. One that has not begun is replaced; one that runs keeps the template it has."""
    if annotation(job, SPEC_HASH) != annotation(wanted, SPEC_HASH):
        if not has_started(job):
            return (Delete(job),)
        annotations = {**wanted["metadata"]["annotations"], SPEC_HASH: annotation(job, SPEC_HASH) or ""}
        wanted = {
            **wanted,
            "metadata": {**wanted["metadata"], "annotations": annotations},
            "spec": {**wanted["spec"], "template": job["spec"]["template"]},
        }
    return (Apply(wanted),) if drifted(wanted, job) else ()


def _describe(job: Object, pods: Sequence[Object]) -> Is:
    for pod in pods:
        if (found := trouble(pod)) is not None:
            return found
    name = job["metadata"]["name"]
    if any(pod.get("status", {}).get("phase") == "Running" for pod in pods):
        return ready("Running", f"Job {name} downloads")
    return not_ready("Pending", f"Job {name} is being started")


def _over(end: Is) -> Plan:
    done = end.type == "Complete"
    seen = ready("Complete", "the file is there") if done else not_ready("Failed", end.message, warning=True)
    return Plan((), (*conditions(seen), end))


def _end_of(job: Object) -> Is | None:
    for type_ in ("Complete", "Failed"):
        if (found := condition_of(job, type_)) is not None:
            return Is(type_, True, found.get("reason") or type_, found.get("message", ""))
    return None


def _remembered_end(download: DownloadJob) -> Is | None:
    """The end as `status` tells it, for when the Job was cleaned up. The gateway knows when the file is there."""
    for known in download.status.conditions:
        if known.type in ("Complete", "Failed") and known.status == "True":
            return Is(known.type, True, known.reason, known.message)
    return Is("Complete", True, "Complete") if download.status.state == "Complete" else None
