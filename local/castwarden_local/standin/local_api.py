# SPDX-License-Identifier: Apache-2.0
"""The in-process side of the stand-in: `interface.Api` on top of the same `Objects` that HTTP uses."""

from collections.abc import AsyncIterator
from functools import partial
from typing import Any

from castwarden_local.standin.apply.patch import json_patch, merge_patch, strategic_patch
from castwarden_local.standin.builtin.pods import bound
from castwarden_local.standin.errors import Conflict, Subject
from castwarden_local.standin.interface import GVR, PODS, Object, ObjectList, PatchType, Propagation, WatchEvent
from castwarden_local.standin.json_values import copy_json
from castwarden_local.standin.resources import Resource
from castwarden_local.standin.storage.selectors import Selector, parse_fields, parse_labels
from castwarden_local.standin.storage.watching import Scope, follow
from castwarden_local.standin.writing.admission import WriteOptions
from castwarden_local.standin.writing.deletion import DeleteOptions
from castwarden_local.standin.writing.objects import Edit, Objects

DEFAULT_MANAGER = "castwarden-standin"


class LocalApi:
    """See `interface.Api`."""

    def __init__(self, objects: Objects) -> None:
        self._objects = objects
        self._store = objects.store

    async def get(self, gvr: GVR, name: str, namespace: str = "") -> Object:
        resource = self._find(gvr)
        record = self._store.get(resource.key(namespace, name))
        if record is None:
            raise resource.not_found(name)
        return resource.load(record)

    async def list(
        self, gvr: GVR, namespace: str = "", *, label_selector: str = "", field_selector: str = ""
    ) -> ObjectList:
        resource = self._find(gvr)
        scope = _scope(resource, namespace, label_selector, field_selector)
        records = scope.list(self._store)
        return ObjectList([resource.load(record) for record in records], str(self._store.revision))

    async def watch(
        self,
        gvr: GVR,
        namespace: str = "",
        *,
        resource_version: str = "",
        label_selector: str = "",
        field_selector: str = "",
    ) -> AsyncIterator[WatchEvent]:
        resource = self._find(gvr)
        scope = _scope(resource, namespace, label_selector, field_selector)
        after = int(resource_version) if resource_version else None
        async for kind, record in follow(self._store, scope, after):
            yield WatchEvent(kind, resource.load(record))

    async def create(self, gvr: GVR, obj: Object, namespace: str = "", *, manager: str = "") -> Object:
        resource = self._find(gvr)
        obj = copy_json(obj)
        where = namespace or _namespace_of(obj)
        return (await self._objects.create(resource, obj, where, _options(manager))).object

    async def update(self, gvr: GVR, obj: Object, *, manager: str = "", subresource: str = "") -> Object:
        resource = self._find(gvr)
        replacement = copy_json(obj)
        where, name = _namespace_of(obj), obj["metadata"]["name"]
        options = _options(manager, subresource)
        return (await self._objects.update(resource, where, name, lambda _: replacement, options)).object

    async def update_status(self, gvr: GVR, obj: Object, *, manager: str = "") -> Object:
        return await self.update(gvr, obj, manager=manager, subresource="status")

    async def patch(
        self,
        gvr: GVR,
        name: str,
        patch: Any,
        namespace: str = "",
        *,
        kind: PatchType = "merge",
        subresource: str = "",
        manager: str = "",
    ) -> Object:
        resource = self._find(gvr)
        edit = editor(resource, kind, copy_json(patch))
        return (await self._objects.update(resource, namespace, name, edit, _options(manager, subresource))).object

    async def apply(self, gvr: GVR, obj: Object, *, manager: str, force: bool = False, subresource: str = "") -> Object:
        resource = self._find(gvr)
        config = {"apiVersion": resource.api_version, "kind": resource.kind} | copy_json(obj)
        where, name = _namespace_of(obj), obj["metadata"]["name"]
        options = _options(manager, subresource)
        return (await self._objects.apply(resource, where, name, config, options, force=force)).object

    async def delete(
        self,
        gvr: GVR,
        name: str,
        namespace: str = "",
        *,
        uid: str = "",
        grace_seconds: int | None = None,
        propagation: Propagation | None = None,
    ) -> Object:
        options = DeleteOptions(grace_seconds, propagation, uid)
        return (await self._objects.delete(self._find(gvr), namespace, name, options)).object

    async def bind(self, namespace: str, name: str, node: str) -> Object:
        def assign(pod: Object) -> Object:
            if pod["spec"].get("nodeName"):
                detail = f'pod {name} is already assigned to node "{pod["spec"]["nodeName"]}"'
                text = f'Operation cannot be fulfilled on pods/binding "{name}": {detail}'
                raise Conflict(text, Subject(name=name, kind="pods/binding"))
            return bound(pod, node)

        return await self._objects.rewrite(self._find(PODS), namespace, name, assign)

    def _find(self, gvr: GVR) -> Resource:
        return self._objects.registry.find(gvr)


def editor(resource: Resource, kind: PatchType, patch: Any) -> Edit:
    """What a patch does to an object, as a function for `Objects.update`."""
    if kind == "json":
        return partial(_swapped, json_patch, patch)
    if kind == "merge":
        return partial(_swapped, merge_patch, patch)
    return lambda obj: strategic_patch(resource.schema, obj, patch)


def _swapped(function: Any, patch: Any, obj: Object) -> Any:
    return function(obj, patch)


def _namespace_of(obj: Object) -> str:
    return str((obj.get("metadata") or {}).get("namespace") or "")


def _options(manager: str, subresource: str = "") -> WriteOptions:
    return WriteOptions(manager or DEFAULT_MANAGER, subresource, validation="Strict")


def _scope(resource: Resource, namespace: str, labels: str, fields: str) -> Scope:
    selector = Selector(parse_labels(labels), parse_fields(fields, resource.field_paths))
    return Scope(resource.storage, namespace, selector)
