# SPDX-License-Identifier: Apache-2.0
"""The verbs of the API over HTTP: takes requests apart, asks `Objects` or the store, answers in the client's shape."""

import asyncio
from dataclasses import dataclass
from typing import cast

from aiohttp import web

from castwarden_local.standin.errors import BadRequest, MethodNotAllowed, NotFound
from castwarden_local.standin.http.lists import read_list
from castwarden_local.standin.http.rendering import render_list, render_object
from castwarden_local.standin.http.requests import (
    APPLY_PATCH,
    JSON_PATCH,
    MERGE_PATCH,
    Place,
    Query,
    View,
    decode,
    decode_object,
    decode_patch,
    parse_path,
    parse_view,
)
from castwarden_local.standin.http.responses import answer, delete_body, media_type, removed
from castwarden_local.standin.http.reviews import ACCESS_REVIEWS, SUBRESOURCES, TOKEN_REVIEWS, Reviews
from castwarden_local.standin.http.streams import Watch, stream_logs, stream_watch
from castwarden_local.standin.interface import GVR, PODS, LogRequest, LogSource, Object, PatchType, Propagation
from castwarden_local.standin.json_values import dig
from castwarden_local.standin.local_api import LocalApi, editor
from castwarden_local.standin.resources import Resource
from castwarden_local.standin.storage.selectors import Selector, parse_fields, parse_labels
from castwarden_local.standin.storage.watching import Scope
from castwarden_local.standin.validation.schema_checks import unsupported
from castwarden_local.standin.writing.admission import WriteOptions, options_refusal
from castwarden_local.standin.writing.deletion import DeleteOptions
from castwarden_local.standin.writing.objects import Objects, Written

_POLICIES = ("Foreground", "Background", "Orphan")
_ON_NAMES = ("get", "update", "patch", "delete")
_PATCHES: dict[str, PatchType] = {JSON_PATCH: "json", MERGE_PATCH: "merge"}


@dataclass(frozen=True, slots=True)
class Call:
    """A request with everything about it worked out."""

    request: web.Request
    place: Place
    resource: Resource
    query: Query
    view: View

    @property
    def verb(self) -> str:
        method, named = self.request.method, bool(self.place.name)
        if method == "GET":
            return "get" if named else "list"
        if method == "DELETE":
            return "delete" if named else "deletecollection"
        return {"POST": "create", "PUT": "update", "PATCH": "patch"}.get(method, "")


