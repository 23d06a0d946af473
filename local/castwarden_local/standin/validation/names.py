# SPDX-License-Identifier: Apache-2.0
"""The rules for names, labels, annotations, finalizers and owner references: what `metadata` must look like."""

import re
from typing import Any

from castwarden_local.standin.errors import Cause
from castwarden_local.standin.validation.schema_checks import forbidden, invalid, required, too_long

SUBDOMAIN_LIMIT = 253
LABEL_LIMIT = 63
ANNOTATIONS_LIMIT = 256 * 1024
_LABEL_PATTERN = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_SUBDOMAIN_PATTERN = rf"{_LABEL_PATTERN}(\.{_LABEL_PATTERN})*"
_QUALIFIED_PATTERN = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
_VALUE_PATTERN = f"({_QUALIFIED_PATTERN})?"
_LABEL = re.compile(_LABEL_PATTERN)
_SUBDOMAIN = re.compile(_SUBDOMAIN_PATTERN)
_QUALIFIED = re.compile(_QUALIFIED_PATTERN)
_VALUE = re.compile(_VALUE_PATTERN)


def subdomain_problems(name: str) -> list[str]:
    """RFC 1123 subdomain, the rule for most names."""
    problems = []
    if len(name) > SUBDOMAIN_LIMIT:
        problems.append(f"must be no more than {SUBDOMAIN_LIMIT} bytes")
    if not _SUBDOMAIN.fullmatch(name):
        problems.append(
            "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must "
            "start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is "
            f"'{_SUBDOMAIN_PATTERN}')"
        )
    return problems


def label_problems(name: str) -> list[str]:
    """RFC 1123 label, the rule for namespaces, containers and volumes."""
    problems = []
    if len(name) > LABEL_LIMIT:
        problems.append(f"must be no more than {LABEL_LIMIT} bytes")
    if not _LABEL.fullmatch(name):
        problems.append(
            "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and "
            "end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is "
            f"'{_LABEL_PATTERN}')"
        )
    return problems


def label_key_problems(key: str) -> list[str]:
    """A qualified name: an optional DNS prefix, a slash, and at most 63 characters."""
    prefix, slash, name = key.rpartition("/")
    problems = []
    if slash:
        if not prefix:
            problems.append("prefix part must be non-empty")
        problems += [f"prefix part {problem}" for problem in (subdomain_problems(prefix) if prefix else [])]
    if not name:
        problems.append("name part must be non-empty")
    elif len(name) > LABEL_LIMIT:
        problems.append(f"name part must be no more than {LABEL_LIMIT} bytes")
    if not _QUALIFIED.fullmatch(name):
        problems.append(
            "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an "
            "alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is "
            f"'{_QUALIFIED_PATTERN}')"
        )
    return problems


def label_value_problems(value: str) -> list[str]:
    problems = []
    if len(value) > LABEL_LIMIT:
        problems.append(f"must be no more than {LABEL_LIMIT} bytes")
    if not _VALUE.fullmatch(value):
        problems.append(
            "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must "
            "start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for "
            f"validation is '{_VALUE_PATTERN}')"
        )
    return problems


def check_metadata(meta: dict[str, Any], *, label_name: bool = False) -> list[Cause]:
    """All that is wrong with an object's metadata, whatever its kind."""
    name = meta.get("name", "")
    if not name:
        return [required("metadata.name", "name or generateName is required")]
    rule = label_problems if label_name else subdomain_problems
    causes = [invalid("metadata.name", name, problem) for problem in rule(name)]
    return causes + check_labels(meta, "metadata") + _check_owners(meta) + _check_finalizers(meta)


def check_labels(meta: dict[str, Any], path: str) -> list[Cause]:
    """Labels and annotations, of the object itself or of a template."""
    causes = []
    for key, value in (meta.get("labels") or {}).items():
        causes += [invalid(f"{path}.labels", key, problem) for problem in label_key_problems(key)]
        causes += [invalid(f"{path}.labels", value, problem) for problem in label_value_problems(value)]
    annotations = meta.get("annotations") or {}
    for key in annotations:
        causes += [invalid(f"{path}.annotations", key, problem) for problem in label_key_problems(key.lower())]
    if sum(len(key) + len(value.encode()) for key, value in annotations.items()) > ANNOTATIONS_LIMIT:
        causes.append(too_long(f"{path}.annotations", ANNOTATIONS_LIMIT))
    return causes


def _check_owners(meta: dict[str, Any]) -> list[Cause]:
    path = "metadata.ownerReferences"
    causes = []
    owners = meta.get("ownerReferences") or []
    for owner in owners:
        if not owner.get("apiVersion"):
            causes.append(invalid(f"{path}.apiVersion", "", "version must not be empty"))
        causes += [
            invalid(f"{path}.{key}", "", "must not be empty") for key in ("kind", "name", "uid") if not owner.get(key)
        ]
    controllers = [owner.get("name", "") for owner in owners if owner.get("controller")]
    if len(controllers) > 1:
        named = " and ".join(controllers[:2])
        detail = "Only one reference can have Controller set to true. "
        causes.append(invalid(path, owners, f'{detail}Found "true" in references for {named}'))
    return causes


def _check_finalizers(meta: dict[str, Any]) -> list[Cause]:
    causes = []
    for name in meta.get("finalizers") or []:
        causes += [invalid("metadata.finalizers", name, problem) for problem in label_key_problems(name)]
    return causes


def check_metadata_update(new: dict[str, Any], old: dict[str, Any]) -> list[Cause]:
    """What may not change, and no new finalizer on an object that is going away."""
    causes = []
    if old.get("deletionTimestamp"):
        added = sorted(set(new.get("finalizers") or []) - set(old.get("finalizers") or []))
        if added:
            listed = ", ".join(f'"{name}"' for name in added)
            detail = "no new finalizers can be added if the object is being deleted, found new finalizers "
            causes.append(forbidden("metadata.finalizers", f"{detail}[]string{{{listed}}}"))
    return causes
