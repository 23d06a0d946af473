# SPDX-License-Identifier: Apache-2.0
"""Jobs and CronJobs: the server's defaults, what makes one invalid, what may not change. Running them is elsewhere."""

import re
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cronsim import CronSim, CronSimError

from castwarden_local.standin.builtin.pods import default_pod_spec
from castwarden_local.standin.errors import Cause
from castwarden_local.standin.interface import Object
from castwarden_local.standin.json_values import dig, parse_time, timestamp
from castwarden_local.standin.resources import Strategy
from castwarden_local.standin.validation.names import check_labels
from castwarden_local.standin.validation.pod_checks import check_pod_spec
from castwarden_local.standin.validation.schema_checks import invalid, required, unsupported

CONTROLLER_UID = "batch.kubernetes.io/controller-uid"
JOB_NAME = "batch.kubernetes.io/job-name"
_JOB_NAME_LIMIT = 63
_CRON_JOB_NAME_LIMIT = 52
_COUNTS = ("parallelism", "completions", "activeDeadlineSeconds", "backoffLimit", "ttlSecondsAfterFinished")
_MACROS = ("@yearly", "@annually", "@monthly", "@weekly", "@daily", "@midnight", "@hourly")
_FIELDS = 5
_IMMUTABLE = ("completions", "selector", "template", "completionMode", "podFailurePolicy", "backoffLimitPerIndex")
_FREE_WHILE_SUSPENDED = ("nodeSelector", "affinity", "tolerations", "schedulingGates")


class JobStrategy(Strategy):
    """Jobs. A delete that names no propagation policy leaves the Pods; kubectl always names one."""

    has_generation = True
    default_propagation = "Orphan"
    field_paths = ("status.successful",)

    def default(self, obj: Object) -> None:
        default_job_spec(obj.setdefault("spec", {}))

    def prepare_create(self, obj: Object) -> None:
        obj["status"] = {}
        spec, meta = obj["spec"], obj["metadata"]
        if spec.get("manualSelector"):
            return
        uid, name = meta["uid"], meta["name"]
        labels = {CONTROLLER_UID: uid, JOB_NAME: name, "controller-uid": uid, "job-name": name}
        template = spec["template"].setdefault("metadata", {})
        template["labels"] = (template.get("labels") or {}) | labels
        selector = spec.setdefault("selector", {})
        selector["matchLabels"] = (selector.get("matchLabels") or {}) | {CONTROLLER_UID: uid}
        if not meta.get("labels"):
            meta["labels"] = dict(template["labels"])

    def check(self, obj: Object) -> list[Cause]:
        causes = []
        if len(obj["metadata"]["name"]) > _JOB_NAME_LIMIT:
            name = obj["metadata"]["name"]
            causes.append(invalid("metadata.name", name, f"must be no more than {_JOB_NAME_LIMIT} characters"))
        return causes + check_job_spec(obj["spec"], "spec") + _check_selector(obj)

    def check_update(self, new: Object, old: Object) -> list[Cause]:
        causes = []
        for field in (
            "completions",
            "selector",
            "template",
            "completionMode",
            "podFailurePolicy",
            "backoffLimitPerIndex",
        ):
            value = new["spec"].get(field)
            if value != old["spec"].get(field) and not (field == "template" and _may_change_template(new, old)):
                causes.append(invalid(f"spec.{field}", value, "field is immutable"))
        return causes

    def fields(self, obj: Object) -> dict[str, str]:
        return super().fields(obj) | {"status.successful": str(dig(obj, "status", "succeeded") or 0)}


class CronJobStrategy(Strategy):
    """CronJobs."""

    has_generation = True

    def default(self, obj: Object) -> None:
        spec = obj.setdefault("spec", {})
        spec.setdefault("concurrencyPolicy", "Allow")
        spec.setdefault("suspend", False)
        spec.setdefault("successfulJobsHistoryLimit", 3)
        spec.setdefault("failedJobsHistoryLimit", 1)
        template = spec.setdefault("jobTemplate", {})
        _default_template(template.setdefault("spec", {}).setdefault("template", {}))

    def prepare_create(self, obj: Object) -> None:
        obj["status"] = {}

    def check(self, obj: Object) -> list[Cause]:
        spec, causes = obj["spec"], []
        name = obj["metadata"]["name"]
        if len(name) > _CRON_JOB_NAME_LIMIT:
            causes.append(invalid("metadata.name", name, f"must be no more than {_CRON_JOB_NAME_LIMIT} characters"))
        causes += _check_schedule(spec.get("schedule") or "")
        causes += _check_counts(spec, ("startingDeadlineSeconds",), "spec")
        causes += _check_zone(spec.get("timeZone"))
        policies = ("Allow", "Forbid", "Replace")
        if spec["concurrencyPolicy"] not in policies:
            causes.append(unsupported("spec.concurrencyPolicy", spec["concurrencyPolicy"], policies))
        causes += check_job_spec(spec["jobTemplate"]["spec"], "spec.jobTemplate.spec")
        return causes + _check_counts(spec, ("successfulJobsHistoryLimit", "failedJobsHistoryLimit"), "spec")


