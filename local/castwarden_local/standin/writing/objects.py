# SPDX-License-Identifier: Apache-2.0
"""Every write to the store, with the rules of the Kubernetes API: create, update, patch, apply, delete.

Between reading the latest state of an object and staging the new one nothing is awaited, so writes never race.
"""

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any
from uuid import uuid4

from castwarden_local.standin.apply import managers
from castwarden_local.standin.apply.managers import Manager, Owners
from castwarden_local.standin.apply.structure import structural_problem
from castwarden_local.standin.errors import (
    AlreadyExists,
    BadRequest,
    Cause,
    Conflict,
    Forbidden,
    InternalError,
    NotFound,
    Subject,
    Timeout,
)
from castwarden_local.standin.interface import NAMESPACES, SERVICE_ACCOUNTS, Object
from castwarden_local.standin.json_values import copy_json, dig, timestamp
from castwarden_local.standin.resources import Registry, Resource
from castwarden_local.standin.storage.records import Key, Record
from castwarden_local.standin.storage.store import Store
from castwarden_local.standin.validation.schema_checks import invalid
from castwarden_local.standin.writing.admission import WriteOptions, adopt, complete, decode, refusal, validate
from castwarden_local.standin.writing.deletion import DeleteOptions, delete_steps, finished
from castwarden_local.standin.writing.written_parts import applied_part, counted_part, written_part

COMMIT_SECONDS = 30.0
_SUFFIX_ALPHABET = "bcdfghjklmnpqrstvwxz2456789"
_SUFFIX_LENGTH = 5
_PREFIX_LIMIT = 58
_SYSTEM_META = ("uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds", "generation", "selfLink")
Edit = Callable[[Object], Any]


@dataclass(frozen=True, slots=True)
class Written:
    """The outcome of a write: the object in the version of the request, and warnings for the client."""

    object: Object
    created: bool = False
    warnings: tuple[str, ...] = ()


