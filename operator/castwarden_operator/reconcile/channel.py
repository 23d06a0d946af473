# SPDX-License-Identifier: Apache-2.0
"""A Channel is a CronJob, and one Job made at once from its template, so that nobody waits for the first poll."""

from collections.abc import Sequence
from datetime import UTC, datetime

from castwarden_model.resources import Channel

from ..kinds import CRON_JOB, JOB, POD, Object
from ..settings import Settings
from .children import named, obstacle, strays
from .drift import drifted
from .jobs import condition_of, is_active
from .plan import Action, Apply, Create, Is, Plan, conditions, not_ready, ready
from .pods import trouble
from .worker import SPEC_HASH, annotation, child_name, hash_of, labels, owner_reference, pod_template

_POLL_DEADLINE = 600  # seconds; a poll takes one or two
_LATE_START = 300  # seconds that a missed run may still be made up for


def cron_job_for(channel: Channel, settings: Settings) -> Object:
    """The CronJob of one Channel."""
    spec = {
        "schedule": channel.spec.schedule,
        "timeZone": channel.spec.time_zone,
        "suspend": channel.spec.suspend,
        "startingDeadlineSeconds": _LATE_START,
        "concurrencyPolicy": "Forbid",
        "successfulJobsHistoryLimit": 1,
        "failedJobsHistoryLimit": 1,
        "jobTemplate": {
            "metadata": {"labels": labels(channel, "poll")},
            "spec": {
                "backoffLimit": 2,
                "activeDeadlineSeconds": _POLL_DEADLINE,
                "template": pod_template(channel, "poll", settings, restart="Never"),
            },
        },
    }
    return {
        "apiVersion": CRON_JOB.api_version,
        "kind": CRON_JOB.name,
        "metadata": {
            "name": child_name("poll", channel.metadata.name, 52),
            "namespace": channel.metadata.namespace,
            "labels": labels(channel, "poll"),
            "annotations": {SPEC_HASH: hash_of(spec)},
            "ownerReferences": [owner_reference(channel)],
        },
        "spec": spec,
    }


def first_job_for(cron_job: Object, wanted: Object) -> Object:
    """The Job that `kubectl create job --from=cronjob/...` would make."""
    template = wanted["spec"]["jobTemplate"]
    metadata = wanted["metadata"]
    return {
        "apiVersion": JOB.api_version,
        "kind": JOB.name,
        "metadata": {
            "name": f"{metadata['name']}-first",
            "namespace": metadata["namespace"],
            "labels": template["metadata"]["labels"],
            "annotations": {"cronjob.kubernetes.io/instantiate": "manual"},
            "ownerReferences": [
                {
                    "apiVersion": CRON_JOB.api_version,
                    "kind": CRON_JOB.name,
                    "name": metadata["name"],
                    "uid": cron_job["metadata"]["uid"],
                    "controller": True,
                    "blockOwnerDeletion": True,
                }
            ],
        },
        "spec": template["spec"],
    }


def reconcile(channel: Channel, children: Sequence[Object], _now: datetime, settings: Settings) -> Plan:
    """What to do about one Channel, its CronJob and its first Job."""
    wanted = cron_job_for(channel, settings)
    name = wanted["metadata"]["name"]
    cron_job = named(children, CRON_JOB, name)
    jobs = [child for child in children if child["kind"] == JOB.name]
    actions: list[Action] = [*strays(children, CRON_JOB, name, channel.metadata.uid)]
    polled_at = _first_poll_at(channel, jobs, f"{name}-first")
    fields = {"cronJobName": name, "firstPollAt": polled_at}
    if cron_job is None:
        seen = not_ready("Pending", "the CronJob is being created")
        return Plan((*actions, Create(wanted)), conditions(seen, progressing=True), fields)
    if (why := obstacle(cron_job, channel.metadata.uid)) is not None:
        return Plan(tuple(actions), conditions(why, progressing=True), fields)
    if annotation(cron_job, SPEC_HASH) != annotation(wanted, SPEC_HASH) or drifted(wanted, cron_job):
        actions.append(Apply(wanted))
    if polled_at is None and not channel.spec.suspend:
        actions.append(Create(first_job_for(cron_job, wanted)))
    pods = [child for child in children if child["kind"] == POD.name]
    seen = _describe(channel, jobs, pods)
    return Plan(tuple(actions), conditions(seen, suspended=channel.spec.suspend), fields)


def _first_poll_at(channel: Channel, jobs: Sequence[Object], name: str) -> str | None:
    """When the first Job was made. `status` remembers it, because the Job itself is cleaned up one day."""
    if channel.status.first_poll_at is not None:
        return channel.status.first_poll_at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    first = next((job for job in jobs if job["metadata"]["name"] == name), None)
    return None if first is None else first["metadata"]["creationTimestamp"]


def _describe(channel: Channel, jobs: Sequence[Object], pods: Sequence[Object]) -> Is:
    if channel.spec.suspend:
        return not_ready("Suspended", "spec.suspend is true; set it to false to go on polling")
    for pod in pods:
        if (found := trouble(pod)) is not None:
            return found
    ended = [job for job in jobs if not is_active(job)]
    newest = max(ended, key=lambda job: job["metadata"]["creationTimestamp"], default=None)
    failure = condition_of(newest, "Failed") if newest is not None else None
    if newest is not None and failure is not None:
        why = f"the last poll, Job {newest['metadata']['name']}, failed: {failure.get('message', '')}; see its logs"
        return not_ready("PollFailed", why, warning=True)
    return ready("Scheduled", f"polls at {channel.spec.schedule} ({channel.spec.time_zone})")