class Handlers:
    """One instance per server."""

    def __init__(self, objects: Objects, api: LocalApi, reviews: Reviews) -> None:
        self._objects = objects
        self._store = objects.store
        self._api = api
        self._reviews = reviews
        self.log_source: LogSource | None = None

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Every path below `/api/v1` and `/apis/GROUP/VERSION`."""
        place = parse_path(request.path)
        query = Query(request.query)
        asked = await self._answer_question(request, place)
        if asked is not None:
            return answer(asked, status=201)
        resource = self._objects.registry.find(place.gvr)
        if resource.namespaced and not place.namespace and (place.name or request.method == "POST"):
            raise NotFound("the server could not find the requested resource")
        call = Call(request, place, resource, query, parse_view(request.headers.get("Accept", "")))
        if place.subresource:
            return await self._subresource(call)
        if call.verb not in resource.verbs or bool(place.name) != (call.verb in _ON_NAMES):
            raise MethodNotAllowed("the server does not allow this method on the requested resource")
        return await self._verb(call)

    async def _verb(self, call: Call) -> web.StreamResponse:
        if call.verb == "list":
            return await self._list(call)
        if call.verb == "get":
            return self._get(call)
        if call.verb == "create":
            return await self._create(call)
        if call.verb == "update":
            return await self._update(call, "")
        if call.verb == "patch":
            return await self._patch(call, "")
        return await (self._delete(call) if call.verb == "delete" else self._delete_collection(call))

    async def _subresource(self, call: Call) -> web.StreamResponse:
        name, method = call.place.subresource, call.request.method
        if name == "status" and call.resource.has_status:
            if method == "GET":
                return self._get(call)
            if method == "PUT":
                return await self._update(call, name)
            if method == "PATCH":
                return await self._patch(call, name)
        elif call.resource.gvr == PODS and name == "log" and method == "GET":
            return await self._logs(call)
        elif call.resource.gvr == PODS and name == "binding" and method == "POST":
            return await self._bind(call)
        else:
            raise NotFound("the server could not find the requested resource")
        raise MethodNotAllowed("the server does not allow this method on the requested resource")

    # reading

    def _get(self, call: Call) -> web.Response:
        record = self._store.get(call.resource.key(call.place.namespace, call.place.name))
        if record is None:
            raise call.resource.not_found(call.place.name)
        if call.view == "object":
            return answer(call.resource.encode(record))
        include = call.query.text("includeObject")
        return answer(render_object(call.resource, call.resource.load(record), call.view, include))

    async def _list(self, call: Call) -> web.StreamResponse:
        scope = self._scope(call)
        if call.query.flag("watch"):
            watch = Watch.of(call.resource, scope, call.query, call.view)
            return await stream_watch(call.request, self._store, watch)
        page = read_list(self._store, scope, call.query)
        include = call.query.text("includeObject")
        return answer(render_list(call.resource, page.records, page.meta, call.view, include))

    def _scope(self, call: Call) -> Scope:
        labels = parse_labels(call.query.text("labelSelector"))
        fields = parse_fields(call.query.text("fieldSelector"), call.resource.field_paths)
        return Scope(call.resource.storage, call.place.namespace, Selector(labels, fields))

    # writing

    async def _create(self, call: Call) -> web.Response:
        options = self._options(call, "CreateOptions", "")
        obj = decode_object(await call.request.read(), call.resource, media_type(call.request))
        return self._written(call, await self._objects.create(call.resource, obj, call.place.namespace, options))

    async def _update(self, call: Call, subresource: str) -> web.Response:
        options = self._options(call, "UpdateOptions", subresource)
        obj = decode_object(await call.request.read(), call.resource, media_type(call.request))
        where, name = call.place.namespace, call.place.name
        written = await self._objects.update(call.resource, where, name, lambda _: obj, options, put=True)
        return self._written(call, written)

    async def _patch(self, call: Call, subresource: str) -> web.Response:
        sent = media_type(call.request)
        patch = decode_patch(await call.request.read(), sent, call.resource)
        where, name = call.place.namespace, call.place.name
        if sent == APPLY_PATCH:
            options = self._options(call, "PatchOptions", subresource, applying=True)
            force = call.query.flag("force")
            applied = await self._objects.apply(call.resource, where, name, patch, options, force=force)
            return self._written(call, applied)
        options = self._options(call, "PatchOptions", subresource)
        edit = editor(call.resource, _PATCHES.get(sent, "strategic"), patch)
        return self._written(call, await self._objects.update(call.resource, where, name, edit, options))

    def _options(self, call: Call, kind: str, subresource: str, *, applying: bool = False) -> WriteOptions:
        agent = call.request.headers.get("User-Agent", "")
        return WriteOptions(
            manager=call.query.manager(kind, agent, applying=applying),
            subresource=subresource,
            validation=call.query.validation(kind),
            dry_run=call.query.dry_run(kind),
            patching=kind == "PatchOptions",
        )

    def _written(self, call: Call, written: Written) -> web.Response:
        body = render_object(call.resource, written.object, call.view, call.query.text("includeObject"))
        return answer(body, status=201 if written.created else 200, warnings=written.warnings)

    # deleting

    async def _delete(self, call: Call) -> web.Response:
        options = await self._delete_options(call)
        written = await self._objects.delete(call.resource, call.place.namespace, call.place.name, options)
        if written.created and not call.resource.strategy.returns_deleted:
            return answer(removed(call.resource, written.object))
        return self._written(call, Written(written.object))

    async def _delete_collection(self, call: Call) -> web.Response:
        options = await self._delete_options(call)
        page = read_list(self._store, self._scope(call), call.query)
        keys = [record.key for record in page.records]
        deletions = [self._objects.delete(call.resource, key.namespace, key.name, options) for key in keys]
        for outcome in await asyncio.gather(*deletions, return_exceptions=True):
            if isinstance(outcome, BaseException) and not isinstance(outcome, NotFound):
                raise outcome
        include = call.query.text("includeObject")
        return answer(render_list(call.resource, page.records, page.meta, call.view, include))

    async def _delete_options(self, call: Call) -> DeleteOptions:
        body = await delete_body(call.request)
        if not isinstance(body, dict):
            raise BadRequest("error decoding DeleteOptions: not an object")
        policy = call.query.text("propagationPolicy") or body.get("propagationPolicy")
        orphan = body.get("orphanDependents", call.query.flag("orphanDependents") or None)
        if policy is None and orphan is not None:
            policy = "Orphan" if orphan else "Background"
        if policy is not None and policy not in _POLICIES:
            raise options_refusal("DeleteOptions", [unsupported("propagationPolicy", policy, (*_POLICIES, "nil"))])
        grace = call.query.integer("gracePeriodSeconds")
        return DeleteOptions(
            grace_seconds=body.get("gracePeriodSeconds") if grace is None else grace,
            propagation=cast("Propagation | None", policy),
            uid=dig(body, "preconditions", "uid") or "",
            resource_version=dig(body, "preconditions", "resourceVersion") or "",
            dry_run=call.query.dry_run("DeleteOptions") or body.get("dryRun") == ["All"],
        )

    # subresources and questions

    async def _logs(self, call: Call) -> web.StreamResponse:
        pod = await self._api.get(PODS, call.place.name, call.place.namespace)
        names = [each["name"] for each in pod["spec"]["containers"]]
        container = call.query.text("container")
        if container and container not in names:
            raise BadRequest(f"container {container} is not valid for pod {call.place.name}")
        if not container and len(names) > 1:
            choose = f"a container name must be specified for pod {call.place.name}, choose one of: [{' '.join(names)}]"
            raise BadRequest(choose)
        if self.log_source is None:
            raise BadRequest(f'container "{container or names[0]}" in pod "{call.place.name}" is not running here')
        query = call.query
        wanted = LogRequest(
            namespace=call.place.namespace,
            pod=call.place.name,
            container=container or names[0],
            follow=query.flag("follow"),
            previous=query.flag("previous"),
            timestamps=query.flag("timestamps"),
            tail_lines=query.integer("tailLines"),
            since_seconds=query.integer("sinceSeconds"),
            limit_bytes=query.integer("limitBytes"),
        )
        return await stream_logs(call.request, self.log_source, wanted)

    async def _bind(self, call: Call) -> web.Response:
        body = decode(await call.request.read(), "error decoding Binding: ")
        node = dig(body, "target", "name")
        if not node:
            raise BadRequest("target.name is required in a Binding")
        await self._api.bind(call.place.namespace, call.place.name, str(node))
        done: Object = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201}
        return answer(done, status=201)

    async def _answer_question(self, request: web.Request, place: Place) -> Object | None:
        """The answer when the request is a question, None when it is about objects."""
        kind = SUBRESOURCES.get((place.gvr, place.subresource)) if place.subresource else _QUESTIONS.get(place.gvr)
        if kind is None:
            return None
        if request.method != "POST":
            raise MethodNotAllowed("the server does not allow this method on the requested resource")
        obj = decode_object(await request.read(), kind, media_type(request))
        if kind is TOKEN_REVIEWS:
            return await self._reviews.review_token(obj)
        if kind is ACCESS_REVIEWS:
            return await self._reviews.review_access(obj)
        return await self._reviews.request_token(obj, place.namespace, place.name)


_QUESTIONS: dict[GVR, Resource] = {kind.gvr: kind for kind in (TOKEN_REVIEWS, ACCESS_REVIEWS)}
