# SPDX-License-Identifier: Apache-2.0
"""CustomResourceDefinitions: what makes one invalid, the status it gets at once, and the resources it serves."""

import re
from collections.abc import Iterator
from typing import Any

from castwarden_local.standin.errors import Cause
from castwarden_local.standin.interface import GVR, Object
from castwarden_local.standin.json_values import copy_json, timestamp
from castwarden_local.standin.resources import Column, CustomStrategy, Resource, Strategy
from castwarden_local.standin.validation.cel_rules import BadRule, compile_rule
from castwarden_local.standin.validation.schema import Schema, compile_schema
from castwarden_local.standin.validation.schema_checks import check, invalid, required, unsupported

CLEANUP = "customresourcecleanup.apiextensions.k8s.io"
_TYPES = ("array", "boolean", "integer", "number", "object", "string")


class DefinitionStrategy(Strategy):
    """Definitions. Names are accepted unless another definition has them; that is checked by the registry's owner."""

    has_generation = True

    def default(self, obj: Object) -> None:
        spec = obj.setdefault("spec", {})
        names = spec.setdefault("names", {})
        if names.get("kind"):
            names.setdefault("singular", names["kind"].lower())
            names.setdefault("listKind", names["kind"] + "List")
        spec.setdefault("conversion", {"strategy": "None"})

    def prepare_create(self, obj: Object) -> None:
        meta = obj["metadata"]
        meta["finalizers"] = [*(meta.get("finalizers") or []), CLEANUP]
        obj["status"] = _status(obj, [])

    def prepare_update(self, new: Object, old: Object) -> None:
        before = old.get("status") or {}
        new["status"] = before | {
            "acceptedNames": copy_json(new["spec"]["names"]),
            "storedVersions": _stored(new, before.get("storedVersions") or []),
        }

    def prepare_delete(self, obj: Object) -> None:
        conditions = [each for each in obj["status"]["conditions"] if each["type"] != "Terminating"]
        message = "CustomResource deletion is in progress"
        terminating = _condition("Terminating", "InstanceDeletionInProgress", message)
        obj["status"] = obj["status"] | {"conditions": [*conditions, terminating]}

    def check(self, obj: Object) -> list[Cause]:
        return list(_check_definition(obj))

    def check_update(self, new: Object, old: Object) -> list[Cause]:
        return [
            invalid(f"spec.{field}", new["spec"].get(field), "field is immutable")
            for field in ("group", "scope")
            if new["spec"].get(field) != old["spec"].get(field)
        ]


def _status(obj: Object, stored: list[str]) -> dict[str, Any]:
    return {
        "conditions": [
            _condition("NamesAccepted", "NoConflicts", "no conflicts found"),
            _condition("Established", "InitialNamesAccepted", "the initial names have been accepted"),
        ],
        "acceptedNames": copy_json((obj.get("spec") or {}).get("names") or {}),
        "storedVersions": _stored(obj, stored),
    }


def _condition(kind: str, reason: str, message: str) -> dict[str, str]:
    return {
        "type": kind,
        "status": "True",
        "lastTransitionTime": timestamp(),
        "reason": reason,
        "message": message,
    }


def _stored(obj: Object, before: list[str]) -> list[str]:
    now = [version["name"] for version in _versions(obj) if version.get("storage")]
    return [*before, *(name for name in now if name not in before)]


def _versions(obj: Object) -> list[dict[str, Any]]:
    versions: list[dict[str, Any]] = (obj.get("spec") or {}).get("versions") or []
    return versions


def _check_definition(obj: Object) -> Iterator[Cause]:
    spec = obj["spec"]
    names, group = spec.get("names") or {}, spec.get("group") or ""
    if obj["metadata"]["name"] != f"{names.get('plural')}.{group}":
        yield invalid("metadata.name", obj["metadata"]["name"], 'must be spec.names.plural+"."+spec.group')
    if not group:
        yield required("spec.group")
    elif "." not in group:
        yield invalid("spec.group", group, "should be a domain with at least one dot")
    yield from (required(f"spec.names.{key}") for key in ("plural", "kind") if not names.get(key))
    if spec.get("scope") not in ("Cluster", "Namespaced"):
        yield unsupported("spec.scope", spec.get("scope"), ("Cluster", "Namespaced"))
    if sum(bool(version.get("storage")) for version in _versions(obj)) != 1:
        detail = "must have exactly one version marked as storage version"
        yield invalid("spec.versions", [version.get("name") for version in _versions(obj)], detail)
    for index, version in enumerate(_versions(obj)):
        yield from _check_version(version, f"spec.versions[{index}]", single=len(_versions(obj)) == 1)