def default_job_spec(spec: dict[str, Any]) -> None:
    """In place, for Jobs; the template inside a CronJob gets these only once it becomes a Job."""
    if spec.get("completions") is None and spec.get("parallelism") is None:
        spec["completions"] = 1
    spec.setdefault("parallelism", 1)
    spec.setdefault("backoffLimit", 6)
    spec.setdefault("completionMode", "NonIndexed")
    spec.setdefault("suspend", False)
    spec.setdefault("manualSelector", False)
    spec.setdefault("podReplacementPolicy", "TerminatingOrFailed")
    _default_template(spec.setdefault("template", {}))


def _default_template(template: dict[str, Any]) -> None:
    pod = template.setdefault("spec", {})
    named = "restartPolicy" in pod
    default_pod_spec(pod)
    if not named:
        del pod["restartPolicy"]


def check_job_spec(spec: dict[str, Any], path: str) -> list[Cause]:
    causes = _check_counts(spec, _COUNTS, path)
    pod = spec["template"]["spec"]
    at = f"{path}.template.spec"
    causes += check_labels(spec["template"].get("metadata") or {}, f"{path}.template.metadata")
    causes += check_pod_spec(pod | {"restartPolicy": "Never"}, at)
    policy = pod.get("restartPolicy")
    if policy in (None, "Always"):
        causes.append(required(f"{at}.restartPolicy", 'valid values: "OnFailure", "Never"'))
    elif policy not in ("OnFailure", "Never"):
        causes.append(unsupported(f"{at}.restartPolicy", policy, ("OnFailure", "Never")))
    return causes


def _check_counts(spec: dict[str, Any], fields: tuple[str, ...], path: str) -> list[Cause]:
    return [
        invalid(f"{path}.{name}", spec[name], "must be greater than or equal to 0")
        for name in fields
        if spec.get(name) is not None and spec[name] < 0
    ]


def _check_selector(obj: Object) -> list[Cause]:
    labels = dig(obj, "spec", "template", "metadata", "labels") or {}
    wanted = dig(obj, "spec", "selector", "matchLabels") or {}
    causes = []
    if not obj["spec"].get("manualSelector") and wanted != {CONTROLLER_UID: obj["metadata"]["uid"]}:
        causes.append(invalid("spec.selector", obj["spec"].get("selector"), "`selector` not auto-generated"))
    if any(labels.get(key) != value for key, value in wanted.items()):
        detail = "`selector` does not match template `labels`"
        causes.append(invalid("spec.template.metadata.labels", labels, detail))
    return causes


def _may_change_template(new: Object, old: Object) -> bool:
    """A suspended Job that never started may still be told where to run."""
    if not old["spec"].get("suspend") or dig(old, "status", "startTime"):
        return False
    before, after = (_without_scheduling(each["spec"]["template"]) for each in (old, new))
    return before == after


def _without_scheduling(template: dict[str, Any]) -> dict[str, Any]:
    meta, spec = template.get("metadata") or {}, template["spec"]
    return {
        "metadata": {key: value for key, value in meta.items() if key not in ("labels", "annotations")},
        "spec": {key: value for key, value in spec.items() if key not in _FREE_WHILE_SUSPENDED},
    }


def _check_schedule(schedule: str) -> list[Cause]:
    if not schedule:
        return [required("spec.schedule")]
    if "TZ" in schedule:
        return [invalid("spec.schedule", schedule, "cannot use TZ or CRON_TZ in schedule, use timeZone field instead")]
    if schedule in _MACROS or re.fullmatch(r"@every \S+", schedule):
        return []
    parts = schedule.split()
    if len(parts) != _FIELDS:
        detail = f"expected exactly 5 fields, found {len(parts)}: [{' '.join(parts)}]"
        return [invalid("spec.schedule", schedule, detail)]
    try:
        CronSim(schedule, parse_time(timestamp()))
    except CronSimError as error:
        return [invalid("spec.schedule", schedule, str(error))]
    return []


def _check_zone(zone: str | None) -> list[Cause]:
    if zone is None:
        return []
    if not zone:
        return [invalid("spec.timeZone", zone, "timeZone must be nil or non-empty string")]
    try:
        ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return [invalid("spec.timeZone", zone, f"unknown time zone {zone}")]
    return []
