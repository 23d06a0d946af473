# SPDX-License-Identifier: Apache-2.0
import re
from typing import Any

import aiohttp
import pytest
from castwarden_gateway.app import Gateway

from tests.integration.gateway.conftest import KEY, Api, Gateways, monitor, public, report
from tests.integration.gateway.kube_double import KubeDouble
from tests.plugins.databases import see_all

CALLS: dict[str, list[tuple[str, str, Any]]] = {
    "/api/v1/monitors": [
        ("GET", "", None),
        ("PATCH", "", {"suspend": True}),
        ("DELETE", "", None),
        ("GET", "/events", None),
        ("GET", "/thumbnail", None),
        ("GET", "/measurements", None),
    ],
    "/api/v1/channels": [
        ("GET", "", None),
        ("PATCH", "", {"suspend": True}),
        ("DELETE", "", None),
        ("GET", "/events", None),
        ("GET", "/videos", None),
        ("POST", "/poll", None),
    ],
    "/api/v1/downloads": [
        ("GET", "", None),
        ("PATCH", "", {"suspend": True}),
        ("DELETE", "", None),
        ("GET", "/events", None),
    ],
    "/api/v1/webhooks/endpoints": [
        ("GET", "", None),
        ("PATCH", "", {"enabled": False}),
        ("DELETE", "", None),
        ("POST", "/test", None),
        ("POST", "/recover", {"since": "2026-01-01T00:00:00Z"}),
    ],
    "/api/v1/api_keys": [("POST", "/rotate", {}), ("DELETE", "", None)],
}
"""Everything that can be asked of one resource."""


async def other_tenant(api: Api) -> Api:
    """A client of another tenant, with a key of its own."""
    await api.post("/api/v1/tenants", {"slug": "acme"})
    made = await api.with_headers(X_Tenant_Id="acme").post("/api/v1/api_keys", {"name": "acme's"})
    return api.with_key(made.data["key"])


async def test_nothing_of_a_tenant_exists_for_another(
    api: Api, internal: Api, kube_api: KubeDouble, gateway: Gateway
) -> None:
    stranger = await other_tenant(api)
    hook = {"url": "http://127.0.0.1:9/hook"}
    mine = {
        "/api/v1/monitors": await api.post("/api/v1/monitors", {"stream_url": "https://cdn.example.com/a.m3u8"}),
        "/api/v1/channels": await api.post("/api/v1/channels", {"feed_url": "https://cdn.example.com/feed"}),
        "/api/v1/downloads": await api.post("/api/v1/downloads", {"url": "https://cdn.example.com/a.mp4"}),
        "/api/v1/webhooks/endpoints": await api.post("/api/v1/webhooks/endpoints", hook),
        "/api/v1/api_keys": await api.post("/api/v1/api_keys", {"name": "mine"}),
    }
    obj = kube_api.get("monitors", mine["/api/v1/monitors"].data["monitor_id"])
    ended = {"id": "01a1fb69-f20b-7c76-b837-e426c7a91edc", "type": "stream.ended", "data": {"reason": "x"}}
    await internal.post("/internal/v1/reports", report(obj, occurrences=[{**ended, "at": "2026-11-20T12:00:00Z"}]))
    event = (await api.get("/api/v1/events")).data[0]
    assert (await stranger.get("/api/v1/events")).data == []
    assert (await stranger.get(f"/api/v1/events/{event['id']}")).status == 404
    for path, made in mine.items():
        one = made.data.get("monitor_id") or made.data["id"]
        assert made.status == 201, path
        shown = (await stranger.get(path)).data
        assert one not in [row.get("monitor_id") or row["id"] for row in shown], path
        for method, rest, body in CALLS[path]:
            answer = await stranger.call(method, f"{path}/{one}{rest}", body)
            assert (answer.status, answer.body["code"]) == (404, "not-found"), (method, path, rest)
        if path != "/api/v1/api_keys":
            assert (await api.get(f"{path}/{one}")).status == 200, path


async def test_two_tenants_may_watch_the_same_stream(api: Api, kube_api: KubeDouble) -> None:
    stranger = await other_tenant(api)
    body = {"stream_url": "https://cdn.example.com/a.m3u8"}
    assert (await api.post("/api/v1/monitors", body)).status == 201
    assert (await stranger.post("/api/v1/monitors", body)).status == 201
    assert {namespace for _, namespace, _ in kube_api.objects} == {"default", "acme"}


async def test_the_tenant_header_may_only_repeat_the_keys_tenant_unless_the_key_is_an_administrators(api: Api) -> None:
    stranger = await other_tenant(api)
    assert (await stranger.with_headers(X_Tenant_Id="acme").get("/api/v1/monitors")).status == 200
    refused = await stranger.with_headers(X_Tenant_Id="public").get("/api/v1/monitors")
    assert (refused.status, refused.body["code"]) == (403, "forbidden")
    unknown = await api.with_headers(X_Tenant_Id="nobody").get("/api/v1/monitors")
    assert (unknown.status, unknown.body["code"]) == (400, "invalid-tenant")


