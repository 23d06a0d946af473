# SPDX-License-Identifier: Apache-2.0
"""A thin Kubernetes client for tests: plain HTTP as any client speaks it, every answer and refusal in full."""

import asyncio
import base64
import json
import ssl
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp
import yaml

from tests.plugins.objects import RESOURCES, Object, Resource

PATCHES = {
    "merge": "application/merge-patch+json",
    "json": "application/json-patch+json",
    "strategic": "application/strategic-merge-patch+json",
}
APPLY = "application/apply-patch+yaml"


class Refused(Exception):
    """An answer of 400 and above; `status` is its body, a Kubernetes Status."""

    def __init__(self, code: int, status: Any) -> None:
        super().__init__(f"{code}: {status}")
        self.code = code
        self.status = status


class Event(NamedTuple):
    """One line of a watch."""

    type: str
    object: Object

    @property
    def name(self) -> str:
        return str(self.object["metadata"]["name"])


@dataclass(slots=True)
class Watch:
    """An open watch. `next` waits for one event; `StopAsyncIteration` when the server has ended it."""

    _response: aiohttp.ClientResponse

    async def next(self, timeout: float = 20.0) -> Event:
        line = await asyncio.wait_for(self._response.content.readline(), timeout)
        if not line:
            raise StopAsyncIteration
        event = json.loads(line)
        return Event(event["type"], event["object"])

    async def take(self, count: int, timeout: float = 20.0) -> list[Event]:
        return [await self.next(timeout) for _ in range(count)]

    async def rest(self, timeout: float = 20.0) -> list[Event]:
        """Everything until the server ends the watch."""
        events = []
        async with asyncio.timeout(timeout):
            while line := await self._response.content.readline():
                event = json.loads(line)
                events.append(Event(event["type"], event["object"]))
        return events


@dataclass(frozen=True, slots=True)
class Access:
    """What a kubeconfig says about reaching a server."""

    server: str
    tls: ssl.SSLContext | None
    headers: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def read(cls, kubeconfig: Path, *, token: str = "") -> "Access":
        """The current context's cluster and user; with `token`, that instead of the user's own credentials."""
        document = yaml.safe_load(kubeconfig.read_text("utf-8"))
        by_name = {each["name"]: each["context"] for each in document["contexts"]}
        context = by_name[document["current-context"]]
        cluster = next(each["cluster"] for each in document["clusters"] if each["name"] == context["cluster"])
        user = next(each["user"] for each in document["users"] if each["name"] == context["user"])
        user = {"token": token} if token else user
        headers = {"Authorization": f"Bearer {user['token']}"} if "token" in user else {}
        return cls(cluster["server"].rstrip("/"), _tls(cluster, user), headers)


def _tls(cluster: Mapping[str, str], user: Mapping[str, str]) -> ssl.SSLContext | None:
    if not cluster["server"].startswith("https"):
        return None
    authority = _part(cluster, "certificate-authority")
    context = ssl.create_default_context(cadata=authority.decode() if authority else None)
    certificate, key = _part(user, "client-certificate"), _part(user, "client-key")
    if certificate and key:
        with tempfile.NamedTemporaryFile() as pair:  # the ssl module reads client certificates from files only
            pair.write(certificate + b"\n" + key)
            pair.flush()
            context.load_cert_chain(pair.name)
    return context


def _part(section: Mapping[str, str], key: str) -> bytes | None:
    if data := section.get(f"{key}-data"):
        return base64.b64decode(data)
    return Path(section[key]).read_bytes() if key in section else None


