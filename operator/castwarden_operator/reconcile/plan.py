# SPDX-License-Identifier: Apache-2.0
"""What a reconciler answers: the actions that bring children to their spec, and what to say about it in `status`."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..kinds import Object


@dataclass(frozen=True, slots=True)
class Create:
    """Make this object, unless an object of somebody else's has its name."""

    manifest: Object


@dataclass(frozen=True, slots=True)
class Apply:
    """Bring the existing object back to this."""

    manifest: Object


@dataclass(frozen=True, slots=True)
class Delete:
    """Remove this very object. `grace_seconds` None leaves the Pod its own grace period."""

    obj: Object
    grace_seconds: int | None = None


Action = Create | Apply | Delete


@dataclass(frozen=True, slots=True)
class Is:
    """One condition as it should be. `warning` marks a reason that somebody should act on."""

    type: str
    status: bool
    reason: str
    message: str = ""
    warning: bool = False


@dataclass(frozen=True, slots=True)
class Plan:
    """`fields` are the operator's other fields of `status`; None means absent. `again_in` asks for another look.

    `quiet` leaves `status` as it is: whatever is still missing comes at once, and brings another look.
    """

    actions: tuple[Action, ...] = ()
    conditions: tuple[Is, ...] = ()
    fields: Mapping[str, Any] = field(default_factory=dict)
    again_in: float | None = None
    quiet: bool = False


def conditions(ready: Is, *, progressing: bool = False, suspended: bool = False) -> tuple[Is, ...]:
    """The three conditions that every kind has."""
    return (
        ready,
        Is("Progressing", progressing, ready.reason if progressing else "Settled"),
        Is("Suspended", suspended, "Suspended" if suspended else "Active"),
    )


def ready(reason: str, message: str) -> Is:
    return Is("Ready", True, reason, message)


def not_ready(reason: str, message: str, *, warning: bool = False) -> Is:
    return Is("Ready", False, reason, message, warning)
