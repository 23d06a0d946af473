# SPDX-License-Identifier: Apache-2.0
"""What reconcilers ask of any child: whose is it, is it leaving, is it in the way? Pure."""

from collections.abc import Sequence
from datetime import datetime

from ..kinds import Kind, Object, controller_uid
from .plan import Delete, Is, not_ready


def parse_time(text: str | None) -> datetime | None:
    """A timestamp as the API writes it."""
    return datetime.fromisoformat(text) if text else None


def terminating_since(obj: Object) -> datetime | None:
    """When the object should have been gone, grace included, if it is being deleted."""
    return parse_time(obj["metadata"].get("deletionTimestamp"))


def named(children: Sequence[Object], kind: Kind, name: str) -> Object | None:
    """The child of this kind and name, if there is one."""
    return next((c for c in children if c["kind"] == kind.name and c["metadata"]["name"] == name), None)


def strays(children: Sequence[Object], kind: Kind, name: str, owner_uid: str) -> tuple[Delete, ...]:
    """Deletes what we own of this kind under any other name."""
    return tuple(
        Delete(child)
        for child in children
        if child["kind"] == kind.name
        and child["metadata"]["name"] != name
        and controller_uid(child) == owner_uid
        and terminating_since(child) is None
    )


def obstacle(child: Object, owner_uid: str) -> Is | None:
    """Why a child with our name cannot be used: it is another's (of a deleted namesake, say), or it is going away."""
    what = f"{child['kind']} {child['metadata']['name']}"
    if controller_uid(child) not in (None, owner_uid):
        return not_ready("NameTaken", f"{what} belongs to another owner; it is awaited to go", warning=True)
    if terminating_since(child) is not None:
        return not_ready("Replacing", f"{what} is ending")
    return None
