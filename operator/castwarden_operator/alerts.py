# SPDX-License-Identifier: Apache-2.0
"""What Kubernetes Events tell of the alerts in a Monitor's `status`: each that was raised or ended since the last look.

An operator that has just begun takes what is open as told. Pure but for that memory.
"""

from .kinds import Object, Ref
from .reconcile.plan import Is

RAISED, ENDED = "AlertRaised", "AlertEnded"


class Alerts:
    """Remembers what was open, per resource."""

    def __init__(self) -> None:
        self._open: dict[Ref, tuple[str, frozenset[str]]] = {}  # uid and conditions

    def news(self, ref: Ref, resource: Object) -> list[Is]:
        """The Events to make, those of what ended first."""
        status, uid = resource.get("status") or {}, resource["metadata"]["uid"]
        now = frozenset(status.get("openConditions") or ())
        before_uid, before = self._open.get(ref, ("", now))
        self._open[ref] = (uid, now)
        if before_uid != uid:
            return []
        said = _degraded(status)
        ended = [Is("Alert", False, ENDED, _end(name, said)) for name in sorted(before - now)]
        return ended + [Is("Alert", True, RAISED, f"{name}; {said}", warning=True) for name in sorted(now - before)]

    def forget(self, ref: Ref) -> None:
        """The resource is gone."""
        self._open.pop(ref, None)


def _degraded(status: Object) -> str:
    found = (str(c.get("message", "")) for c in status.get("conditions") or () if c.get("type") == "Degraded")
    return next(found, "")


def _end(name: str, said: str) -> str:
    """The gateway says of an alert that nobody saw recover that it ended without a recovery."""
    settled = [part for part in said.split("; ") if part.startswith(f"{name} ended at ")]
    return settled[0] if settled else f"{name} has recovered"
