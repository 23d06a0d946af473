# SPDX-License-Identifier: Apache-2.0
"""What the store keeps: objects as encoded JSON with the few facts that selectors and controllers ask for."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, NamedTuple

from castwarden_local.standin.json_values import dump, load

ChangeType = Literal["ADDED", "MODIFIED", "DELETED"]
Fields = Mapping[str, str]


class Key(NamedTuple):
    """Where an object is kept. `resource` is `plural.group` (or `plural`), the same for all versions of a resource."""

    resource: str
    namespace: str
    name: str


@dataclass(frozen=True, slots=True)
class Record:
    """One object as of one revision. `raw` is its JSON in the storage version, resourceVersion included."""

    key: Key
    revision: int
    raw: bytes
    uid: str
    labels: Mapping[str, str]
    fields: Fields
    owners: tuple[str, ...]

    def load(self) -> dict[str, Any]:
        """A private copy of the object."""
        obj: dict[str, Any] = load(self.raw)
        return obj

    def at(self, revision: int) -> "Record":
        """The same state under another resourceVersion."""
        if revision == self.revision:
            return self
        obj = self.load()
        obj["metadata"]["resourceVersion"] = str(revision)
        return replace(self, revision=revision, raw=dump(obj))

    @classmethod
    def of(cls, key: Key, obj: Mapping[str, Any], raw: bytes, fields: Fields) -> "Record":
        meta = obj["metadata"]
        return cls(
            key=key,
            revision=int(meta["resourceVersion"]),
            raw=raw,
            uid=meta["uid"],
            labels=meta.get("labels") or {},
            fields=fields,
            owners=tuple(owner["uid"] for owner in meta.get("ownerReferences") or ()),
        )


@dataclass(frozen=True, slots=True)
class Change:
    """One entry of the history. A DELETED change carries the last state under the revision of its deletion."""

    type: ChangeType
    record: Record
    previous: Record | None

    @property
    def revision(self) -> int:
        return self.record.revision
