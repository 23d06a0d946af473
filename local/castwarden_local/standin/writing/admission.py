# SPDX-License-Identifier: Apache-2.0
"""What happens to an object between a client's words and the store: decoded, pruned, defaulted, checked."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from castwarden_local.standin.errors import ApiError, BadRequest, Cause, Invalid, Subject
from castwarden_local.standin.interface import Object
from castwarden_local.standin.resources import Resource
from castwarden_local.standin.validation.cel_rules import evaluate
from castwarden_local.standin.validation.names import check_metadata, check_metadata_update
from castwarden_local.standin.validation.schema import Schema, apply_defaults, drop_nulls, prune
from castwarden_local.standin.validation.schema_checks import BLOCKING, check, invalid

Validation = Literal["", "Ignore", "Warn", "Strict"]
_WRONG_TYPE = re.compile(r'in body must be of type (\S+): "(.*)"', re.DOTALL)
_SKIPPED = Cause(
    "<nil>",
    "Invalid value: null: some validation rules were not checked because the object was invalid; correct the existing "
    "errors to complete validation",
)


@dataclass(frozen=True, slots=True)
class WriteOptions:
    """Who writes and how. `patching` only chooses the words of a strict refusal."""

    manager: str = "standin"
    subresource: str = ""
    validation: Validation = "Warn"
    dry_run: bool = False
    patching: bool = False


def adopt(resource: Resource, obj: Object, namespace: str) -> None:
    """Checks what the object says of itself against where it was sent, and fills it in. In place."""
    version, kind = obj.get("apiVersion"), obj.get("kind")
    if version is not None and version != resource.api_version:
        raise BadRequest(
            f"the API version in the data ({version}) does not match the expected API version ({resource.api_version})"
        )
    meta = obj.get("metadata")
    if kind is not None and kind != resource.kind:
        if not resource.custom:
            raise BadRequest(f'{kind} in version "{resource.gvr.version}" cannot be handled as a {resource.kind}')
        name = meta.get("name", "") if isinstance(meta, dict) else ""
        raise refusal(resource, name, [invalid("kind", kind, f"must be {resource.kind}")])
    obj["apiVersion"], obj["kind"] = resource.api_version, resource.kind
    meta = obj.setdefault("metadata", {})
    if not isinstance(meta, dict):
        raise _undecodable(resource, "json: cannot unmarshal into Go struct field .metadata of type v1.ObjectMeta")
    if resource.namespaced:
        if meta.setdefault("namespace", namespace) != namespace:
            raise BadRequest("the namespace of the provided object does not match the namespace sent on the request")
    else:
        meta.pop("namespace", None)


def decode(resource: Resource, obj: Object, options: WriteOptions) -> list[str]:
    """Refuses what Go could not decode; removes unknown fields and answers warnings about them. In place."""
    drop_nulls(resource.schema, obj)
    typed = obj if not resource.custom else {"metadata": obj["metadata"]}
    schema = resource.schema if not resource.custom else _only_metadata(resource.schema)
    for cause in check(schema, typed):
        found = _WRONG_TYPE.search(cause.message)
        if cause.reason == "FieldValueTypeInvalid" and found:
            place = f"{resource.kind}.{cause.field}"
            kind = "number" if found[2] == "integer" else found[2]
            raise _undecodable(
                resource, f"json: cannot unmarshal {kind} into Go struct field {place} of type {found[1]}"
            )
    unknown = [f'unknown field "{path}"' for path in prune(resource.schema, obj)]
    if unknown and options.validation == "Strict":
        raise strict_refusal(resource, unknown, obj, options)
    return unknown if options.validation in ("Warn", "") else []


def strict_refusal(resource: Resource, problems: Iterable[str], obj: Object, options: WriteOptions) -> ApiError:
    """The refusal of unknown or repeated fields, which the API server words differently for patches."""
    detail = "strict decoding error: " + ", ".join(problems)
    if options.patching:
        return Invalid(f' "" is invalid: patch: Invalid value: {{}}: {detail}', causes=[invalid("patch", {}, detail)])
    return _undecodable(resource, detail)


def _undecodable(resource: Resource, detail: str) -> BadRequest:
    kind = resource.kind
    return BadRequest(f'{kind} in version "{resource.gvr.version}" cannot be handled as a {kind}: {detail}')


def _only_metadata(schema: Schema) -> Schema:
    return Schema(type="object", properties={"metadata": schema.properties["metadata"]})


def complete(resource: Resource, obj: Object) -> None:
    """Fills in defaults. In place."""
    apply_defaults(resource.schema, obj)
    resource.strategy.default(obj)


def validate(resource: Resource, obj: Object, old: Object | None) -> None:
    """Raises Invalid with everything that is wrong."""
    meta = obj["metadata"]
    causes = check_metadata(meta, label_name=resource.strategy.label_name)
    if old is not None:
        causes += check_metadata_update(meta, old["metadata"])
    causes += _check_content(resource, obj, old)
    causes += _check_rules(resource, obj, old, causes)
    if causes:
        raise refusal(resource, meta.get("name", ""), causes)


def _check_content(resource: Resource, obj: Object, old: Object | None) -> list[Cause]:
    """Custom resources are checked by their schema and rules, built-in kinds by their strategy and what is required."""
    causes = check(resource.schema, {key: value for key, value in obj.items() if key != "metadata"})
    if resource.custom:
        return causes
    found = resource.strategy.check(obj)
    known = {cause.field for cause in found}
    missing = [cause for cause in causes if cause.reason == "FieldValueRequired" and cause.field != "metadata"]
    found += [cause for cause in missing if cause.field not in known]
    return found or (resource.strategy.check_update(obj, old) if old is not None else [])


def _check_rules(resource: Resource, obj: Object, old: Object | None, causes: list[Cause]) -> list[Cause]:
    if not resource.custom or not resource.schema.has_rules:
        return []
    if any(cause.reason in BLOCKING for cause in causes):
        return [_SKIPPED]
    return evaluate(resource.schema, obj, old)


def refusal(resource: Resource, name: str, causes: Sequence[Cause], subject: Subject | None = None) -> Invalid:
    """The API server's Invalid: one cause bare, several in brackets, the same text only once."""
    subject = subject or resource.kind_subject(name)
    texts = list(dict.fromkeys(f"{cause.field}: {cause.message}" for cause in causes))
    listed = texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]"
    of_group = f"{subject.kind}.{subject.group}" if subject.group else subject.kind
    return Invalid(f'{of_group} "{name}" is invalid: {listed}', subject, causes)


def options_refusal(kind: str, causes: Sequence[Cause]) -> Invalid:
    """An Invalid about query parameters; `kind` is such as `PatchOptions`."""
    listed = ", ".join(f"{cause.field}: {cause.message}" for cause in causes)
    return Invalid(f'{kind}.meta.k8s.io "" is invalid: {listed}', Subject(group="meta.k8s.io", kind=kind), causes)
