# SPDX-License-Identifier: Apache-2.0
"""What a resource is: its names, its schema, how kubectl shows it, and the strategy that knows its kind's rules."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from castwarden_local.standin.errors import Cause, NotFound, Subject
from castwarden_local.standin.interface import GVR, Object, Propagation
from castwarden_local.standin.json_values import dig, dump
from castwarden_local.standin.storage.records import Key, Record
from castwarden_local.standin.validation.schema import ANYTHING, Schema

ALL_VERBS = ("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch")
META_FIELDS = ("metadata.name", "metadata.namespace")


class Strategy:
    """The rules of one kind. This one has none; kinds override what they need."""

    label_name = False
    """Whether names are single DNS labels instead of subdomains."""
    has_generation = False
    """Whether `metadata.generation` counts the changes of everything but metadata and status."""
    returns_deleted = False
    """Whether a delete that removes at once answers with the object instead of a Status."""
    unconditional_update = True
    """Whether an update may leave the resourceVersion out."""
    default_propagation: Propagation = "Background"
    field_paths: tuple[str, ...] = ()
    """What field selectors may ask for besides name and namespace."""

    def default(self, obj: Object) -> None:
        """Fills in what the server defaults."""

    def prepare_create(self, obj: Object) -> None:
        """Sets what clients may not choose."""

    def prepare_update(self, new: Object, old: Object) -> None:
        """Keeps what an update may not change without being told so."""

    def prepare_delete(self, obj: Object) -> None:
        """What happens to an object that is marked for deletion."""

    def check(self, obj: Object) -> list[Cause]:
        """What the schema cannot say."""
        return []

    def check_update(self, new: Object, old: Object) -> list[Cause]:
        """What may not change."""
        return []

    def service_account(self, obj: Object) -> str:
        """The ServiceAccount that must exist for the object to be created."""
        return ""

    def grace_seconds(self, obj: Object, requested: int | None) -> int:
        """How long a delete waits for whoever runs the object."""
        return 0

    def fields(self, obj: Object) -> dict[str, str]:
        """The values that field selectors compare with."""
        found = {"metadata.name": obj["metadata"]["name"], "metadata.namespace": obj["metadata"].get("namespace", "")}
        return found | {path: str(dig(obj, *path.split(".")) or "") for path in self.field_paths}


class CustomStrategy(Strategy):
    """Custom resources: everything is in their schema."""

    has_generation = True
    unconditional_update = False


@dataclass(frozen=True, slots=True)
class Column:
    """A column of `kubectl get`. A priority above 0 shows only with `-o wide`."""

    name: str
    type: str
    path: str = ""
    priority: int = 0
    format: str = ""
    description: str = ""


@dataclass(frozen=True, slots=True)
class Resource:
    """One resource in one version."""

    gvr: GVR
    kind: str
    singular: str
    namespaced: bool
    schema: Schema = ANYTHING
    raw_schema: Mapping[str, Any] = field(default_factory=dict)
    strategy: Strategy = field(default_factory=Strategy)
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    verbs: tuple[str, ...] = ALL_VERBS
    has_status: bool = False
    columns: tuple[Column, ...] = ()
    storage_version: str = ""
    custom: bool = False
    list_kind: str = ""

    @property
    def api_version(self) -> str:
        return f"{self.gvr.group}/{self.gvr.version}" if self.gvr.group else self.gvr.version

    @property
    def storage(self) -> str:
        """The resource's name in the store: `plural.group`."""
        return f"{self.gvr.plural}.{self.gvr.group}" if self.gvr.group else self.gvr.plural

    @property
    def storage_api_version(self) -> str:
        version = self.storage_version or self.gvr.version
        return f"{self.gvr.group}/{version}" if self.gvr.group else version

    @property
    def field_paths(self) -> frozenset[str]:
        return frozenset((*META_FIELDS, *self.strategy.field_paths))

    def key(self, namespace: str, name: str) -> Key:
        return Key(self.storage, namespace if self.namespaced else "", name)

    def subject(self, name: str = "") -> Subject:
        """Whom an error other than Invalid is about."""
        return Subject(name=name, group=self.gvr.group, kind=self.gvr.plural)

    def kind_subject(self, name: str = "") -> Subject:
        """Whom an Invalid is about."""
        return Subject(name=name, group=self.gvr.group, kind=self.kind)

    def not_found(self, name: str) -> NotFound:
        return NotFound(f'{self.storage} "{name}" not found', self.subject(name))

    def to_storage(self, obj: Object) -> Object:
        """The object as the store keeps it; may share parts with `obj`."""
        return obj | {"apiVersion": self.storage_api_version}

    def from_storage(self, obj: Object) -> Object:
        """The reverse of `to_storage`."""
        return obj | {"apiVersion": self.api_version, "kind": self.kind}

    def load(self, record: Record) -> Object:
        """A record in this version; the caller's own copy."""
        return self.from_storage(record.load())

    def encode(self, record: Record) -> bytes:
        """A record in this version as JSON."""
        return record.raw if self.api_version == self.storage_api_version else dump(self.load(record))


class Registry:
    """All resources that are served, by group, version and plural."""

    def __init__(self, resources: Iterable[Resource]) -> None:
        self._by_gvr = {resource.gvr: resource for resource in resources}
        self.revision = 1
        """Grows with every change, for what is cached about the whole."""

    def find(self, gvr: GVR) -> Resource:
        """Raises NotFound in the words of the API server."""
        resource = self._by_gvr.get(gvr)
        if resource is None:
            raise NotFound("the server could not find the requested resource")
        return resource

    def of_kind(self, api_version: str, kind: str) -> Resource | None:
        for resource in self._by_gvr.values():
            if resource.kind == kind and resource.api_version == api_version:
                return resource
        return None

    def of_storage(self, storage: str) -> Resource | None:
        """Any version of a stored resource, the storage version if it is served."""
        found = [each for each in self._by_gvr.values() if each.storage == storage]
        found.sort(key=lambda each: each.api_version != each.storage_api_version)
        return found[0] if found else None

    def all(self) -> list[Resource]:
        return list(self._by_gvr.values())

    def replace(self, storage: str, resources: Iterable[Resource]) -> None:
        """Serves `resources` as all versions of `storage`; none of them ends it."""
        kept = {gvr: each for gvr, each in self._by_gvr.items() if each.storage != storage}
        self._by_gvr = kept | {resource.gvr: resource for resource in resources}
        self.revision += 1