class Kube:
    """One server and one namespace of it. Methods return the object in the answer and raise `Refused`."""

    def __init__(self, session: aiohttp.ClientSession, access: Access, namespace: str) -> None:
        self.session = session
        self.access = access
        self.namespace = namespace

    async def request(
        self, method: str, path: str, body: Any = None, *, content_type: str = "application/json", **options: Any
    ) -> Any:
        """Sends `body` as JSON. Options: `accept`, and anything else goes into the query string."""
        headers = {"Accept": options.pop("accept", "application/json")}
        data = None
        if body is not None:
            headers["Content-Type"] = content_type
            data = body if isinstance(body, bytes) else json.dumps(body).encode()
        url = self.access.server + path
        async with self.session.request(method, url, data=data, headers=headers, params=_query(options)) as response:
            text = await response.text()
            answer = json.loads(text) if "json" in response.content_type else text
            if response.status >= 400:
                raise Refused(response.status, answer)
            return answer

    async def get(self, resource: Resource, name: str, *, subresource: str = "", **query: Any) -> Object:
        return await self._call("GET", resource, name, subresource, None, **query)

    async def list(self, resource: Resource, **query: Any) -> Object:
        return await self._call("GET", resource, "", "", None, **query)

    async def names(self, resource: Resource, **query: Any) -> Sequence[str]:
        return [item["metadata"]["name"] for item in (await self.list(resource, **query))["items"]]

    async def create(self, obj: Object, **query: Any) -> Object:
        return await self._call("POST", RESOURCES[obj["kind"]], "", "", obj, **query)

    async def create_at(self, resource: Resource, name: str, subresource: str, body: Object) -> Object:
        return await self._call("POST", resource, name, subresource, body)

    async def update(self, obj: Object, *, subresource: str = "", **query: Any) -> Object:
        return await self._call("PUT", RESOURCES[obj["kind"]], obj["metadata"]["name"], subresource, obj, **query)

    async def patch(
        self, resource: Resource, name: str, patch: Any, *, kind: str = "merge", subresource: str = "", **query: Any
    ) -> Object:
        return await self._call("PATCH", resource, name, subresource, patch, content_type=PATCHES[kind], **query)

    async def apply(
        self, obj: Object, *, manager: str, force: bool = False, subresource: str = "", **query: Any
    ) -> Object:
        query |= {"fieldManager": manager} | ({"force": True} if force else {})
        name = obj["metadata"]["name"]
        return await self._call("PATCH", RESOURCES[obj["kind"]], name, subresource, obj, content_type=APPLY, **query)

    async def delete(self, resource: Resource, name: str, options: Object | None = None, **query: Any) -> Object:
        return await self._call("DELETE", resource, name, "", options, **query)

    async def exists(self, resource: Resource, name: str) -> bool:
        try:
            await self.get(resource, name)
        except Refused as refused:
            if refused.code == 404:
                return False
            raise
        return True

    async def gone(self, resource: Resource, name: str) -> bool:
        return not await self.exists(resource, name)

    @asynccontextmanager
    async def watch(self, resource: Resource, **query: Any) -> AsyncIterator[Watch]:
        """Follows the namespace's objects of that kind; the answer's headers have arrived when the block begins."""
        url = self.access.server + resource.path(self.namespace)
        headers = {"Accept": query.pop("accept", "application/json")}
        async with self.session.get(url, params=_query(query | {"watch": True}), headers=headers) as response:
            if response.status >= 400:
                raise Refused(response.status, await response.json())
            yield Watch(response)

    async def _call(
        self, method: str, resource: Resource, name: str, subresource: str, body: Any, **options: Any
    ) -> Object:
        answer: Object = await self.request(method, resource.path(self.namespace, name, subresource), body, **options)
        return answer


@asynccontextmanager
async def connect(access: Access, namespace: str) -> AsyncIterator[Kube]:
    connector = aiohttp.TCPConnector(ssl=access.tls) if access.tls else aiohttp.TCPConnector()
    timeout = aiohttp.ClientTimeout(total=60)
    async with aiohttp.ClientSession(
        connector=connector, headers=access.headers, timeout=timeout, read_bufsize=2**20
    ) as session:
        yield Kube(session, access, namespace)


def _query(values: Mapping[str, Any]) -> dict[str, str]:
    return {name: str(value).lower() if isinstance(value, bool) else str(value) for name, value in values.items()}
