# SPDX-License-Identifier: Apache-2.0
"""What a delete does to an object: removes it, or marks it and waits for finalizers or for a grace period."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from castwarden_local.standin.errors import Conflict
from castwarden_local.standin.interface import Object, Propagation
from castwarden_local.standin.json_values import timestamp
from castwarden_local.standin.resources import Resource

FOREGROUND = "foregroundDeletion"
ORPHAN = "orphan"


@dataclass(frozen=True, slots=True)
class DeleteOptions:
    """metav1.DeleteOptions."""

    grace_seconds: int | None = None
    propagation: Propagation | None = None
    uid: str = ""
    resource_version: str = ""
    dry_run: bool = False

    def check(self, resource: Resource, obj: Object) -> None:
        """Raises Conflict when the object is not the one meant."""
        meta = obj["metadata"]
        detail = ""
        if self.uid and self.uid != meta["uid"]:
            detail = (
                f"the UID in the precondition ({self.uid}) does not match the UID in record ({meta['uid']}). "
                "The object might have been deleted and then recreated"
            )
        elif self.resource_version and self.resource_version != meta["resourceVersion"]:
            detail = (
                f"the ResourceVersion in the precondition ({self.resource_version}) does not match the ResourceVersion "
                f"in record ({meta['resourceVersion']}). The object might have been modified"
            )
        if detail:
            kind = f"{resource.kind}.{resource.gvr.group}" if resource.gvr.group else resource.kind
            subject = resource.kind_subject(meta["name"])
            raise Conflict(f'Operation cannot be fulfilled on {kind} "{meta["name"]}": {detail}', subject)


def delete_steps(resource: Resource, obj: Object, options: DeleteOptions) -> Object | None:
    """The marked object, or None when it goes at once. Changes `obj`."""
    meta = obj["metadata"]
    grace = resource.strategy.grace_seconds(obj, options.grace_seconds)
    finalizers = _finalizers(resource, meta.get("finalizers") or [], options.propagation)
    if finalizers:
        meta["finalizers"] = finalizers
    else:
        meta.pop("finalizers", None)
    held = bool(finalizers or (obj.get("spec") or {}).get("finalizers"))
    if grace == 0 and not held:
        return None
    marked = meta.get("deletionTimestamp") is not None
    if marked and grace >= meta.get("deletionGracePeriodSeconds", 0):
        return obj
    if not marked and resource.strategy.has_generation:
        meta["generation"] = meta.get("generation", 0) + 1
    if not marked or grace < meta.get("deletionGracePeriodSeconds", 0):
        meta["deletionTimestamp"] = timestamp(datetime.now(UTC) + timedelta(seconds=grace))
        meta["deletionGracePeriodSeconds"] = grace
    if not marked:
        resource.strategy.prepare_delete(obj)
    return obj


def _finalizers(resource: Resource, present: list[str], propagation: Propagation | None) -> list[str]:
    """A propagation policy is kept as a finalizer that the garbage collector works off."""
    others = [name for name in present if name not in (FOREGROUND, ORPHAN)]
    if propagation is None and len(others) < len(present):
        return present
    wanted = propagation or resource.strategy.default_propagation
    if wanted == "Foreground":
        return [*others, FOREGROUND]
    if wanted == "Orphan":
        return [*others, ORPHAN]
    return others


def finished(resource: Resource, obj: Object) -> bool:
    """Whether nothing holds a marked object any more."""
    meta = obj["metadata"]
    held = meta.get("finalizers") or (obj.get("spec") or {}).get("finalizers")
    return bool(meta.get("deletionTimestamp")) and not held and not meta.get("deletionGracePeriodSeconds")
