# SPDX-License-Identifier: Apache-2.0
"""Walks the whole route table as another tenant: with the ids of A, B gets 404 or an empty list, and changes nothing.

A new route fails here until its ids and its body are among those below.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import aiohttp
import pytest
from castwarden_base.ids import uuid7
from castwarden_base.waiting import wait_until
from castwarden_gateway.app import Gateway
from castwarden_gateway.http.routes import Route
from castwarden_gateway.http.sse import EventStream
from castwarden_gateway.tables import PUBLIC_ROUTES
from castwarden_gateway.tenants.principal import ADMIN

from tests.integration.gateway.conftest import PATIENCE, Api, report
from tests.integration.gateway.kube_double import KubeDouble
from tests.integration.gateway.stream_reader import reading
from tests.integration.gateway.test_looks import jpeg, look
from tests.integration.gateway.test_tenants import other_tenant
from tests.plugins.databases import see_all

ROUTES = [
    route
    for table in PUBLIC_ROUTES
    for route in table
    if route.returns.get(200) is not EventStream or "{" in route.path  # else its answer has no end: see below
]
MARK = "only-of-a"  # in everything of A's that a person may name
BODIES: dict[str, dict[str, Any]] = {
    "MonitorCreate": {"stream_url": f"https://cdn.example.com/{MARK}.m3u8"},
    "MonitorPatch": {"suspend": True},
    "ChannelCreate": {"feed_url": f"https://cdn.example.com/{MARK}"},
    "ChannelPatch": {"suspend": True},
    "DownloadCreate": {"url": f"https://cdn.example.com/{MARK}.mp4"},
    "DownloadPatch": {"suspend": True},
    "EndpointCreate": {"url": f"http://127.0.0.1:9/{MARK}", "events": ["stream.ended"]},
    "EndpointPatch": {"description": "changed"},
    "RotateSecret": {},
    "Pause": {},
    "Recover": {"since": "2020-01-01T00:00:00Z"},
    "ReplayStart": {"since": (datetime.now(UTC) - timedelta(days=1)).isoformat()},
    "SigningKeyRequest": {"rotate": True},
    "KeyCreate": {"name": MARK},
    "KeyRotate": {},
    "TenantCreate": {"slug": "stolen"},
}
"""By the name of the route's model."""
COLLECTIONS = ("monitors", "channels", "downloads", "webhooks/endpoints", "api_keys")
STATE = """
select string_agg(part, E'\n' order by part) from (
    select 'key' || (to_jsonb(k) - 'last_used_at')::text as part from api_keys k where tenant_id = $1
    union all select 'endpoint' || to_jsonb(e)::text from webhook_endpoints e where tenant_id = $1
    union all select 'signing' || to_jsonb(s)::text from webhook_signing_keys s where tenant_id = $1
    union all select 'delivery' || to_jsonb(d)::text from webhook_deliveries d where tenant_id = $1
    union all select 'dead' || to_jsonb(d)::text from webhook_dead d where tenant_id = $1
    union all select 'replay' || to_jsonb(r)::text from webhook_replays r where tenant_id = $1
    union all select 'event' || to_jsonb(e)::text from events e where tenant_id = $1
) parts
"""


@dataclass
class Owner:
    """A, with one of everything that the API shows. `ids` are by what stands before `{id}` in a path."""

    api: Api
    ids: dict[str, str]
    database_url: str
    kube_api: KubeDouble

    def path(self, route: Route) -> str:
        prefix, variable, rest = route.path.partition("{")
        return prefix + self.ids[prefix] + rest.partition("}")[2] if variable else prefix

    async def state(self) -> Any:
        """All that strangers might change, here and in Kubernetes."""
        connection = await see_all(self.database_url)
        tenant_id = await connection.fetchval("select id from tenants where slug = 'public'")
        rows = await connection.fetchval(STATE, tenant_id)
        await connection.close()
        return rows, {key: str(obj) for key, obj in self.kube_api.objects.items() if key[1] == "default"}


@pytest.fixture
async def owner(gateway: Gateway, api: Api, internal: Api, kube_api: KubeDouble, database_url: str) -> Owner:
    creates = {route.path: BODIES[route.body.__name__] for route in ROUTES if route.method == "POST" and route.body}
    ids = {"/api/v1/tenants/": "public"}
    for name in COLLECTIONS:
        made = (await api.post(f"/api/v1/{name}", creates[f"/api/v1/{name}"])).data
        ids[f"/api/v1/{name}/"] = made.get("monitor_id") or made["id"]
    await api.post("/api/v1/webhooks/signing-key", {"rotate": True})
    await tell(internal, kube_api, ids)
    ids["/api/v1/events/"] = (await api.get("/api/v1/events")).data[0]["id"]
    ids["/api/v1/webhooks/deliveries/"] = await bury(database_url, ids)
    hook = ids["/api/v1/webhooks/endpoints/"]
    replay = await api.post(f"/api/v1/webhooks/endpoints/{hook}/replay", BODIES["ReplayStart"])
    ids["/api/v1/webhooks/replays/"] = replay.data["id"]
    await wait_until(lambda: done(api, ids), PATIENCE)
    await wait_until(lambda: gateway.resources.downloads.get("default", ids["/api/v1/downloads/"]), PATIENCE)
    await wait_until(lambda: scheduled(gateway, ids["/api/v1/channels/"]), PATIENCE)
    return Owner(api, ids, database_url, kube_api)


