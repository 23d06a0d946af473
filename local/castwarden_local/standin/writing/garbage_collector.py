# SPDX-License-Identifier: Apache-2.0
"""Garbage collection by owner references, emptying of namespaces and definitions that go, expiry of old Events.

Works from the store's changes; whatever it could not finish it looks at again after a while.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from datetime import UTC, datetime, timedelta

from castwarden_base.logs import get_logger

from castwarden_local.standin.builtin.crds import CLEANUP
from castwarden_local.standin.errors import ApiError, NotFound
from castwarden_local.standin.interface import (
    CUSTOM_RESOURCE_DEFINITIONS,
    EVENTS,
    NAMESPACES,
    SERVICE_ACCOUNTS,
    Object,
    Propagation,
)
from castwarden_local.standin.json_values import parse_time
from castwarden_local.standin.resources import Resource
from castwarden_local.standin.storage.records import Change, Key, Record
from castwarden_local.standin.writing.deletion import FOREGROUND, ORPHAN, DeleteOptions
from castwarden_local.standin.writing.objects import Objects

log = get_logger(__name__)
RETRY_SECONDS = 1.0
EVENT_LIFETIME = timedelta(hours=1)
_SWEEP_SECONDS = 60.0
_NAMESPACES = NAMESPACES.plural
_DEFINITIONS = f"{CUSTOM_RESOURCE_DEFINITIONS.plural}.{CUSTOM_RESOURCE_DEFINITIONS.group}"


class Collector:
    """`await run()` as a task. `absorb` takes changes as the store publishes them."""

    def __init__(self, objects: Objects) -> None:
        self._objects = objects
        self._store = objects.store
        self._keys: dict[Key, None] = {}
        self._orphans: dict[str, None] = {}
        self._work = asyncio.Event()

    def absorb(self, change: Change) -> None:
        """Called for every committed change; only remembers what to look at."""
        record = change.record
        if change.type == "DELETED":
            self._orphans[record.uid] = None
            if record.key.namespace:
                self._keys[Key(_NAMESPACES, "", record.key.namespace)] = None
            for resource in self._objects.registry.all():
                if resource.custom and resource.storage == record.key.resource:
                    self._keys[Key(_DEFINITIONS, "", record.key.resource)] = None
            for owner in record.owners:
                self._look_at_uid(owner)
        elif change.type == "MODIFIED" or record.owners or record.key.resource == _NAMESPACES:
            self._keys[record.key] = None
        self._work.set()

    async def run(self) -> None:
        for resource in {each.storage for each in self._objects.registry.all()}:
            for record in self._store.records(resource):
                self._keys[record.key] = None
        self._work.set()
        await asyncio.gather(self._collect(), self._sweep())

    async def _collect(self) -> None:
        while True:
            await self._work.wait()
            self._work.clear()
            keys, self._keys = self._keys, {}
            orphans, self._orphans = self._orphans, {}
            for uid in orphans:
                for record in self._store.dependents(uid):
                    await self._guarded(record.key, self._examine)
            for key in keys:
                await self._guarded(key, self._examine)

    async def _guarded(self, key: Key, step: Callable[[Key], Awaitable[None]]) -> None:
        """A refusal of one object must not keep the others waiting; it is tried again."""
        try:
            await step(key)
        except NotFound:
            return
        except ApiError as error:
            log.warning("collect_failed", resource=key.resource, object=key.name, error=error.message)
            asyncio.get_running_loop().call_later(RETRY_SECONDS, self._again, key)

    def _again(self, key: Key) -> None:
        self._keys[key] = None
        self._work.set()

    async def _examine(self, key: Key) -> None:
        record = self._store.get(key)
        resource = self._objects.registry.of_storage(key.resource)
        if record is None or resource is None:
            return
        obj = resource.load(record)
        if key.resource == _NAMESPACES and not obj["metadata"].get("deletionTimestamp"):
            await self._furnish(key.name)
        if obj["metadata"].get("deletionTimestamp"):
            await self._help_leaving(resource, record, obj)
        elif record.owners:
            await self._check_owners(resource, record, obj)

    # owners

    async def _check_owners(self, resource: Resource, record: Record, obj: Object) -> None:
        """Deletes what no owner is left of; drops references to owners that are gone beside ones that are not."""
        references = obj["metadata"].get("ownerReferences") or []
        gone = [each for each in references if self._is_gone(each, record.key.namespace)]
        if not gone:
            return
        if len(gone) == len(references):
            await self._delete(resource, record, "Background")
            return
        await self._drop_references(resource, record, {each["uid"] for each in gone})

    def _is_gone(self, reference: Object, namespace: str) -> bool:
        """Owners of kinds that are not served here are believed to exist."""
        resource = self._objects.registry.of_kind(reference["apiVersion"], reference["kind"])
        if resource is None:
            return False
        record = self._store.latest(resource.key(namespace, reference["name"]))
        return record is None or record.uid != reference["uid"]

    async def _drop_references(self, resource: Resource, record: Record, uids: Iterable[str]) -> None:
        dropped = set(uids)

        def edit(obj: Object) -> Object:
            kept = [each for each in obj["metadata"].get("ownerReferences") or [] if each["uid"] not in dropped]
            meta = {key: value for key, value in obj["metadata"].items() if key != "ownerReferences"}
            return obj | {"metadata": meta | ({"ownerReferences": kept} if kept else {})}

        await self._objects.rewrite(resource, record.key.namespace, record.key.name, edit)

    # leaving

    async def _help_leaving(self, resource: Resource, record: Record, obj: Object) -> None:
        finalizers = obj["metadata"].get("finalizers") or []
        if ORPHAN in finalizers:
            for dependent in self._store.dependents(record.uid):
                kind = self._objects.registry.of_storage(dependent.key.resource)
                if kind is not None:
                    await self._drop_references(kind, dependent, [record.uid])
            await self._release(resource, record, ORPHAN)
        elif FOREGROUND in finalizers and not await self._dependents_leave(record):
            await self._release(resource, record, FOREGROUND)
        if record.key.resource == _NAMESPACES and not await self._contents_leave(record.key.name):
            await self._objects.rewrite(resource, "", record.key.name, lambda each: each | {"spec": {}})
        if record.key.resource == _DEFINITIONS and CLEANUP in finalizers and not await self._instances_leave(record):
            await self._release(resource, record, CLEANUP)

    async def _dependents_leave(self, record: Record) -> bool:
        """Deletes the dependents; whether some that block their owner are still there."""
        blocking = False
        for dependent in self._store.dependents(record.uid):
            kind = self._objects.registry.of_storage(dependent.key.resource)
            if kind is None:
                continue
            obj = kind.load(dependent)
            references = obj["metadata"].get("ownerReferences") or []
            blocking |= any(each["uid"] == record.uid and each.get("blockOwnerDeletion") for each in references)
            if not obj["metadata"].get("deletionTimestamp"):
                await self._delete(kind, dependent, "Foreground")
        still = {dependent.key for dependent in self._store.dependents(record.uid)}
        return blocking and bool(still)

    async def _contents_leave(self, namespace: str) -> bool:
        await self._delete_all(sorted(self._store.namespaced(namespace), key=lambda each: each.key))
        return any(True for _ in self._store.namespaced(namespace))

    async def _instances_leave(self, definition: Record) -> bool:
        storage = definition.key.name
        await self._delete_all(self._store.records(storage))
        return bool(self._store.records(storage))

    async def _delete_all(self, records: Iterable[Record]) -> None:
        """All at once, so that they are committed together."""
        deletions = []
        for record in records:
            resource = self._objects.registry.of_storage(record.key.resource)
            if resource is not None and not record.load()["metadata"].get("deletionTimestamp"):
                deletions.append(self._delete(resource, record, "Background"))
        await asyncio.gather(*deletions)

    async def _delete(self, resource: Resource, record: Record, propagation: Propagation) -> None:
        options = DeleteOptions(propagation=propagation, uid=record.uid)
        try:
            await self._objects.delete(resource, record.key.namespace, record.key.name, options)
        except NotFound:
            return

    async def _release(self, resource: Resource, record: Record, finalizer: str) -> None:
        def edit(obj: Object) -> Object:
            kept = [each for each in obj["metadata"].get("finalizers") or [] if each != finalizer]
            return obj | {"metadata": obj["metadata"] | {"finalizers": kept}}

        await self._objects.rewrite(resource, record.key.namespace, record.key.name, edit)

    # the rest

    async def _furnish(self, namespace: str) -> None:
        """Every namespace has a ServiceAccount named `default`."""
        resource = self._objects.registry.find(SERVICE_ACCOUNTS)
        if self._store.latest(resource.key(namespace, "default")) is None:
            await self._objects.make(resource, {"metadata": {"name": "default", "namespace": namespace}})

    def _look_at_uid(self, uid: str) -> None:
        key = self._store.key_of(uid)
        if key is not None:
            self._keys[key] = None

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(_SWEEP_SECONDS)
            await self.expire()

    async def expire(self) -> None:
        """Deletes Events that nobody repeated for an hour."""
        resource = self._objects.registry.find(EVENTS)
        edge = datetime.now(UTC) - EVENT_LIFETIME
        for record in self._store.records(resource.storage):
            obj = record.load()
            latest = obj.get("lastTimestamp") or obj["metadata"]["creationTimestamp"]
            if parse_time(latest) < edge:
                await self._delete(resource, record, "Background")
