# SPDX-License-Identifier: Apache-2.0
"""The objects of each namespace by age, kept in order as they come and go, so that a page costs what it shows."""

from bisect import bisect_left, insort
from collections.abc import Iterator

from castwarden_model.resources import Resource

from castwarden_gateway.kube.cache import Object

Position = tuple[str, str]  # creation time as the Kubernetes API writes it, name


class ByAge:
    """Listens to a cache."""

    def __init__(self) -> None:
        self._positions: dict[str, list[Position]] = {}

    def changed(self, before: Object | None, after: Object | None) -> None:
        """A cache's listener."""
        if before is not None and after is not None and before["metadata"]["uid"] == after["metadata"]["uid"]:
            return
        for found in (before, after):
            if found is None:
                continue
            namespace, position = found["metadata"].get("namespace", ""), _position_of(found)
            positions = self._positions.setdefault(namespace, [])
            if found is after:
                insort(positions, position)
            else:
                del positions[bisect_left(positions, position)]

    def names(self, namespace: str, before: Position | None) -> Iterator[str]:
        """Newest first, from behind `before`. Nothing may change meanwhile."""
        positions = self._positions.get(namespace, [])
        end = len(positions) if before is None else bisect_left(positions, before)
        for at in range(end - 1, -1, -1):
            yield positions[at][1]


def position(resource: Resource) -> Position:
    """Where it stands in `ByAge`."""
    created = resource.metadata.creation_timestamp
    return f"{created:%Y-%m-%dT%H:%M:%SZ}" if created else "", resource.metadata.name


def read_position(created_at: str, name: str) -> Position:
    """For `cursors.decode`."""
    return str(created_at), str(name)


def _position_of(found: Object) -> Position:
    meta = found["metadata"]
    return meta.get("creationTimestamp") or "", meta["name"]
