# SPDX-License-Identifier: Apache-2.0
"""Reads a Job's status. Pure."""

from typing import Any

from ..kinds import Object


def condition_of(job: Object, type_: str) -> dict[str, Any] | None:
    """The Job's condition of this type, when it is true."""
    conditions = job.get("status", {}).get("conditions") or ()
    return next((c for c in conditions if c.get("type") == type_ and c.get("status") == "True"), None)


def is_active(job: Object) -> bool:
    """Whether the Job has neither completed nor failed."""
    return condition_of(job, "Complete") is None and condition_of(job, "Failed") is None


def has_started(job: Object) -> bool:
    """Whether its template can no longer be replaced without losing work."""
    return bool(job.get("status", {}).get("startTime"))
