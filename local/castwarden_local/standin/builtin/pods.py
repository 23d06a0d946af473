# SPDX-License-Identifier: Apache-2.0
"""Pods, and the Pod templates of Jobs: the server's defaults, what makes one invalid, what may not change."""

from typing import Any

from castwarden_local.standin.errors import Cause
from castwarden_local.standin.interface import Object
from castwarden_local.standin.json_values import copy_json, timestamp
from castwarden_local.standin.resources import Strategy
from castwarden_local.standin.validation.pod_checks import check_pod_spec
from castwarden_local.standin.validation.schema_checks import forbidden

_PROBES = ("livenessProbe", "readinessProbe", "startupProbe")
_PROBE_DEFAULTS = {"timeoutSeconds": 1, "periodSeconds": 10, "successThreshold": 1, "failureThreshold": 3}
_DEFAULT_MODE = 0o644
_IMMUTABLE = (
    "pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,"
    "`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),"
    "`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)"
)
FINISHED = ("Succeeded", "Failed")


class PodStrategy(Strategy):
    """Pods. There is no scheduler: `bind` names the node."""

    has_generation = True
    returns_deleted = True
    field_paths = (
        "spec.nodeName",
        "spec.restartPolicy",
        "spec.schedulerName",
        "spec.serviceAccountName",
        "status.phase",
    )

    def default(self, obj: Object) -> None:
        spec = obj.setdefault("spec", {})
        default_pod_spec(spec)
        spec.setdefault("enableServiceLinks", True)

    def prepare_create(self, obj: Object) -> None:
        spec = obj["spec"]
        spec.setdefault("serviceAccountName", "default")
        spec.setdefault("serviceAccount", spec["serviceAccountName"])
        spec.setdefault("priority", 0)
        spec.setdefault("preemptionPolicy", "PreemptLowerPriority")
        obj["status"] = {"phase": "Pending", "qosClass": _quality(spec)}

    def prepare_update(self, new: Object, old: Object) -> None:
        status, before = new.get("status") or {}, old.get("status") or {}
        if "qosClass" in before:
            status.setdefault("qosClass", before["qosClass"])
        new["status"] = status

    def check(self, obj: Object) -> list[Cause]:
        return check_pod_spec(obj["spec"], "spec")

    def check_update(self, new: Object, old: Object) -> list[Cause]:
        if _fixed_parts(new["spec"]) == _fixed_parts(old["spec"]):
            return []
        return [forbidden("spec", _IMMUTABLE)]

    def service_account(self, obj: Object) -> str:
        return str(obj["spec"]["serviceAccountName"])

    def grace_seconds(self, obj: Object, requested: int | None) -> int:
        if not obj["spec"].get("nodeName") or (obj.get("status") or {}).get("phase") in FINISHED:
            return 0
        if requested is not None:
            return max(requested, 0)
        return max(int(obj["spec"].get("terminationGracePeriodSeconds", 30)), 0)


def bound(pod: Object, node: str) -> Object:
    """The Pod once it was assigned to a node."""
    status = pod.get("status") or {}
    others = [each for each in status.get("conditions") or [] if each.get("type") != "PodScheduled"]
    scheduled = {"type": "PodScheduled", "status": "True", "lastTransitionTime": timestamp()}
    return pod | {
        "spec": pod["spec"] | {"nodeName": node},
        "status": status | {"conditions": [*others, scheduled]},
    }


def default_pod_spec(spec: dict[str, Any]) -> None:
    """In place; used for Pods and templates alike."""
    spec.setdefault("restartPolicy", "Always")
    spec.setdefault("dnsPolicy", "ClusterFirst")
    spec.setdefault("schedulerName", "default-scheduler")
    spec.setdefault("securityContext", {})
    spec.setdefault("terminationGracePeriodSeconds", 30)
    if spec.get("serviceAccount") and not spec.get("serviceAccountName"):
        spec["serviceAccountName"] = spec["serviceAccount"]
    if spec.get("serviceAccountName"):
        spec["serviceAccount"] = spec["serviceAccountName"]
    for container in [*(spec.get("containers") or []), *(spec.get("initContainers") or [])]:
        _default_container(container)
    for volume in spec.get("volumes") or []:
        _default_volume(volume)


def _default_container(container: dict[str, Any]) -> None:
    image = container.get("image") or ""
    container.setdefault("resources", {})
    container.setdefault("terminationMessagePath", "/dev/termination-log")
    container.setdefault("terminationMessagePolicy", "File")
    latest = "@" not in image and (":" not in image.rpartition("/")[2] or image.endswith(":latest"))
    container.setdefault("imagePullPolicy", "Always" if latest else "IfNotPresent")
    resources = container["resources"]
    for name, limit in (resources.get("limits") or {}).items():
        resources.setdefault("requests", {}).setdefault(name, limit)
    for probe in (container[name] for name in _PROBES if isinstance(container.get(name), dict)):
        for field, value in _PROBE_DEFAULTS.items():
            probe.setdefault(field, value)
        if isinstance(probe.get("httpGet"), dict):
            probe["httpGet"].setdefault("path", "/")
            probe["httpGet"].setdefault("scheme", "HTTP")
    for variable in container.get("env") or []:
        reference = (variable.get("valueFrom") or {}).get("fieldRef")
        if isinstance(reference, dict):
            reference.setdefault("apiVersion", "v1")


def _default_volume(volume: dict[str, Any]) -> None:
    if set(volume) == {"name"}:
        volume["emptyDir"] = {}
    for source in ("configMap", "secret", "projected", "downwardAPI"):
        if isinstance(volume.get(source), dict):
            volume[source].setdefault("defaultMode", _DEFAULT_MODE)
    for part in (volume.get("projected") or {}).get("sources") or []:
        if isinstance(part.get("serviceAccountToken"), dict):
            part["serviceAccountToken"].setdefault("expirationSeconds", 3600)


def _fixed_parts(spec: dict[str, Any]) -> dict[str, Any]:
    """What an update of a Pod may not touch."""
    parts: dict[str, Any] = copy_json(spec)
    for field in ("activeDeadlineSeconds", "tolerations", "terminationGracePeriodSeconds"):
        parts.pop(field, None)
    for container in [*(parts.get("containers") or []), *(parts.get("initContainers") or [])]:
        container.pop("image", None)
    return parts


def _quality(spec: dict[str, Any]) -> str:
    resources = [container.get("resources") or {} for container in spec.get("containers") or []]
    if not any(each.get("requests") or each.get("limits") for each in resources):
        return "BestEffort"
    exact = all(_exact(each.get("limits") or {}, each.get("requests") or {}) for each in resources)
    return "Guaranteed" if exact else "Burstable"


def _exact(limits: dict[str, Any], requests: dict[str, Any]) -> bool:
    return all(limits.get(name) and limits[name] == requests.get(name) for name in ("cpu", "memory"))
