# SPDX-License-Identifier: Apache-2.0
"""The part of the Kubernetes API that the gateway calls, in memory, with switches for what can go wrong.

Only for these tests: what a real API server does is proved in tests/contract.
"""

import asyncio
import copy
import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

from aiohttp import web

Object = dict[str, Any]


class KubeDouble:
    """`await start()`; then `url` answers. `down` makes it hang up on every request."""

    def __init__(self) -> None:
        self.objects: dict[tuple[str, str, str], Object] = {}  # plural, namespace, name
        self.tokens: dict[str, Object] = {}  # token -> status of its TokenReview
        self.down = False
        self.refuse: Callable[[Object], Object | None] = lambda body: None  # returns a Status to refuse a write with
        self.answer = asyncio.Event()  # clear it, and writes are done but not answered
        self.answer.set()
        self.requests: list[tuple[str, str]] = []
        self.url = ""
        self._version = 100
        self._log: list[tuple[int, str, str, Object]] = []  # version, plural, type, object
        self._compacted = 0
        self._news = asyncio.Event()
        self._watches: list[web.Request] = []

    async def start(self) -> None:
        app = web.Application(middlewares=[self._switchable])
        app.router.add_route("*", "/{path:.*}", self._serve)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"

    async def stop(self) -> None:
        self.hang_up()
        await self._runner.cleanup()

    def kubeconfig(self, folder: Path) -> Path:
        document = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "double",
            "contexts": [{"name": "double", "context": {"cluster": "double", "user": "double"}}],
            "clusters": [{"name": "double", "cluster": {"server": self.url}}],
            "users": [{"name": "double", "user": {"token": "gateway"}}],
        }
        path = folder / "kubeconfig"
        path.write_text(json.dumps(document), "utf-8")
        return path

    def hang_up(self) -> None:
        """Breaks every open watch."""
        for request in list(self._watches):
            if request.transport is not None:
                request.transport.abort()

    def compact(self) -> None:
        """Forgets all history: who is behind gets 410."""
        self._version += 1
        self._compacted = self._version

    def put(self, plural: str, obj: Object) -> Object:
        """Stores an object as anybody else would."""
        meta = obj.setdefault("metadata", {})
        meta.setdefault("namespace", "default")
        key = (plural, meta["namespace"], meta["name"])
        before = self.objects.get(key)
        self._version += 1
        meta.setdefault("uid", before["metadata"]["uid"] if before else str(uuid4()))
        meta.setdefault("creationTimestamp", datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"))
        changed = before is None or before.get("spec") != obj.get("spec")
        meta["generation"] = (before["metadata"]["generation"] if before else 0) + (1 if changed else 0)
        meta["resourceVersion"] = str(self._version)
        self.objects[key] = obj
        self._tell(plural, "MODIFIED" if before else "ADDED", obj)
        return obj

    def remove(self, plural: str, namespace: str, name: str) -> None:
        obj = copy.deepcopy(self.objects.pop((plural, namespace, name)))
        self._version += 1
        obj["metadata"]["resourceVersion"] = str(self._version)
        self._tell(plural, "DELETED", obj)

    def get(self, plural: str, name: str, namespace: str = "default") -> Object:
        return self.objects[(plural, namespace, name)]

    def add_pod(self, name: str, kind: str, of: str, namespace: str = "default") -> str:
        """A worker Pod of a resource; returns a token bound to it."""
        return self._add_pod(name, namespace, {"castwarden.dev/kind": kind, "castwarden.dev/name": of})

    def add_shared_pod(self, name: str, pool: str = "default", namespace: str = "default") -> str:
        """A Pod of a pool; returns a token bound to it."""
        return self._add_pod(name, namespace, {"castwarden.dev/role": "monitors", "castwarden.dev/pool": pool})

    def seat(self, monitor: str, seat: str | None, pod: str | None = None, namespace: str = "default") -> None:
        """What the operator writes when a Monitor gets a seat, or (None) loses it."""
        found = copy.deepcopy(self.get("monitors", monitor, namespace))
        status = {key: value for key, value in found.get("status", {}).items() if key not in ("seat", "podName")}
        holder = pod or (seat.partition("/")[0] if seat else None)
        found["status"] = {**status, **({"seat": seat} if seat else {}), **({"podName": holder} if holder else {})}
        self.put("monitors", found)

    def _add_pod(self, name: str, namespace: str, labels: Object) -> str:
        labels = {"app.kubernetes.io/component": "worker", **labels}
        pod = self.put("pods", {"metadata": {"name": name, "namespace": namespace, "labels": labels}, "spec": {}})
        token = f"token-of-{namespace}-{name}"
        self.tokens[token] = {
            "authenticated": True,
            "audiences": ["castwarden-gateway"],
            "user": {
                "username": f"system:serviceaccount:{namespace}:worker",
                "extra": {
                    "authentication.kubernetes.io/pod-name": [name],
                    "authentication.kubernetes.io/pod-uid": [pod["metadata"]["uid"]],
                },
            },
        }
        return token

    def _tell(self, plural: str, type_: str, obj: Object) -> None:
        self._log.append((self._version, plural, type_, copy.deepcopy(obj)))
        self._news.set()
        self._news = asyncio.Event()

    @web.middleware
    async def _switchable(self, request: web.Request, handler: Any) -> web.StreamResponse:
        self.requests.append((request.method, request.path))
        if self.down:
            assert request.transport is not None
            request.transport.abort()
        response: web.StreamResponse = await handler(request)
        if request.method != "GET":
            await self.answer.wait()
        return response

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        body = await request.json() if request.can_read_body else {}
        if request.path.endswith("/tokenreviews"):
            status = self.tokens.get(body["spec"]["token"], {"authenticated": False})
            return web.json_response({"kind": "TokenReview", "status": status}, status=201)
        plural, namespace, name, subresource = _parse(request.path)
        if not name:
            if request.method == "POST":
                return self._write(plural, namespace, body["metadata"]["name"], "", body, merge=False)
            if "watch" in request.query:
                return await self._watch(request, plural, namespace)
            items = [obj for (p, ns, _), obj in self.objects.items() if p == plural and namespace in ("", ns)]
            return web.json_response({"metadata": {"resourceVersion": str(self._version)}, "items": items})
        if request.method == "PATCH":
            return self._write(plural, namespace, name, subresource, body, merge="merge-patch" in request.content_type)
        found = self.objects.get((plural, namespace, name))
        if found is None:
            return _status(404, "NotFound", f"{plural} {name} not found")
        if request.method == "DELETE":
            for field, value in body.get("preconditions", {}).items():
                if found["metadata"][field] != value:
                    return _status(409, "Conflict", f"{field} does not match")
            self.remove(plural, namespace, name)
        return web.json_response(found)

    def _write(
        self, plural: str, namespace: str, name: str, subresource: str, body: Object, *, merge: bool
    ) -> web.Response:
        if (refused := self.refuse(body)) is not None:
            return web.json_response(refused, status=refused["code"])
        before = self.objects.get((plural, namespace, name))
        if before is None and (merge or subresource):
            return _status(404, "NotFound", f"{plural} {name} not found")
        after = copy.deepcopy(before) if before else {key: body[key] for key in ("apiVersion", "kind")}
        wanted = body.get("metadata", {})
        after.setdefault("metadata", {**wanted}).update({"name": name, "namespace": namespace})
        for field in ("uid", "resourceVersion"):
            if before and field in wanted and wanted[field] != before["metadata"][field]:
                return _status(409, "Conflict", f"{field} does not match")
        part = subresource or "spec"
        after[part] = _merged(after.get(part, {}), body.get(part, {}))
        return web.json_response(self.put(plural, after))

    async def _watch(self, request: web.Request, plural: str, namespace: str) -> web.StreamResponse:
        at = int(request.query["resourceVersion"])
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        await response.prepare(request)
        self._watches.append(request)
        try:
            if at < self._compacted:
                gone = {"kind": "Status", "code": 410, "reason": "Expired", "message": "too old"}
                await response.write(_line("ERROR", gone))
                return response
            while True:
                news = self._news
                for version, of, type_, obj in self._log:
                    if version > at and of == plural and namespace in ("", obj["metadata"]["namespace"]):
                        await response.write(_line(type_, obj))
                at = self._version
                bookmark = {"kind": "x", "metadata": {"resourceVersion": str(at)}}
                await response.write(_line("BOOKMARK", bookmark))
                await news.wait()
        finally:
            self._watches.remove(request)


def _parse(path: str) -> tuple[str, str, str, str]:
    """Plural, namespace, name and subresource of a path."""
    parts = path.strip("/").split("/")
    parts = parts[2:] if parts[0] == "api" else parts[3:]
    namespace = ""
    if parts[0] == "namespaces" and len(parts) > 2:
        namespace, parts = parts[1], parts[2:]
    plural, name, subresource = (*parts, "", "")[:3]
    return plural, namespace, name, subresource


def _merged(base: Any, over: Any) -> Any:
    if isinstance(base, dict) and isinstance(over, dict):
        merged = {**base, **{key: _merged(base.get(key), value) for key, value in over.items()}}
        return {key: value for key, value in merged.items() if value is not None}
    if base and over and all(isinstance(each, list) and isinstance(each[0], dict) for each in (base, over)):
        types = {item["type"] for item in over}
        return [*(item for item in base if item["type"] not in types), *over]
    return over


def _line(type_: str, obj: Object) -> bytes:
    return json.dumps({"type": type_, "object": obj}).encode() + b"\n"


def _status(code: int, reason: str, message: str) -> web.Response:
    body = {"kind": "Status", "code": code, "reason": reason, "message": message}
    return web.json_response(body, status=code)