class Objects:
    """The write side of the API. Reads go to the store."""

    def __init__(self, store: Store, registry: Registry) -> None:
        self.store = store
        self.registry = registry

    async def create(self, resource: Resource, obj: Object, namespace: str, options: WriteOptions) -> Written:
        """Raises AlreadyExists, Invalid, BadRequest, NotFound, Forbidden."""
        adopt(resource, obj, namespace)
        if obj["metadata"].get("resourceVersion"):
            raise InternalError("resourceVersion should not be set on objects to be created")
        warnings = decode(resource, obj, options)
        return await self._create(resource, obj, namespace, options, warnings, owners=None)

    async def update(
        self, resource: Resource, namespace: str, name: str, edit: Edit, options: WriteOptions, *, put: bool = False
    ) -> Written:
        """Stores what `edit` makes of a copy of the present object. Raises NotFound, Conflict, Invalid, BadRequest."""
        record = self._existing(resource, namespace, name)
        old = resource.load(record)
        new = edit(copy_json(old))
        if not isinstance(new, dict):
            raise BadRequest("the object must be a JSON object")
        adopt(resource, new, namespace)
        self._check_identity(resource, new, old, put=put)
        warnings = decode(resource, new, options)
        complete(resource, new)
        new = written_part(resource, new, old, options.subresource)
        owners = self._owners(new, old)
        owners = managers.after_update(resource.schema, owners, _manager(resource, options, "Update"), old, new)
        return await self._replace(resource, old, new, owners, options, warnings)

    async def apply(
        self, resource: Resource, namespace: str, name: str, config: Object, options: WriteOptions, *, force: bool
    ) -> Written:
        """Server-side apply. Raises Conflict, Invalid, BadRequest, NotFound."""
        record = self.store.latest(resource.key(namespace, name))
        if record is None and options.subresource:
            raise resource.not_found(name)
        self._check_config(resource, config, namespace, name)
        manager = _manager(resource, options, "Apply")
        config = applied_part(resource, config, options.subresource)
        if record is None:
            if config["metadata"].get("uid"):
                detail = f"uid mismatch: the provided object specified uid {config['metadata']['uid']}"
                raise _conflict(resource, name, f"{detail}, and no existing object was found")
            _, owners = managers.apply(resource.schema, {}, manager, {}, config, force=force)
            return await self._create(resource, config, namespace, options, [], owners)
        old = resource.load(record)
        self._check_identity(resource, config, old, put=False)
        owners = managers.read_owners(old["metadata"].get("managedFields"))
        new, owners = managers.apply(resource.schema, owners, manager, old, config, force=force)
        new = copy_json(new)
        decode(resource, new, replace(options, validation="Ignore"))
        complete(resource, new)
        new = written_part(resource, new, old, options.subresource)
        return await self._replace(resource, old, new, owners, options, [])

    async def delete(self, resource: Resource, namespace: str, name: str, options: DeleteOptions) -> Written:
        """The last state, or the state that waits for finalizers or a grace period. Raises NotFound, Conflict."""
        record = self._existing(resource, namespace, name)
        old = resource.load(record)
        options.check(resource, old)
        new = delete_steps(resource, copy_json(old), options)
        if new is None:
            return Written(await self._commit(resource, record.key, None, old, options.dry_run), created=True)
        if new == old:
            return Written(old)
        return Written(await self._commit(resource, record.key, new, old, options.dry_run))

    async def make(self, resource: Resource, obj: Object) -> Object:
        """A create by the stand-in itself, which manages no fields."""
        adopt(resource, obj, obj["metadata"].get("namespace", ""))
        options = WriteOptions()
        return (await self._create(resource, obj, obj["metadata"].get("namespace", ""), options, [], {})).object

    async def rewrite(self, resource: Resource, namespace: str, name: str, edit: Callable[[Object], Object]) -> Object:
        """An update by the stand-in itself: past strategies and checks, without a manager. Raises NotFound."""
        record = self._existing(resource, namespace, name)
        old = resource.load(record)
        new = edit(copy_json(old))
        if new == old:
            return old
        return await self._commit(resource, record.key, None if finished(resource, new) else new, new, dry_run=False)

    async def _create(
        self,
        resource: Resource,
        obj: Object,
        namespace: str,
        options: WriteOptions,
        warnings: list[str],
        owners: Owners | None,
    ) -> Written:
        meta = obj["metadata"]
        if not meta.get("name") and meta.get("generateName"):
            meta["name"] = self._generated_name(resource, namespace, meta["generateName"])
        complete(resource, obj)
        if resource.has_status:
            obj.pop("status", None)
        if owners is None:
            manager = _manager(resource, options, "Update")
            empty: Object = {"metadata": {}}
            owners = managers.after_update(resource.schema, {}, manager, empty, obj)
        for field in _SYSTEM_META:
            meta.pop(field, None)
        meta |= {"uid": str(uuid4()), "creationTimestamp": timestamp()}
        if resource.strategy.has_generation:
            meta["generation"] = 1
        resource.strategy.prepare_create(obj)
        self._check_place(resource, meta.get("name", ""), namespace)
        validate(resource, obj, None)
        self._check_service_account(resource, obj, namespace)
        key = resource.key(namespace, meta["name"])
        if self.store.latest(key) is not None:
            text = f'{resource.storage} "{meta["name"]}" already exists'
            raise AlreadyExists(text, resource.subject(meta["name"]))
        if owners:
            meta["managedFields"] = managers.write_owners(owners)
        written = await self._commit(resource, key, obj, obj, options.dry_run)
        return Written(written, created=True, warnings=tuple(warnings))

    async def _replace(
        self, resource: Resource, old: Object, new: Object, owners: Owners, options: WriteOptions, warnings: list[str]
    ) -> Written:
        meta = new["metadata"]
        for field in (*_SYSTEM_META, "resourceVersion", "name", "namespace"):
            meta.pop(field, None)
            if field in old["metadata"]:
                meta[field] = old["metadata"][field]
        if owners or "managedFields" in old["metadata"]:
            meta["managedFields"] = managers.write_owners(owners)
        if not options.subresource:
            resource.strategy.prepare_update(new, old)
            if resource.strategy.has_generation and counted_part(resource, new) != counted_part(resource, old):
                meta["generation"] = meta.get("generation", 0) + 1
        validate(resource, new, old)
        key = resource.key(meta.get("namespace", ""), meta["name"])
        if finished(resource, new) and not finished(resource, old):
            return Written(await self._commit(resource, key, None, new, options.dry_run), warnings=tuple(warnings))
        if new == old:
            return Written(old, warnings=tuple(warnings))
        return Written(await self._commit(resource, key, new, old, options.dry_run), warnings=tuple(warnings))

    async def _commit(self, resource: Resource, key: Key, obj: Object | None, last: Object, dry_run: bool) -> Object:
        if dry_run:
            return last if obj is None else obj
        done = self.store.stage(key, None if obj is None else resource.to_storage(obj))
        try:
            async with asyncio.timeout(COMMIT_SECONDS):
                record = await asyncio.shield(done)
        except TimeoutError:
            raise Timeout("request did not complete within the allowed duration") from None
        return last if obj is None else resource.load(record)

    # what every write asks

    def _existing(self, resource: Resource, namespace: str, name: str) -> Record:
        record = self.store.latest(resource.key(namespace, name))
        if record is None:
            raise resource.not_found(name)
        return record

    def _check_identity(self, resource: Resource, new: Object, old: Object, *, put: bool) -> None:
        meta, before = new["metadata"], old["metadata"]
        name = before["name"]
        if meta.setdefault("name", name) != name:
            raise BadRequest(f"the name of the object ({meta['name']}) does not match the name on the URL ({name})")
        if meta.get("uid") and meta["uid"] != before["uid"]:
            detail = f"Precondition failed: UID in precondition: {meta['uid']}, UID in object meta: {before['uid']}"
            raise _conflict(resource, name, detail)
        version = meta.get("resourceVersion")
        if version and version != before["resourceVersion"]:
            detail = "the object has been modified; please apply your changes to the latest version and try again"
            raise _conflict(resource, name, detail)
        if put and not version and not resource.strategy.unconditional_update:
            cause = invalid("metadata.resourceVersion", 0, "must be specified for an update")
            raise refusal(resource, name, [cause], resource.subject(name))

    def _check_place(self, resource: Resource, name: str, namespace: str) -> None:
        if not resource.namespaced:
            return
        record = self.store.latest(self.registry.find(NAMESPACES).key("", namespace))
        if record is None:
            raise NotFound(f'namespaces "{namespace}" not found', Subject(name=namespace, kind="namespaces"))
        if record.load()["metadata"].get("deletionTimestamp"):
            detail = f"unable to create new content in namespace {namespace} because it is being terminated"
            cause = Cause("metadata.namespace", f"namespace {namespace} is being terminated", "NamespaceTerminating")
            raise Forbidden(f'{resource.storage} "{name}" is forbidden: {detail}', resource.subject(name), [cause])

    def _check_service_account(self, resource: Resource, obj: Object, namespace: str) -> None:
        account = resource.strategy.service_account(obj)
        if account and self.store.latest(self.registry.find(SERVICE_ACCOUNTS).key(namespace, account)) is None:
            name = obj["metadata"]["name"]
            detail = f'error looking up service account {namespace}/{account}: serviceaccount "{account}" not found'
            raise Forbidden(f'{resource.storage} "{name}" is forbidden: {detail}', resource.subject(name))

    def _check_config(self, resource: Resource, config: Object, namespace: str, name: str) -> None:
        version, kind = config.get("apiVersion", ""), config.get("kind", "")
        if (version, kind) != (resource.api_version, resource.kind):
            raise BadRequest(f"invalid object type: {version or '/'}, Kind={kind}")
        named = dig(config, "metadata", "namespace") or ""
        adopt(resource, config, namespace)
        meta = config["metadata"]
        if "managedFields" in meta:
            raise BadRequest("metadata.managedFields must be nil")
        if not meta.get("name"):
            raise BadRequest(f"the name of the object ({name} based on URL) was undeterminable: name must be provided")
        if meta["name"] != name:
            raise BadRequest(f"the name of the object ({meta['name']}) does not match the name on the URL ({name})")
        problem = structural_problem(resource.schema, config)
        if problem:
            place = f"{named}/{name}; {resource.api_version}, Kind={resource.kind}"
            raise InternalError(f"failed to create typed patch object ({place}): {problem}")

    def _owners(self, new: Object, old: Object) -> Owners:
        """The owners an update starts from: `[{}]` clears them, leaving them out keeps them."""
        given = new["metadata"].get("managedFields") or old["metadata"].get("managedFields")
        try:
            return managers.read_owners(given)
        except ValueError:
            return managers.read_owners(old["metadata"].get("managedFields"))

    def _generated_name(self, resource: Resource, namespace: str, prefix: str) -> str:
        for _ in range(8):
            suffix = "".join(random.choices(_SUFFIX_ALPHABET, k=_SUFFIX_LENGTH))  # noqa: S311 - a name, no secret
            name = prefix[:_PREFIX_LIMIT] + suffix
            if self.store.latest(resource.key(namespace, name)) is None:
                break
        return name


def _manager(resource: Resource, options: WriteOptions, operation: str) -> Manager:
    return Manager(options.manager, operation, resource.api_version, options.subresource)


def _conflict(resource: Resource, name: str, detail: str) -> Conflict:
    text = f'Operation cannot be fulfilled on {resource.storage} "{name}": {detail}'
    return Conflict(text, resource.subject(name))
