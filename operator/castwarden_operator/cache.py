# SPDX-License-Identifier: Apache-2.0
"""What the API server last said, by name and by owner. Filled by watches, lists and the answers to our own writes."""

from collections import Counter, OrderedDict, defaultdict
from collections.abc import Iterable, Sequence

from .kinds import POOL, Kind, Object, Ref, owner_of, ref_of
from .seats import pools_of

_REMEMBERED_DELETIONS = 10_000


class Cache:
    """Newer versions replace older ones, in whatever order they come; what is older than a deletion stays deleted.

    An object that left the watch's label selector looks deleted, and may come back under the same uid.
    """

    def __init__(self) -> None:
        self._objects: dict[Ref, Object] = {}
        self._children: dict[Ref, set[Ref]] = defaultdict(set)
        self._counts: Counter[str] = Counter()
        self._deleted: OrderedDict[str, int] = OrderedDict()  # uid: version

    def get(self, ref: Ref) -> Object | None:
        return self._objects.get(ref)

    def refs(self, kind: Kind) -> list[Ref]:
        """All objects of one kind."""
        return [ref for ref in self._objects if ref.kind == kind.name]

    def count(self, kind: Kind) -> int:
        """How many there are of one kind."""
        return self._counts[kind.name]

    def pools(self) -> list[Ref]:
        """All pools that have Monitors or Pods."""
        return [ref for ref in self._children if ref.kind == POOL]

    def children(self, owner: Ref) -> Sequence[Object]:
        """The objects whose labels name this owner, by name. A pool's are its Monitors and then its Pods."""
        return [self._objects[ref] for ref in sorted(self._children.get(owner, ()))]

    def put(self, kind: Kind, obj: Object) -> Object | None:
        """Take in an object unless a newer version or its deletion is known. Returns what was there before."""
        ref, uid = ref_of(kind, obj), obj["metadata"]["uid"]
        before = self._objects.get(ref)
        if _version(obj) <= self._deleted.get(uid, 0):
            return before
        if before is not None and _same(before, obj) and _version(before) > _version(obj):
            return before
        self._forget(ref)
        kept = {key: value for key, value in obj["metadata"].items() if key != "managedFields"}
        self._objects[ref] = {**obj, "metadata": kept}
        self._counts[ref.kind] += 1
        for owner in concerned_by(obj):
            self._children[owner].add(ref)
        return before

    def drop(self, kind: Kind, obj: Object) -> None:
        """Forget an object that was deleted, unless another was made under its name since."""
        self._deleted[obj["metadata"]["uid"]] = _version(obj)
        if len(self._deleted) > _REMEMBERED_DELETIONS:
            self._deleted.popitem(last=False)
        ref = ref_of(kind, obj)
        known = self._objects.get(ref)
        if known is not None and _same(known, obj):
            self._forget(ref)

    def replace(self, kind: Kind, namespace: str | None, objects: Iterable[Object], version: str) -> set[Ref]:
        """Take in a full list made at `version`, which heals what a watch missed. Returns owners of what is gone."""
        listed = set()
        concerned: set[Ref] = set()
        for obj in objects:
            listed.add(ref_of(kind, obj))
            self.put(kind, obj)
        for ref in self.refs(kind):
            known = self._objects[ref]
            if ref in listed or namespace not in (None, ref.namespace) or _version(known) > int(version):
                continue
            concerned |= concerned_by(known) or {ref}
            self.drop(kind, known)
        return concerned

    def _forget(self, ref: Ref) -> None:
        known = self._objects.pop(ref, None)
        self._counts[ref.kind] -= known is not None
        for owner in concerned_by(known) if known is not None else ():
            self._children[owner].discard(ref)
            if not self._children[owner]:
                del self._children[owner]


def concerned_by(obj: Object) -> set[Ref]:
    """The resource or the pools that have to look when this object changes."""
    if obj["kind"] == "Monitor":
        return pools_of(obj)
    owner = owner_of(obj)
    return set() if owner is None else {owner}


def _same(one: Object, other: Object) -> bool:
    return bool(one["metadata"]["uid"] == other["metadata"]["uid"])


def _version(obj: Object) -> int:
    """resourceVersion; the API guarantees since Kubernetes 1.35 what always held: it is a number that grows."""
    return int(obj["metadata"]["resourceVersion"])