async def test_a_key_is_shown_once_and_stored_as_a_hash(api: Api, database_url: str) -> None:
    made = (await api.post("/api/v1/api_keys", {"name": "app", "scopes": ["monitors:read"]})).data
    assert re.fullmatch(r"yttr_[A-Z2-7]{52}", made["key"])
    listed = (await api.get("/api/v1/api_keys")).data
    assert len(listed) == 2
    assert all("key" not in row and "key_hash" not in row for row in listed)
    connection = await see_all(database_url)
    stored = [str(dict(row)) for row in await connection.fetch("select * from api_keys")]
    await connection.close()
    assert len(stored) == 2
    assert not any(made["key"] in row or KEY in row for row in stored)


async def test_a_key_works_in_both_headers_until_it_is_revoked(
    api: Api, gateway: Gateway, session: aiohttp.ClientSession
) -> None:
    made = (await api.post("/api/v1/api_keys", {"name": "app"})).data
    url = f"http://127.0.0.1:{gateway.public_port}"
    assert (await api.with_key(made["key"]).get("/v1/monitors")).status == 200
    other = Api(session, url, {"X-API-Key": made["key"]})
    assert (await other.get("/v1/monitors")).status == 200
    assert (await api.delete(f"/api/v1/api_keys/{made['id']}")).status == 204
    refused = await other.get("/v1/monitors")
    assert (refused.status, refused.body["code"]) == (401, "unauthorized")
    assert refused.headers["WWW-Authenticate"].startswith("Bearer")
    assert (await Api(session, url, {}).get("/v1/monitors")).status == 401


async def test_an_expired_key_is_refused_and_an_expiry_in_the_past_is_not_accepted(api: Api, database_url: str) -> None:
    body = {"name": "app", "expires_at": "2020-01-01T00:00:00Z"}
    assert (await api.post("/api/v1/api_keys", body)).pointers == ["/expires_at"]
    made = (await api.post("/api/v1/api_keys", {**body, "expires_at": "2099-01-01T00:00:00Z"})).data
    connection = await see_all(database_url)
    await connection.execute("update api_keys set expires_at = now() - interval '1 second' where name = 'app'")
    await connection.close()
    assert (await api.with_key(made["key"]).get("/api/v1/monitors")).status == 401


async def test_scopes_bound_a_key_and_nobody_gives_away_more_than_they_hold(api: Api) -> None:
    scopes = ["monitors:read", "api_keys:write"]
    limited = api.with_key((await api.post("/api/v1/api_keys", {"name": "ro", "scopes": scopes})).data["key"])
    assert (await limited.get("/api/v1/monitors")).status == 200
    assert (await limited.post("/api/v1/monitors", {"stream_url": "https://a.example/x"})).status == 403
    assert (await limited.post("/api/v1/tenants", {"slug": "x"})).status == 403
    for scopes in (["*"], ["admin"], ["monitors:*"]):
        assert (await limited.post("/api/v1/api_keys", {"name": "more", "scopes": scopes})).status == 403
    assert (await limited.post("/api/v1/api_keys", {"name": "same", "scopes": ["monitors:read"]})).status == 201


async def test_a_key_beyond_its_rate_is_told_when_to_come_back(api: Api) -> None:
    body = {"name": "slow", "rate_limit": 2, "rate_window_seconds": 3600}
    slow = api.with_key((await api.post("/api/v1/api_keys", body)).data["key"])
    first = await slow.get("/api/v1/monitors")
    assert first.headers["RateLimit-Policy"] == '"default";q=2;w=3600'
    assert first.headers["RateLimit"].startswith('"default";r=1;')
    await slow.get("/api/v1/monitors")
    refused = await slow.get("/api/v1/monitors")
    assert (refused.status, refused.body["code"]) == (429, "rate-limit-exceeded")
    assert 1700 < int(refused.headers["Retry-After"]) <= 1800


async def test_the_first_start_prints_one_key_once(
    gateways: Gateways, session: aiohttp.ClientSession, capsys: pytest.CaptureFixture[str]
) -> None:
    gateway = await gateways.start(api_key=None)
    printed = re.findall(r"yttr_[A-Z2-7]{52}", capsys.readouterr().out)
    assert len(printed) == 1
    assert (await public(gateway, session).with_key(printed[0]).get("/api/v1/tenants")).status == 200
    await gateways.stop(gateway)
    await gateways.start(api_key=None)
    assert not re.findall(r"yttr_[A-Z2-7]{52}", capsys.readouterr().out)


async def test_a_namespace_without_a_tenant_gets_one_when_its_resources_report(
    api: Api, internal: Api, kube_api: KubeDouble
) -> None:
    obj = kube_api.put("monitors", monitor("one", namespace="studio"))
    ended = {"id": "01a1fb69-f20b-7c76-b837-e426c7a91edc", "type": "stream.ended", "data": {"reason": "x"}}
    body = report(obj, occurrences=[{**ended, "at": "2026-11-20T12:00:00Z"}])
    assert (await internal.post("/internal/v1/reports", body)).status == 200
    studio = api.with_headers(X_Tenant_Id="studio")
    assert [event["type"] for event in (await studio.get("/api/v1/events")).data] == ["stream.ended"]
    assert [one["monitor_id"] for one in (await studio.get("/api/v1/monitors")).data] == ["one"]
