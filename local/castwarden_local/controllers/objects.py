# SPDX-License-Identifier: Apache-2.0
"""Small readings and makings of Kubernetes objects that the rules of Jobs, CronJobs and Pods share."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

Object = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Note:
    """What becomes an Event on the object: a reason and a sentence."""

    reason: str
    message: str
    type: str = "Normal"


def warning(reason: str, message: str) -> Note:
    return Note(reason, message, "Warning")


def format_time(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def parse_time(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def key_of(obj: Object) -> tuple[str, str]:
    """Namespace and name."""
    return obj["metadata"]["namespace"], obj["metadata"]["name"]


def owner_reference(owner: Object, api_version: str, kind: str) -> Object:
    meta = owner["metadata"]
    names = {"apiVersion": api_version, "kind": kind, "name": meta["name"], "uid": meta["uid"]}
    return names | {"controller": True, "blockOwnerDeletion": True}


def controller_of(obj: Object) -> Object | None:
    references: list[Object] = obj["metadata"].get("ownerReferences", [])
    return next((reference for reference in references if reference.get("controller")), None)


def is_owned_by(obj: Object, owner: Object) -> bool:
    reference = controller_of(obj)
    return reference is not None and reference["uid"] == owner["metadata"]["uid"]


def condition(conditions: Sequence[Object], kind: str) -> Object | None:
    """The condition of that type when it is true."""
    return next((c for c in conditions if c["type"] == kind and c["status"] == "True"), None)


def is_deleting(obj: Object) -> bool:
    return "deletionTimestamp" in obj["metadata"]
