# SPDX-License-Identifier: Apache-2.0
"""The order in which a request is judged: key, rate, repeat; and what a browser of another origin may read of it."""

import aiohttp
import pytest
from castwarden_gateway.settings import GatewaySettings
from pydantic import ValidationError

from tests.integration.gateway.conftest import Api, Gateways, public

MONITORS = "/api/v1/monitors"
BODY = {"stream_url": "https://cdn.example.com/a.m3u8"}
APP = "https://app.example.com"


async def test_key_before_rate_before_repeat_and_every_refusal_can_be_read_from_an_allowed_origin(
    gateways: Gateways, session: aiohttp.ClientSession
) -> None:
    gateway = await gateways.start(allow_origins=APP)
    admin = public(gateway, session)
    slow = {"name": "slow", "rate_limit": 2, "rate_window_seconds": 3600}
    key = (await admin.post("/api/v1/api_keys", slow)).data["key"]
    keyed = admin.with_key(key).with_headers(Idempotency_Key="k", Origin=APP)
    made = await keyed.post(MONITORS, BODY)
    replayed = await keyed.post(MONITORS, BODY)
    too_fast = await keyed.post(MONITORS, BODY)  # a repeat, which costs as much as any request
    unknown = await admin.with_key("wrong").with_headers(Idempotency_Key="k", Origin=APP).post(MONITORS, BODY)
    assert [answer.status for answer in (made, replayed, too_fast, unknown)] == [201, 201, 429, 401]
    assert replayed.headers["Idempotency-Replayed"] == "true"
    for answer in (made, replayed, too_fast, unknown):
        assert answer.headers["Access-Control-Allow-Origin"] == APP
        assert answer.headers["Vary"] == "Origin"
        assert "RateLimit" in answer.headers["Access-Control-Expose-Headers"]


async def test_a_repeat_without_the_scope_is_refused(api: Api) -> None:
    await api.with_headers(Idempotency_Key="k").post(MONITORS, BODY)
    reader = {"name": "reader", "scopes": ["monitors:read"]}
    other = api.with_key((await api.post("/api/v1/api_keys", reader)).data["key"])
    assert (await other.with_headers(Idempotency_Key="k").post(MONITORS, BODY)).status == 403


async def test_a_preflight_needs_no_key_and_names_the_methods_of_the_path(
    gateways: Gateways, session: aiohttp.ClientSession
) -> None:
    gateway = await gateways.start(allow_origins=f"{APP},http://localhost:3000")
    asking = {"Origin": APP, "Access-Control-Request-Method": "PATCH", "Access-Control-Request-Headers": "if-match"}
    nobody = Api(session, f"http://127.0.0.1:{gateway.public_port}", {})
    granted = await nobody.call("OPTIONS", f"{MONITORS}/x", headers=asking)
    assert (granted.status, granted.headers["Access-Control-Allow-Origin"]) == (204, APP)
    assert granted.headers["Access-Control-Allow-Methods"] == "DELETE, GET, HEAD, PATCH"
    for header in ("Authorization", "X-API-Key", "Idempotency-Key", "If-Match", "Last-Event-ID", "Content-Type"):
        assert header in granted.headers["Access-Control-Allow-Headers"]
    assert "Access-Control-Allow-Credentials" not in granted.headers
    stranger = await nobody.call("OPTIONS", f"{MONITORS}/x", headers={**asking, "Origin": "https://evil.example.com"})
    assert "Access-Control-Allow-Origin" not in stranger.headers
    assert "Access-Control-Allow-Methods" not in stranger.headers
    assert (await nobody.call("OPTIONS", "/api/v1/nothing", headers=asking)).status == 404
    assert (await nobody.call("OPTIONS", MONITORS)).status == 405


async def test_any_origin_may_be_allowed(gateways: Gateways, session: aiohttp.ClientSession) -> None:
    api = public(await gateways.start(allow_origins="*"), session)
    assert (await api.with_headers(Origin=APP).get(MONITORS)).headers["Access-Control-Allow-Origin"] == "*"
    assert "Access-Control-Allow-Origin" not in (await api.get(MONITORS)).headers


@pytest.mark.parametrize(
    ("text", "expected"),
    [("none", ()), ("*", ("*",)), ("HTTPS://App.example.com, http://b:1", ("https://app.example.com", "http://b:1"))],
)
def test_origins_are_read(text: str, expected: tuple[str, ...]) -> None:
    assert settings(text).allow_origins == expected


@pytest.mark.parametrize("text", ["app.example.com", "https://a.example/path", "https://a.example/", "null"])
def test_what_is_no_origin_stops_the_start(text: str) -> None:
    with pytest.raises(ValidationError, match="without a path"):
        settings(text)


def settings(origins: str) -> GatewaySettings:
    return GatewaySettings(database_url="postgresql://", secret_keys=(bytes(32),), allow_origins=origins)
