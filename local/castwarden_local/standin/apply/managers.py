# SPDX-License-Identifier: Apache-2.0
"""`metadata.managedFields`: who owns which field after an update, and server-side apply with its conflicts.

The rules follow structured-merge-diff: an update takes over what it changes; an apply owns what it mentions, may not
change what others own unless forced, and removes what it owned before, no longer mentions, and nobody else owns.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from castwarden_local.standin.apply.fields import FieldSet, compare, decode, encode, merge, owned, path_text, remove
from castwarden_local.standin.errors import Cause, Conflict
from castwarden_local.standin.json_values import timestamp
from castwarden_local.standin.validation.schema import Schema

_IDENTITY = (
    *((f"f:{name}",) for name in ("apiVersion", "kind", "metadata")),
    *(
        ("f:metadata", f"f:{name}")
        for name in (
            "name",
            "namespace",
            "creationTimestamp",
            "selfLink",
            "uid",
            "generation",
            "managedFields",
            "resourceVersion",
            "deletionTimestamp",
            "deletionGracePeriodSeconds",
        )
    ),
)


class Manager(NamedTuple):
    """Who writes. The same name may own one set by applying and another by updating."""

    name: str
    operation: str
    api_version: str
    subresource: str = ""


@dataclass(frozen=True, slots=True)
class Ownership:
    """What one manager owns, since when."""

    fields: FieldSet
    time: str


Owners = dict[Manager, Ownership]


def read_owners(managed_fields: Any) -> Owners:
    """Raises ValueError for entries that make no sense."""
    owners: Owners = {}
    for entry in managed_fields or ():
        if not isinstance(entry, dict):
            raise ValueError("managedFields must be objects")  # noqa: TRY004 - bad input, not a bug
        if entry:
            operation = entry.get("operation", "")
            if operation not in ("Apply", "Update"):
                raise ValueError("operation must be `Apply` or `Update`")
            manager = Manager(
                entry.get("manager", ""), operation, entry.get("apiVersion", ""), entry.get("subresource", "")
            )
            owners[manager] = Ownership(decode(entry.get("fieldsV1") or {}), entry.get("time") or "")
    return owners


def write_owners(owners: Owners) -> list[dict[str, Any]]:
    """Entries in the order of the API server: applied ones first, then by time and name."""
    ordered = sorted(owners.items(), key=lambda item: (item[0].operation, item[1].time, item[0]))
    return [_entry(manager, ownership) for manager, ownership in ordered]


def _entry(manager: Manager, ownership: Ownership) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "manager": manager.name,
        "operation": manager.operation,
        "apiVersion": manager.api_version,
        "time": ownership.time,
        "fieldsType": "FieldsV1",
        "fieldsV1": encode(ownership.fields),
    }
    return entry | ({"subresource": manager.subresource} if manager.subresource else {})


def after_update(schema: Schema, owners: Owners, manager: Manager, old: Any, new: Any) -> Owners:
    """The owners once `manager` has replaced `old` by `new`."""
    change = compare(schema, old, new)
    taken = _theirs(change.added | change.modified, manager)
    lost = change.removed
    result = {}
    for other, ownership in owners.items():
        fields = ownership.fields - lost - (taken if other != manager else set())
        result[other] = ownership if fields == ownership.fields else replace(ownership, fields=fields)
    mine = owners.get(manager, Ownership(set(), ""))
    fields = (mine.fields - lost) | taken
    if fields != mine.fields or taken or (lost & mine.fields):
        result[manager] = Ownership(fields, timestamp())
    return {each: ownership for each, ownership in result.items() if ownership.fields}


def apply(
    schema: Schema, owners: Owners, manager: Manager, live: dict[str, Any], config: dict[str, Any], *, force: bool
) -> tuple[dict[str, Any], Owners]:
    """The object after `manager` applied `config`, and its owners. Raises Conflict."""
    mine = owners.get(manager, Ownership(set(), ""))
    claimed = _theirs(owned(schema, config), manager)
    others = {other: ownership for other, ownership in owners.items() if other != manager}
    merged = merge(schema, live, config)
    merged = remove(schema, merged, _abandoned(mine.fields - claimed, [claimed, *(o.fields for o in others.values())]))
    change = compare(schema, live, merged)
    taken = change.added | change.modified
    conflicts = {other: found for other, ownership in others.items() if (found := ownership.fields & taken)}
    if conflicts and not force:
        raise _conflict(conflicts)
    result = {other: replace(ownership, fields=ownership.fields - taken) for other, ownership in others.items()}
    time = mine.time if claimed == mine.fields and mine.time else timestamp()
    result[manager] = Ownership(claimed, time)
    return merged, {each: ownership for each, ownership in result.items() if ownership.fields}


def _abandoned(dropped: FieldSet, held: Iterable[FieldSet]) -> FieldSet:
    """Of the fields a manager no longer applies, those that nobody owns, neither themselves nor anything below them."""
    needed: FieldSet = set()
    for fields in held:
        for path in fields:
            needed.update(path[: end + 1] for end in range(len(path)))
    return dropped - needed


def _theirs(fields: FieldSet, manager: Manager) -> FieldSet:
    """Without what no manager owns: identity, and what the (sub)resource does not write."""
    fields = fields - set(_IDENTITY)
    if manager.subresource == "status":
        return {path for path in fields if path[0] == "f:status"}
    return fields


def _conflict(conflicts: dict[Manager, FieldSet]) -> Conflict:
    causes, parts = [], []
    for manager, fields in sorted(conflicts.items()):
        name = f'"{manager.name}"' + (f' with subresource "{manager.subresource}"' if manager.subresource else "")
        if manager.operation == "Update":
            name += f" using {manager.api_version}"
        paths = [path_text(path) for path in sorted(fields)]
        causes += [Cause(path, f"conflict with {name}", "FieldManagerConflict") for path in paths]
        parts.append((name, paths))
    if len(causes) == 1:
        text = f"conflict with {parts[0][0]}: {parts[0][1][0]}"
    else:
        text = "\n".join(
            f"conflicts with {name}:\n" + "\n".join(f"- {path}" for path in paths) for name, paths in parts
        )
    counted = "1 conflict" if len(causes) == 1 else f"{len(causes)} conflicts"
    return Conflict(f"Apply failed with {counted}: {text}", causes=causes)