async def done(api: Api, ids: dict[str, str]) -> bool:
    """The replay changes by itself no more."""
    shown = await api.get(f"/api/v1/webhooks/replays/{ids['/api/v1/webhooks/replays/']}")
    return bool(shown.data["status"] == "completed")


async def tell(internal: Api, kube_api: KubeDouble, ids: dict[str, str]) -> None:
    """What workers have seen: an event, a picture, a video, an attempt."""
    monitor = kube_api.get("monitors", ids["/api/v1/monitors/"])
    broken = {"id": str(uuid7()), "type": "monitor.error", "at": "2026-11-20T12:00:00Z"}
    occurred = {**broken, "data": {"reason": "x", "message": MARK}}
    kube_api.put("cronjobs", {"metadata": {"name": "poll-x"}, "spec": {"jobTemplate": {"spec": {}}}})
    channel = kube_api.get("channels", ids["/api/v1/channels/"])
    channel = kube_api.put("channels", {**channel, "status": {"cronJobName": "poll-x"}})
    video = {"media_id": MARK, "title": MARK, "url": f"https://cdn.example.com/{MARK}"}
    feed = {"polled_at": "2026-11-20T12:05:00Z", "http_status": 200, "title": MARK}
    told = [
        await internal.post("/internal/v1/reports", report(monitor, occurrences=[occurred])),
        await internal.call("PUT", "/internal/v1/looks", look(monitor, picture=jpeg())),
        await internal.post("/internal/v1/reports", report(channel, feed=feed, videos=[video])),
    ]
    assert [answer.status for answer in told] == [200, 204, 200], [answer.body for answer in told]


def scheduled(gateway: Gateway, channel: str) -> bool:
    found = gateway.resources.channels.get("default", channel)
    return found is not None and found.status.cron_job_name is not None


async def bury(database_url: str, ids: dict[str, str]) -> str:
    """A dead delivery of A's event: nothing changes it but a request."""
    connection = await see_all(database_url)
    dead = await connection.fetchval(
        "insert into webhook_dead (tenant_id, id, event_id, endpoint_id, attempt, created_at)"
        " select tenant_id, gen_random_uuid(), $1, id, 8, now() from webhook_endpoints where id = $2 returning id",
        ids["/api/v1/events/"],
        ids["/api/v1/webhooks/endpoints/"],
    )
    await connection.close()
    return str(dead)


async def call(api: Api, route: Route, path: str) -> Any:
    body = None if route.body is None else BODIES[route.body.__name__]
    return await api.call(route.method, path, body)


async def test_no_route_shows_or_changes_anything_of_another_tenant(owner: Owner) -> None:
    stranger, before = await other_tenant(owner.api), await owner.state()
    for route in sorted(ROUTES, key=lambda route: route.method != "GET"):  # lists before the stranger makes things
        answer, name = await call(stranger, route, owner.path(route)), f"{route.method} {route.path}"
        if route.scope == ADMIN:
            assert (answer.status, answer.body["code"]) == (403, "forbidden"), name
        elif "{" in route.path:
            assert (answer.status, answer.body["code"]) == (404, "not-found"), name
        elif route.method == "GET":
            assert answer.status == 200, name
            assert not [id_ for id_ in owner.ids.values() if id_ != "public" and id_ in str(answer.body)], name
            assert MARK not in str(answer.body), name
    assert await owner.state() == before


async def test_the_same_calls_find_and_change_everything_as_its_owner(owner: Owner) -> None:
    """Else the walk above would prove nothing."""
    before = await owner.state()
    named = [
        route
        for route in ROUTES
        if ("{" in route.path or route.method == "GET") and route.returns.get(200) is not EventStream
    ]
    for route in sorted(named, key=lambda route: route.method == "DELETE"):
        answer, name = await call(owner.api, route, owner.path(route)), f"{route.method} {route.path}"
        assert answer.status < 400, f"{name} {answer.body}"
    assert await owner.state() != before


async def test_the_stream_of_all_events_begins_for_a_stranger_with_its_own(
    owner: Owner, gateway: Gateway, session: aiohttp.ClientSession, internal: Api
) -> None:
    stranger = await other_tenant(owner.api)
    made = await stranger.post("/api/v1/monitors", {"stream_url": "https://cdn.example.com/b.m3u8"})
    ended = {"id": str(uuid7()), "type": "stream.ended", "at": "2026-11-20T12:00:00Z", "data": {"reason": "x"}}
    monitor = owner.kube_api.get("monitors", made.data["monitor_id"], "acme")
    assert (await internal.post("/internal/v1/reports", report(monitor, occurrences=[ended]))).status == 200
    for api, first in ((stranger, "stream.ended"), (owner.api, "monitor.error")):
        async with reading(gateway, session, key=api.key, after=str(UUID(int=0))) as reader:
            await wait_until(lambda reader=reader: reader.events, PATIENCE)  # type: ignore[misc]
            assert reader.events[0]["type"] == first