def _check_version(version: dict[str, Any], path: str, *, single: bool) -> Iterator[Cause]:
    raw = (version.get("schema") or {}).get("openAPIV3Schema")
    at = ("spec.validation" if single else f"{path}.schema") + ".openAPIV3Schema"
    if not isinstance(raw, dict):
        yield required(at, "schemas are required")
        return
    causes = list(_check_schema(raw, at))
    if raw.get("type") != "object":
        causes.append(invalid(f"{at}.type", raw.get("type"), 'must be "object" at the root'))
    if not causes:
        causes = list(_check_compiled(compile_schema(raw), at))
    yield from causes


def _check_schema(raw: dict[str, Any], path: str) -> Iterator[Cause]:
    """Structure, patterns and rules, before anything is compiled."""
    if raw.get("type", "object") not in _TYPES:
        yield unsupported(f"{path}.type", raw["type"], _TYPES)
    elif not raw.get("type") and not _typeless(raw):
        yield required(f"{path}.type", "must not be empty for specified object fields")
    if raw.get("type") == "array" and not isinstance(raw.get("items"), dict):
        yield required(f"{path}.items", "must be specified")
    try:
        re.compile(raw.get("pattern") or "")
    except re.error as error:
        yield invalid(f"{path}.pattern", raw["pattern"], f"must be a valid regular expression, but isn't: {error}")
    for index, rule in enumerate(raw.get("x-kubernetes-validations") or []):
        for field in ("rule", "messageExpression"):
            yield from _check_rule(rule, field, f"{path}.x-kubernetes-validations[{index}]")
    for name, child in sorted((raw.get("properties") or {}).items()):
        yield from _check_schema(child, f"{path}.properties[{name}]")
    for name in ("items", "additionalProperties"):
        if isinstance(raw.get(name), dict):
            yield from _check_schema(raw[name], f"{path}.{name}")


def _typeless(raw: dict[str, Any]) -> bool:
    return bool(raw.get("x-kubernetes-int-or-string") or raw.get("x-kubernetes-preserve-unknown-fields"))


def _check_rule(rule: dict[str, Any], field: str, path: str) -> Iterator[Cause]:
    if not rule.get(field):
        if field == "rule":
            yield required(f"{path}.rule", "rule is not specified")
        return
    try:
        compile_rule(rule[field])
    except BadRule as error:
        yield invalid(f"{path}.{field}", rule, f"compilation failed: {error}")


def _check_compiled(schema: Schema, path: str) -> Iterator[Cause]:
    """Defaults must be valid themselves; list maps need their keys."""
    if schema.default is not None:
        for cause in check(schema, schema.default, f"{path}.default"):
            yield Cause(cause.field, cause.message, cause.reason)
    if schema.list_type == "map" and not schema.list_keys:
        yield required(f"{path}.x-kubernetes-list-map-keys", "must not be empty if x-kubernetes-list-type is map")
    for name, child in schema.properties.items():
        yield from _check_compiled(child, f"{path}.properties[{name}]")
    if schema.items:
        yield from _check_compiled(schema.items, f"{path}.items")
    if schema.additional:
        yield from _check_compiled(schema.additional, f"{path}.additionalProperties")


def resources_of(definition: Object, metadata: dict[str, Any]) -> list[Resource]:
    """The resources that a definition serves, one per served version; `metadata` is the schema of ObjectMeta."""
    spec = definition["spec"]
    storage = next((version["name"] for version in _versions(definition) if version.get("storage")), "")
    return [
        _custom_resource(spec, version, storage, metadata) for version in _versions(definition) if version.get("served")
    ]


def _custom_resource(spec: dict[str, Any], version: dict[str, Any], storage: str, metadata: dict[str, Any]) -> Resource:
    names = spec["names"]
    raw = copy_json(version["schema"]["openAPIV3Schema"])
    text = {"type": "string"}
    raw["properties"] = (raw.get("properties") or {}) | {"apiVersion": text, "kind": text, "metadata": metadata}
    return Resource(
        gvr=GVR(spec["group"], version["name"], names["plural"]),
        kind=names["kind"],
        singular=names.get("singular") or names["kind"].lower(),
        namespaced=spec["scope"] == "Namespaced",
        schema=compile_schema(raw),
        raw_schema=raw,
        strategy=CustomStrategy(),
        short_names=tuple(names.get("shortNames") or ()),
        categories=tuple(names.get("categories") or ()),
        has_status="status" in (version.get("subresources") or {}),
        columns=_printer_columns(version),
        storage_version=storage,
        custom=True,
        list_kind=names.get("listKind") or names["kind"] + "List",
    )


def _printer_columns(version: dict[str, Any]) -> tuple[Column, ...]:
    name = Column("Name", "string", ".metadata.name", format="name")
    asked = version.get("additionalPrinterColumns")
    if asked is None:
        return (name, Column("Age", "date", ".metadata.creationTimestamp"))
    columns = [
        Column(
            each["name"],
            each["type"],
            each["jsonPath"],
            each.get("priority", 0),
            each.get("format", ""),
            each.get("description", ""),
        )
        for each in asked
    ]
    return (name, *columns)
