# SPDX-License-Identifier: Apache-2.0
"""A crash between the work of an unsafe request and the record of its answer, for every route that takes a key.

The repeat is answered as the first run would have been, and the world is as that run left it.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest
from castwarden_gateway.app import Gateway
from castwarden_gateway.db import DatabaseUnavailable
from castwarden_gateway.http.claims import Claims
from castwarden_gateway.tables import PUBLIC_ROUTES

from tests.integration.gateway.conftest import Api
from tests.integration.gateway.kube_double import KubeDouble
from tests.plugins.databases import see_all

KEPT = (
    "select id, tenant_id, name, scopes, expires_at, replaced_by, revoked_at from api_keys",
    "select id, slug, namespace from tenants",
    "select id, url, description, enabled, secret, old_secrets, held_since, held_until from webhook_endpoints",
    "select id, endpoint_id from webhook_deliveries union select id, endpoint_id from webhook_dead",
    "select tenant_id, secret from webhook_signing_keys",
    "select id, endpoint_id, since from webhook_replays",
)
HOUR_AGO = {"since": (datetime.now(UTC) - timedelta(hours=1)).isoformat()}


@dataclass(frozen=True)
class Case:
    """`path` may hold {id}, which `before` gives."""

    method: str
    path: str
    status: int
    body: Any = None
    before: Callable[["World"], Awaitable[str]] | None = None
    etag: bool = False
    """Whether the request is sent with If-Match, which the first run makes stale."""


class World:
    """All that a request may change."""

    def __init__(self, api: Api, kube_api: KubeDouble, connection: "asyncpg.Connection[asyncpg.Record]") -> None:
        self.api = api
        self.kube = kube_api
        self.connection = connection
        self._numbers = count()

    async def snapshot(self) -> Any:
        rows = [[tuple(row) for row in await self.connection.fetch(sql)] for sql in KEPT]
        return [sorted(map(str, table)) for table in rows], {
            key: (found["metadata"]["uid"], found.get("spec")) for key, found in self.kube.objects.items()
        }

    def url(self) -> str:
        """One that nothing has yet."""
        return f"https://cdn.example.com/{next(self._numbers)}"

    async def monitor(self) -> str:
        made = await self.api.post("/api/v1/monitors", {"stream_url": self.url()})
        return str(made.data["monitor_id"])

    async def channel(self) -> str:
        return str((await self.api.post("/api/v1/channels", {"feed_url": self.url()})).data["id"])

    async def polled(self) -> str:
        name = await self.channel()
        spec: dict[str, Any] = {"jobTemplate": {"spec": {"template": {}}}}
        self.kube.put("cronjobs", {"metadata": {"name": "poll-x"}, "spec": spec})
        channel = self.kube.get("channels", name)
        self.kube.put("channels", {**channel, "metadata": {**channel["metadata"]}, "status": {"cronJobName": "poll-x"}})
        return name

    async def download(self) -> str:
        return str((await self.api.post("/api/v1/downloads", {"url": self.url()})).data["id"])

    async def endpoint(self) -> str:
        made = await self.api.post(
            "/api/v1/webhooks/endpoints", {"url": "http://127.0.0.1:9/", "events": ["video.created"]}
        )
        return str(made.data["id"])

    async def replay(self) -> str:
        made = await self.api.post(f"/api/v1/webhooks/endpoints/{await self.endpoint()}/replay", HOUR_AGO)
        return str(made.data["id"])

    async def key(self) -> str:
        return str((await self.api.post("/api/v1/api_keys", {"name": "k"})).data["id"])

    async def dead(self) -> UUID:
        """An endpoint with a delivery that was given up."""
        endpoint = UUID(await self.endpoint())
        self.delivery = uuid4()
        await self.connection.execute(
            "insert into webhook_dead (tenant_id, id, event_id, endpoint_id, attempt, created_at)"
            " select tenant_id, $1, $2, id, 9, now() from webhook_endpoints where id = $3",
            self.delivery,
            uuid4(),
            endpoint,
        )
        return endpoint

    async def recoverable(self) -> str:
        return str(await self.dead())

    async def dead_delivery(self) -> str:
        await self.dead()
        return str(self.delivery)

    async def sent_delivery(self) -> str:
        endpoint, delivery = UUID(await self.endpoint()), uuid4()
        await self.connection.execute(
            "insert into webhook_attempts (tenant_id, delivery_id, at, event_id, endpoint_id, attempt, outcome, ms,"
            " delivery_created_at) select tenant_id, $1, now(), $2, id, 1, 'sent', 5, now()"
            " from webhook_endpoints where id = $3",
            delivery,
            uuid4(),
            endpoint,
        )
        return str(delivery)


CASES = [
    Case("POST", "/api/v1/monitors", 201, {"stream_url": "https://cdn.example.com/a.m3u8"}),
    Case("PATCH", "/api/v1/monitors/{id}", 200, {"depth": "Full"}, World.monitor, etag=True),
    Case("DELETE", "/api/v1/monitors/{id}", 200, None, World.monitor),
    Case("POST", "/api/v1/channels", 201, {"feed_url": "https://cdn.example.com/feed"}),
    Case("PATCH", "/api/v1/channels/{id}", 200, {"suspend": True}, World.channel),
    Case("DELETE", "/api/v1/channels/{id}", 204, None, World.channel),
    Case("POST", "/api/v1/channels/{id}/poll", 202, None, World.polled),
    Case("POST", "/api/v1/downloads", 201, {"url": "https://cdn.example.com/a.mp4"}),
    Case("PATCH", "/api/v1/downloads/{id}", 200, {"suspend": True}, World.download),
    Case("DELETE", "/api/v1/downloads/{id}", 204, None, World.download),
    Case("POST", "/api/v1/webhooks/endpoints", 201, {"url": "http://127.0.0.1:9/a"}),
    Case("PATCH", "/api/v1/webhooks/endpoints/{id}", 200, {"description": "x"}, World.endpoint),
    Case("DELETE", "/api/v1/webhooks/endpoints/{id}", 204, None, World.endpoint),
    Case("POST", "/api/v1/webhooks/endpoints/{id}/rotate-secret", 200, {}, World.endpoint),
    Case("POST", "/api/v1/webhooks/endpoints/{id}/rotate-secret", 200, {"signature": "v1a"}, World.endpoint),
    Case("POST", "/api/v1/webhooks/endpoints/{id}/pause", 200, {}, World.endpoint),
    Case("POST", "/api/v1/webhooks/endpoints/{id}/pause", 200, {"until": "2999-01-01T00:00:00Z"}, World.endpoint),
    Case("POST", "/api/v1/webhooks/endpoints/{id}/resume", 200, None, World.endpoint),
    Case("POST", "/api/v1/webhooks/endpoints/{id}/test", 200, None, World.endpoint),
    Case("POST", "/api/v1/webhooks/endpoints/{id}/recover", 202, {"since": "2020-01-01T00:00:00Z"}, World.recoverable),
    Case("POST", "/api/v1/webhooks/endpoints/{id}/replay", 201, HOUR_AGO, World.endpoint),
    Case("POST", "/api/v1/webhooks/replays/{id}/cancel", 200, None, World.replay),
    Case("POST", "/api/v1/webhooks/deliveries/{id}/resend", 202, None, World.sent_delivery),
    Case("POST", "/api/v1/webhooks/deliveries/{id}/resend", 202, None, World.dead_delivery),
    Case("POST", "/api/v1/webhooks/signing-key", 200, {}),
    Case("POST", "/api/v1/webhooks/signing-key", 200, {"rotate": True}),
    Case("POST", "/api/v1/api_keys", 201, {"name": "app"}),
    Case("DELETE", "/api/v1/api_keys/{id}", 204, None, World.key),
    Case("POST", "/api/v1/api_keys/{id}/rotate", 201, {}, World.key),
    Case("POST", "/api/v1/tenants", 201, {"slug": "acme"}),
]


def test_every_route_that_takes_a_key_is_crashed_here() -> None:
    keyed = {(route.method, route.path) for table in PUBLIC_ROUTES for route in table if route.keyed}
    assert keyed == {(case.method, case.path) for case in CASES}


async def test_a_repeat_after_a_crash_is_answered_and_changes_nothing_more(
    api: Api, kube_api: KubeDouble, gateway: Gateway, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection = await see_all(database_url)
    world = World(api, kube_api, connection)
    for number, case in enumerate(CASES):
        path = case.path.replace("{id}", await case.before(world) if case.before else "")
        headers = {"Idempotency-Key": f"key {number}"}
        if case.etag:
            headers["If-Match"] = (await api.get(path)).headers["ETag"]
        with monkeypatch.context() as crashing:
            crashing.setattr(Claims, "finish", dies)
            crashed = await api.call(case.method, path, case.body, headers=headers)
        assert crashed.status == 503, case
        after_the_crash = await world.snapshot()
        waiting = await api.call(case.method, path, case.body, headers=headers)
        assert (waiting.status, waiting.body["code"]) == (409, "idempotency-key-in-flight"), case
        await connection.execute("update idempotency_keys set lease_until = now()")
        answer = await api.call(case.method, path, case.body, headers=headers)
        assert answer.status == case.status, (case, answer.body)
        assert await world.snapshot() == after_the_crash, case
        again = await api.call(case.method, path, case.body, headers=headers)
        assert (again.status, again.headers["Idempotency-Replayed"]) == (answer.status, "true"), case
        assert again.body == answer.body, case
    await connection.close()


async def dies(*_: object) -> bool:
    raise DatabaseUnavailable("gone before the answer was recorded")


async def test_the_secrets_told_after_a_crash_are_those_that_hold(
    api: Api, gateway: Gateway, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection = await see_all(database_url)

    async def told_after_a_crash(path: str, body: Any) -> Any:
        keyed = api.with_headers(Idempotency_Key=path)
        with monkeypatch.context() as crashing:
            crashing.setattr(Claims, "finish", dies)
            await keyed.post(path, body)
        await connection.execute("update idempotency_keys set lease_until = now()")
        return (await keyed.post(path, body)).data

    key = await told_after_a_crash("/api/v1/api_keys", {"name": "app"})
    assert (await api.with_key(key["key"]).get("/api/v1/monitors")).status == 200
    path = f"/api/v1/api_keys/{key['id']}/rotate"
    rotated = await told_after_a_crash(path, {"overlap_seconds": 0})
    assert (await api.with_key(rotated["key"]).get("/api/v1/monitors")).status == 200
    hook = await told_after_a_crash("/api/v1/webhooks/endpoints", {"url": "http://127.0.0.1:9/"})
    row = await connection.fetchrow("select tenant_id, secret from webhook_endpoints")
    assert row is not None
    assert gateway._signer.keyring.open(row["secret"], row["tenant_id"].bytes) == hook["secret"]
    rotated = await told_after_a_crash(f"/api/v1/webhooks/endpoints/{hook['id']}/rotate-secret", {})
    row = await connection.fetchrow("select tenant_id, secret, old_secrets from webhook_endpoints")
    assert row is not None
    assert gateway._signer.keyring.open(row["secret"], row["tenant_id"].bytes) == rotated["secret"] != hook["secret"]
    assert [gateway._signer.keyring.open(old, row["tenant_id"].bytes) for old in row["old_secrets"]] == [hook["secret"]]
    signing = await told_after_a_crash("/api/v1/webhooks/signing-key", {"rotate": True})
    row = await connection.fetchrow("select tenant_id, secret from webhook_signing_keys")
    assert row is not None
    assert gateway._signer.keyring.open(row["secret"], row["tenant_id"].bytes) == signing["secret"]
    await connection.close()


async def test_a_lost_update_is_not_hidden_by_a_repeat_after_a_crash(
    api: Api, gateway: Gateway, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection = await see_all(database_url)
    made = await api.post("/api/v1/monitors", {"stream_url": "https://cdn.example.com/a.m3u8"})
    path = f"/api/v1/monitors/{made.data['monitor_id']}"
    headers = {"Idempotency-Key": "k", "If-Match": made.headers["ETag"]}

    with monkeypatch.context() as crashing:
        crashing.setattr(Claims, "finish", dies)
        await api.patch(path, {"depth": "Full"}, headers=headers)
    await api.patch(path, {"depth": "Keyframes"})
    await connection.execute("update idempotency_keys set lease_until = now()")
    refused = await api.patch(path, {"depth": "Full"}, headers=headers)
    assert (refused.status, (await api.get(path)).data["depth"]) == (412, "Keyframes")
    await connection.close()
