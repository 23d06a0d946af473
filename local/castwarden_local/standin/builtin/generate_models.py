# SPDX-License-Identifier: Apache-2.0
"""Writes `models.json`: the built-in kinds as OpenAPI schemas, from the models of the `kubernetes` client.

The client knows every field and its type, but not how lists merge; that is a small table here. Run as a module to
write the file again; a test compares. It is written down because importing the client's models takes seconds.
"""

import importlib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

FILE = Path(__file__).with_name("models.json")
KINDS = (
    "AuthenticationV1TokenRequest",
    "CoreV1Event",
    "EventsV1Event",
    "V1ConfigMap",
    "V1CronJob",
    "V1CustomResourceDefinition",
    "V1DeleteOptions",
    "V1Job",
    "V1Lease",
    "V1Namespace",
    "V1PersistentVolumeClaim",
    "V1Pod",
    "V1Secret",
    "V1SelfSubjectAccessReview",
    "V1ServiceAccount",
    "V1TokenReview",
)
_SCALARS: dict[str, dict[str, Any]] = {
    "str": {"type": "string"},
    "int": {"type": "integer"},
    "bool": {"type": "boolean"},
    "float": {"type": "number"},
    "datetime": {"type": "string", "format": "date-time"},
    "bytes": {"type": "string", "format": "byte"},
    "object": {"x-kubernetes-preserve-unknown-fields": True},
}
_CONTAINER_LISTS = {
    "env": ("name",),
    "ports": ("containerPort", "protocol"),
    "volumeMounts": ("mountPath",),
    "volumeDevices": ("devicePath",),
}
_MERGED_LISTS: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "V1Container": _CONTAINER_LISTS,
    "V1EphemeralContainer": _CONTAINER_LISTS,
    "V1PodSpec": {
        "containers": ("name",),
        "initContainers": ("name",),
        "ephemeralContainers": ("name",),
        "volumes": ("name",),
        "imagePullSecrets": ("name",),
        "hostAliases": ("ip",),
        "resourceClaims": ("name",),
        "schedulingGates": ("name",),
        "topologySpreadConstraints": ("topologyKey", "whenUnsatisfiable"),
    },
    "V1PodStatus": {"conditions": ("type",), "podIPs": ("ip",), "resourceClaimStatuses": ("name",)},
    "V1ResourceRequirements": {"claims": ("name",)},
    "V1ObjectMeta": {"ownerReferences": ("uid",)},
    "V1ServiceAccount": {"secrets": ("name",)},
    "V1NamespaceStatus": {"conditions": ("type",)},
    "V1PersistentVolumeClaimStatus": {"conditions": ("type",)},
    "V1CustomResourceDefinitionStatus": {"conditions": ("type",)},
}
_PATCHED_ONLY = {("V1JobStatus", "conditions"): "type", ("V1PodStatus", "hostIPs"): "ip"}
_SETS = {("V1ObjectMeta", "finalizers")}
_ATOMIC_MAPS = frozenset(
    {
        "V1ConfigMapKeySelector",
        "V1LabelSelector",
        "V1LocalObjectReference",
        "V1NodeSelector",
        "V1NodeSelectorTerm",
        "V1ObjectFieldSelector",
        "V1ObjectReference",
        "V1OwnerReference",
        "V1ResourceFieldSelector",
        "V1SecretKeySelector",
        "V1TypedLocalObjectReference",
    }
)
_ATOMIC_FIELDS = {("V1PodSpec", "nodeSelector")}
_DEFAULTS = {("V1ContainerPort", "protocol"): "TCP"}
_INT_OR_STRING = {
    ("V1HTTPGetAction", "port"),
    ("V1TCPSocketAction", "port"),
}
_QUANTITIES = {
    ("V1ContainerStatus", "allocatedResources"),
    ("V1EmptyDirVolumeSource", "sizeLimit"),
    ("V1PersistentVolumeClaimStatus", "allocatedResources"),
    ("V1PersistentVolumeClaimStatus", "capacity"),
    ("V1PodSpec", "overhead"),
    ("V1PodStatus", "allocatedResources"),
    ("V1ResourceFieldSelector", "divisor"),
    ("V1ResourceRequirements", "limits"),
    ("V1ResourceRequirements", "requests"),
    ("V1VolumeResourceRequirements", "limits"),
    ("V1VolumeResourceRequirements", "requests"),
}
_MICRO_TIMES = {
    ("CoreV1Event", "eventTime"),
    ("CoreV1EventSeries", "lastObservedTime"),
    ("EventsV1Event", "eventTime"),
    ("EventsV1EventSeries", "lastObservedTime"),
    ("V1LeaseSpec", "acquireTime"),
    ("V1LeaseSpec", "renewTime"),
}
_ANY_QUANTITY = {"x-kubernetes-int-or-string": True, "format": "quantity"}
_OPAQUE = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
_RECURSIVE = frozenset({"V1JSONSchemaProps"})  # checked where definitions are taken


