# SPDX-License-Identifier: Apache-2.0
"""OpenAPI v3, as far as kubectl reads it: schemas for `apply` and `explain`, and which parameters a patch takes."""

import hashlib
import json
from typing import Any

from castwarden_local.standin.http.discovery import VERSION
from castwarden_local.standin.http.requests import APPLY_PATCH, JSON_PATCH, MERGE_PATCH, STRATEGIC_PATCH
from castwarden_local.standin.resources import Registry, Resource

_INFO = {"title": "Castwarden stand-in", "version": VERSION}
_PARAMETERS = ("dryRun", "fieldManager", "fieldValidation", "force")
V2_MEDIA_TYPE = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"


def empty_v2() -> bytes:
    """An OpenAPI v2 document without schemas, in the encoding that kubectl reads: it asks before it applies a List.

    Message Document: 1 `swagger`, 2 `info` (1 `title`, 2 `version`).
    """
    info = _text(1, _INFO["title"]) + _text(2, _INFO["version"])
    return _text(1, "2.0") + bytes((0x12, len(info))) + info


def _text(number: int, text: str) -> bytes:
    """A protobuf field of less than 128 bytes."""
    return bytes((number << 3 | 2, len(text))) + text.encode()


class OpenApi:
    """Documents per group and version; kept until the registry changes."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._documents: dict[str, bytes] = {}
        self._revision = 0

    def index(self) -> dict[str, Any]:
        """`/openapi/v3`."""
        paths = {}
        for resource in self._registry.all():
            path = _path(resource)
            digest = hashlib.sha256(self.document(path) or b"").hexdigest().upper()
            paths[path] = {"serverRelativeURL": f"/openapi/v3/{path}?hash={digest}"}
        return {"paths": paths}

    def document(self, path: str) -> bytes | None:
        """`/openapi/v3/api/v1` and such; None when there is no such group and version."""
        if self._revision != self._registry.revision:
            self._documents, self._revision = {}, self._registry.revision
        if path not in self._documents:
            resources = [each for each in self._registry.all() if _path(each) == path]
            if not resources:
                return None
            self._documents[path] = json.dumps(_document(resources), separators=(",", ":")).encode()
        return self._documents[path]


def _path(resource: Resource) -> str:
    group, version, _ = resource.gvr
    return f"apis/{group}/{version}" if group else f"api/{version}"


def _document(resources: list[Resource]) -> dict[str, Any]:
    schemas: dict[str, Any] = {}
    paths: dict[str, Any] = {}
    for resource in resources:
        schemas[_schema_name(resource)] = _schema(resource)
        paths |= _paths(resource)
    return {"openapi": "3.0.0", "info": _INFO, "paths": paths, "components": {"schemas": schemas}}


def _schema_name(resource: Resource) -> str:
    """Group backwards, as Kubernetes does: `dev.castwarden.v1alpha1.Monitor`."""
    group = ".".join(reversed(resource.gvr.group.split("."))) if resource.gvr.group else "io.k8s.api.core"
    return f"{group}.{resource.gvr.version}.{resource.kind}"


def _kind(resource: Resource) -> dict[str, str]:
    return {"group": resource.gvr.group, "version": resource.gvr.version, "kind": resource.kind}


def _schema(resource: Resource) -> dict[str, Any]:
    published: dict[str, Any] = _published(resource.raw_schema)
    return published | {"x-kubernetes-group-version-kind": [_kind(resource)]}


def _published(raw: Any) -> Any:
    """A schema without what OpenAPI does not know."""
    if isinstance(raw, list):
        return [_published(item) for item in raw]
    if not isinstance(raw, dict):
        return raw
    published = {key: _published(value) for key, value in raw.items()}
    if raw.get("x-kubernetes-int-or-string") is True:
        published.pop("anyOf", None)
        published["oneOf"] = [{"type": "integer"}, {"type": "string"}]
    return published


def _paths(resource: Resource) -> dict[str, Any]:
    base = "/" + _path(resource) + ("/namespaces/{namespace}" if resource.namespaced else "")
    collection, single = f"{base}/{resource.gvr.plural}", f"{base}/{resource.gvr.plural}/{{name}}"
    body = {"$ref": f"#/components/schemas/{_schema_name(resource)}"}
    parameters = [{"name": name, "in": "query", "schema": {"type": "string"}} for name in _PARAMETERS]
    answer = {"200": {"description": "OK", "content": {"application/json": {"schema": body}}}}
    patches = [APPLY_PATCH, JSON_PATCH, MERGE_PATCH] + ([] if resource.custom else [STRATEGIC_PATCH])

    def operation(action: str, **more: Any) -> dict[str, Any]:
        about = {"x-kubernetes-action": action, "x-kubernetes-group-version-kind": _kind(resource)}
        return {"responses": answer} | about | more

    sent = {"content": {"application/json": {"schema": body}}}
    patched = {"content": {kind: {"schema": {"type": "object"}} for kind in patches}}
    return {
        collection: {
            "get": operation("list"),
            "post": operation("post", parameters=parameters[:3], requestBody=sent),
        },
        single: {
            "get": operation("get"),
            "put": operation("put", parameters=parameters[:3], requestBody=sent),
            "patch": operation("patch", parameters=parameters, requestBody=patched),
            "delete": operation("delete"),
        },
    }
