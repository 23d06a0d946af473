# SPDX-License-Identifier: Apache-2.0
"""Turns a plan's conditions into the operator's part of `status`, and tells whether anything in it is new. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from .kinds import Object
from .reconcile.plan import Is

OWN_FIELDS = ("podName", "seat", "jobName", "cronJobName", "firstPollAt")
_LONGEST_MESSAGE = 2000


@dataclass(frozen=True, slots=True)
class Summary:
    """The operator's part of `status`; whether it differs from what is there; the Ready condition if that changed."""

    status: Object
    changed: bool
    transition: Is | None


def summarise(resource: Object, conditions: Sequence[Is], fields: Mapping[str, Any], now: datetime) -> Summary:
    """The status that these conditions make. A transition time changes only with the condition's status."""
    observed = resource.get("status") or {}
    generation = resource["metadata"].get("generation", 0)
    before = {known["type"]: known for known in observed.get("conditions") or ()}
    ours = [_condition(condition, before.get(condition.type), generation, now) for condition in conditions]
    wanted = {key: value for key, value in fields.items() if value is not None}
    status = {"observedGeneration": generation, **wanted, "conditions": ours}
    same = (
        observed.get("observedGeneration") == generation
        and all(before.get(condition["type"]) == condition for condition in ours)
        and {key: observed[key] for key in OWN_FIELDS if key in observed} == wanted
    )
    return Summary(status, not same, next((c for c in conditions if _turned(c, before.get(c.type))), None))


def _condition(wanted: Is, before: Object | None, generation: int, now: datetime) -> Object:
    state = "True" if wanted.status else "False"
    kept = before is not None and before.get("status") == state
    return {
        "type": wanted.type,
        "status": state,
        "reason": wanted.reason,
        "message": wanted.message[:_LONGEST_MESSAGE],
        "observedGeneration": generation,
        "lastTransitionTime": before["lastTransitionTime"]
        if kept and before
        else now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
    }


def _turned(wanted: Is, before: Object | None) -> bool:
    if wanted.type != "Ready":
        return False
    state = "True" if wanted.status else "False"
    return before is None or (before.get("status"), before.get("reason")) != (state, wanted.reason)
