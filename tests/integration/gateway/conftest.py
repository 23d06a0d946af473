# SPDX-License-Identifier: Apache-2.0
"""A real gateway with its two listeners, on a real PostgreSQL, beside a double of the Kubernetes API."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

import aiohttp
import pytest
from castwarden_base.ids import uuid7
from castwarden_gateway.app import Gateway
from castwarden_gateway.settings import GatewaySettings

from tests.integration.gateway.declared import require_declared
from tests.integration.gateway.kube_double import KubeDouble, Object

KEY = "yttr_test-key-of-the-tenant-public"
INTERNAL_KEY = "internal-test-key"
PATIENCE = 20.0


class Answer:
    """A response that has been read."""

    def __init__(self, status: int, headers: Any, body: Any) -> None:
        self.status = status
        self.headers = headers
        self.body = body

    @property
    def data(self) -> Any:
        return self.body["data"]

    @property
    def pointers(self) -> list[str]:
        return [error.get("pointer", error.get("parameter")) for error in self.body["errors"]]


class Api:
    """One listener, with one credential."""

    def __init__(self, session: aiohttp.ClientSession, url: str, headers: dict[str, str]) -> None:
        self._session = session
        self._url = url
        self._headers = headers

    def with_headers(self, **headers: str) -> "Api":
        return Api(self._session, self._url, {**self._headers, **{k.replace("_", "-"): v for k, v in headers.items()}})

    def with_key(self, key: str) -> "Api":
        return Api(self._session, self._url, {"Authorization": f"Bearer {key}"})

    @property
    def key(self) -> str:
        return self._headers["Authorization"].removeprefix("Bearer ")

    async def call(self, method: str, path: str, body: Any = None, **options: Any) -> Answer:
        async with self._session.request(
            method, self._url + path, json=body, headers={**self._headers, **options.pop("headers", {})}, **options
        ) as response:
            read = response.read if response.content_type.startswith("image/") else response.text
            body = await (response.json() if "json" in response.content_type else read())
        require_declared(method, path, response.status, response.headers, body)
        return Answer(response.status, response.headers, body)

    async def get(self, path: str, **options: Any) -> Answer:
        return await self.call("GET", path, **options)

    async def post(self, path: str, body: Any = None, **options: Any) -> Answer:
        return await self.call("POST", path, body, **options)

    async def patch(self, path: str, body: Any, **options: Any) -> Answer:
        return await self.call("PATCH", path, body, **options)

    async def delete(self, path: str, **options: Any) -> Answer:
        return await self.call("DELETE", path, **options)


@pytest.fixture
async def kube_api(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[KubeDouble]:
    double = KubeDouble()
    await double.start()
    monkeypatch.setenv("KUBECONFIG", str(double.kubeconfig(tmp_path)))
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    yield double
    await double.stop()


class Gateways:
    """Starts gateways on one database and one Kubernetes API, and stops them."""

    def __init__(self, database_url: str) -> None:
        self.database_url = database_url
        self._running: list[Gateway] = []

    async def start(self, ready: bool = True, **settings: Any) -> Gateway:
        """Keyword arguments are settings."""
        values = {
            "database_url": self.database_url,
            "secret_keys": (bytes(32),),
            "api_key": KEY,
            "internal_api_key": INTERNAL_KEY,
            "host": "127.0.0.1",
            "port": 0,
            "internal_port": 0,
            "rate_limit": 0,
            "drain_seconds": 0,
            "outbound_allow": "127.0.0.0/8",
            "downloads_enabled": True,
        }
        gateway = Gateway(GatewaySettings(**{**values, **settings}))
        await gateway.__aenter__()
        self._running.append(gateway)
        if ready:
            await gateway.ready()
        return gateway

    async def stop(self, gateway: Gateway) -> None:
        self._running.remove(gateway)
        await gateway.__aexit__()

    async def stop_all(self) -> None:
        for gateway in list(self._running):
            await self.stop(gateway)


@pytest.fixture
async def gateways(kube_api: KubeDouble, database_url: str) -> AsyncIterator[Gateways]:
    gateways = Gateways(database_url)
    yield gateways
    await gateways.stop_all()


@pytest.fixture
async def gateway(gateways: Gateways) -> Gateway:
    return await gateways.start()


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


@pytest.fixture
def api(gateway: Gateway, session: aiohttp.ClientSession) -> Api:
    """The public listener as the tenant public."""
    return public(gateway, session)


@pytest.fixture
def internal(gateway: Gateway, session: aiohttp.ClientSession) -> Api:
    """The internal listener with the internal key."""
    return inside(gateway, session)


class Listening(Protocol):
    """A gateway in this process or in one of its own."""

    @property
    def public_port(self) -> int: ...


def public(gateway: Listening, session: aiohttp.ClientSession) -> Api:
    return Api(session, f"http://127.0.0.1:{gateway.public_port}", {"Authorization": f"Bearer {KEY}"})


def inside(gateway: Gateway, session: aiohttp.ClientSession) -> Api:
    return Api(session, f"http://127.0.0.1:{gateway.internal_port}", {"X-Internal-API-Key": INTERNAL_KEY})


def monitor(name: str, namespace: str = "default", **spec: Any) -> Object:
    """A Monitor as kubectl would apply it."""
    return {
        "apiVersion": "castwarden.dev/v1alpha1",
        "kind": "Monitor",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"source": {"url": f"https://cdn.example.com/{name}.m3u8"}, **spec},
    }


def ref_of(obj: Object) -> dict[str, str]:
    meta = obj["metadata"]
    return {"kind": obj["kind"], "namespace": meta["namespace"], "name": meta["name"], "uid": meta["uid"]}


def report(obj: Object, seq: int = 1, epoch: int = 1, pod: str = "pod-1", **facts: Any) -> dict[str, Any]:
    return {"id": str(uuid7()), "resource": ref_of(obj), "pod": pod, "epoch": epoch, "seq": seq, **facts}


EPISODE = str(uuid7())


def transition(condition: str, state: str, episode: str | None = None, **fields: Any) -> dict[str, Any]:
    now = datetime.now(UTC).isoformat()
    return {
        "id": str(uuid7()),
        "condition": condition,
        "state": state,
        "episode": episode or EPISODE,
        "at": now,
        "started_at": now,
        "media_time": 12.0,
        "duration_sec": 30.0,
        "threshold_sec": 30.0,
        **fields,
    }