def collect() -> dict[str, dict[str, Any]]:
    """The schemas of all kinds and of what they consist of, by the client's name; `$ref` names another one."""
    found: dict[str, dict[str, Any]] = {}
    waiting = list(KINDS)
    while waiting:
        name = waiting.pop()
        if name not in found:
            found[name] = _OPAQUE if name in _RECURSIVE else _model_schema(name)
            waiting += _references(found[name])
    return dict(sorted(found.items()))


def text() -> str:
    """The file's content."""
    return json.dumps(collect(), indent=None, separators=(",", ":"), sort_keys=True).replace('},"', '},\n"') + "\n"


def _model_schema(name: str) -> dict[str, Any]:
    module = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()
    model = getattr(importlib.import_module(f"kubernetes.client.models.{module}"), name)
    names: Mapping[str, str] = model.attribute_map
    schema: dict[str, Any] = {
        "type": "object",
        "properties": {names[key]: _member(name, names[key], kind) for key, kind in model.openapi_types.items()},
    }
    required = sorted(names[key] for key, field in model.model_fields.items() if field.is_required())
    if required:
        schema["required"] = required
    if name in _ATOMIC_MAPS:
        schema["x-kubernetes-map-type"] = "atomic"
    return schema


def _member(model: str, field: str, declared: str) -> dict[str, Any]:
    place = (model, field)
    if place in _INT_OR_STRING:
        return {"x-kubernetes-int-or-string": True}
    schema = _typed(declared, place in _QUANTITIES)
    if place in _MICRO_TIMES:
        schema["format"] = "micro-time"
    keys = _MERGED_LISTS.get(model, {}).get(field)
    if keys:
        schema |= {
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": list(keys),
            "x-kubernetes-patch-merge-key": keys[0],
        }
    if place in _SETS:
        schema["x-kubernetes-list-type"] = "set"
    if place in _PATCHED_ONLY:
        schema["x-kubernetes-patch-merge-key"] = _PATCHED_ONLY[place]
    if place in _ATOMIC_FIELDS:
        schema["x-kubernetes-map-type"] = "atomic"
    if place in _DEFAULTS:
        schema["default"] = _DEFAULTS[place]
    return schema


def _typed(declared: str, quantity: bool) -> dict[str, Any]:
    of_list = re.fullmatch(r"List\[(.*)\]", declared)
    of_map = re.fullmatch(r"Dict\[str, (.*)\]", declared)
    if of_list:
        return {"type": "array", "items": _typed(of_list[1], quantity)}
    if of_map:
        return {"type": "object", "additionalProperties": _typed(of_map[1], quantity)}
    if quantity:
        return dict(_ANY_QUANTITY)
    return dict(_SCALARS.get(declared) or {"$ref": declared})


def _references(schema: Any) -> list[str]:
    if isinstance(schema, dict):
        here = [schema["$ref"]] if "$ref" in schema else []
        return here + [name for value in schema.values() for name in _references(value)]
    return []


if __name__ == "__main__":
    FILE.write_text(text(), encoding="utf-8")
