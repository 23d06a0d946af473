# SPDX-License-Identifier: Apache-2.0
"""Objects, lists and watch events as bytes in the shape the client asked for: whole, as a Table, or metadata alone."""

from collections.abc import Sequence
from typing import Any

import orjson

from castwarden_local.standin.errors import ApiError
from castwarden_local.standin.http.requests import View
from castwarden_local.standin.http.tables import table
from castwarden_local.standin.interface import Object
from castwarden_local.standin.resources import Resource
from castwarden_local.standin.storage.records import Record

_INITIAL_END = {"k8s.io/initial-events-end": "true"}


def render_object(resource: Resource, obj: Object, view: View, include: str = "") -> bytes:
    """One object. `include` is a Table's includeObject."""
    if view == "table":
        version = {"resourceVersion": obj["metadata"].get("resourceVersion", "")}
        return orjson.dumps(table(resource, [(obj, _shown(obj, include))], version))
    return orjson.dumps(_partial(obj) if view == "partial" else obj)


def render_list(resource: Resource, records: Sequence[Record], meta: Object, view: View, include: str = "") -> bytes:
    if view == "table":
        rows = [(obj, _shown(obj, include)) for record in records for obj in (resource.load(record),)]
        return orjson.dumps(table(resource, rows, meta))
    if view == "partial":
        items: list[Any] = [_partial(resource.load(record)) for record in records]
        head = {"kind": "PartialObjectMetadataList", "apiVersion": "meta.k8s.io/v1"}
        return orjson.dumps(head | {"metadata": meta, "items": items})
    items = [orjson.Fragment(resource.encode(record)) for record in records]
    head = {"kind": resource.list_kind, "apiVersion": resource.api_version}
    return orjson.dumps(head | {"metadata": meta, "items": items})


class EventRenderer:
    """Watch events, one JSON object per line. Only the first Table of a stream has its columns described."""

    def __init__(self, resource: Resource, view: View, include: str = "") -> None:
        self._resource = resource
        self._view = view
        self._include = include
        self._headed = True

    def change(self, kind: str, record: Record) -> bytes:
        if self._view == "object":
            return _line(kind, orjson.Fragment(self._resource.encode(record)))
        obj = self._resource.load(record)
        if self._view == "partial":
            return _line(kind, _partial(obj))
        meta = {"resourceVersion": str(record.revision)}
        rows = [(obj, _shown(obj, self._include))]
        shown = table(self._resource, rows, meta, headed=self._headed)
        self._headed = False
        return _line(kind, shown)

    def bookmark(self, revision: int, *, initial_end: bool = False) -> bytes:
        meta: Object = {"resourceVersion": str(revision), "creationTimestamp": None}
        if initial_end:
            meta["annotations"] = _INITIAL_END
        kind, version = self._resource.kind, self._resource.api_version
        if self._view == "partial":
            kind, version = "PartialObjectMetadata", "meta.k8s.io/v1"
        obj: Object = {"kind": kind, "apiVersion": version, "metadata": meta}
        if self._view == "table":
            obj = table(self._resource, [], {"resourceVersion": str(revision)}, headed=False)
            obj["rows"] = [{"cells": [], "object": {"kind": kind, "apiVersion": version, "metadata": meta}}]
        return _line("BOOKMARK", obj)

    def error(self, error: ApiError) -> bytes:
        return _line("ERROR", error.status())


def _line(kind: str, obj: Any) -> bytes:
    return orjson.dumps({"type": kind, "object": obj}, option=orjson.OPT_APPEND_NEWLINE)


def _shown(obj: Object, include: str) -> Any:
    if include == "None":
        return None
    return obj if include == "Object" else _partial(obj)


def _partial(obj: Object) -> Object:
    return {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": obj["metadata"]}
