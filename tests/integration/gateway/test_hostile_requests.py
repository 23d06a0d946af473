# SPDX-License-Identifier: Apache-2.0
"""What a client or a worker can send to do harm, and that nobody else feels it."""

import asyncio
import io
import json
from typing import Any

import pytest
from castwarden_base.waiting import wait_until
from castwarden_gateway.app import Gateway

from tests.integration.gateway.conftest import PATIENCE, Api, monitor, report
from tests.integration.gateway.kube_double import KubeDouble, Object

URL = "https://cdn.example.com/a.m3u8"


@pytest.fixture
async def known(gateway: Gateway, kube_api: KubeDouble) -> Object:
    """A Monitor that the gateway has seen."""
    obj = kube_api.put("monitors", monitor("one"))
    await wait_until(lambda: gateway.resources.monitors.get("default", "one"), PATIENCE)
    return obj


async def test_a_report_of_a_hundred_thousand_wrong_transitions_is_a_short_refusal(
    internal: Api, known: Object
) -> None:
    refused, health = await asyncio.gather(
        internal.post("/internal/v1/reports", report(known, transitions=[{}] * 100_000)), internal.get("/healthz")
    )
    assert (refused.status, health.status) == (422, 200)
    assert len(str(refused.body)) < 16 * 1024


@pytest.mark.parametrize("body", [{"metadata": {f"k{n}": 1 for n in range(80_000)}}, {f"k{n}": 1 for n in range(9000)}])
async def test_a_body_with_too_many_keys_is_a_short_refusal(api: Api, body: dict[str, Any]) -> None:
    refused = await api.post("/api/v1/monitors", {"stream_url": URL, **body})
    assert refused.status == 422
    assert len(str(refused.body)) < 16 * 1024


async def test_more_than_eight_megabytes_are_not_read_from_a_worker(internal: Api, known: Object) -> None:
    body = io.BytesIO(json.dumps(report(known, feed={"error": "x" * 9_000_000})).encode())
    headers = {"Content-Type": "application/json"}
    refused = await internal.call("POST", "/internal/v1/reports", data=body, headers=headers)
    assert (refused.status, refused.body["code"]) == (413, "body-too-large")


@pytest.mark.parametrize(
    ("path", "parameter"),
    [
        ("/api/v1/events?name=%00abc", "name"),
        ("/api/v1/events?name=a%1Bbc", "name"),
        ("/api/v1/monitors?cursor=%00", "cursor"),
        ("/api/v1/channels/none/videos?search=%7F", "search"),
    ],
)
async def test_a_filter_with_a_control_character_is_refused(api: Api, path: str, parameter: str) -> None:
    refused = await api.get(path)
    assert (refused.status, refused.pointers) == (422, [parameter])


@pytest.mark.parametrize(
    ("path", "body", "pointer"),
    [
        ("/api/v1/monitors", {"stream_url": URL + "\x00"}, "/stream_url"),
        ("/api/v1/monitors", {"stream_url": URL, "metadata": {"a\x00b": "x"}}, "/metadata"),
        ("/api/v1/api_keys", {"name": "a\x00b"}, "/name"),
        ("/api/v1/tenants", {"slug": "some", "name": "a\x1bb"}, "/name"),
        ("/api/v1/channels", {"feed_url": URL, "time_zone": "\x00"}, "/time_zone"),
        ("/api/v1/webhooks/endpoints", {"url": URL, "description": "a\x07"}, "/description"),
    ],
)
async def test_a_body_with_a_control_character_is_refused(
    api: Api, path: str, body: dict[str, Any], pointer: str
) -> None:
    refused = await api.post(path, body)
    assert (refused.status, refused.pointers) == (422, [pointer])


MANY = 10_000


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"events": ["alert.*"] * MANY}, "/events"),
        ({"filter": {"data": {f"k{number}": 1 for number in range(MANY)}}}, "/filter/data"),
        ({"filter": {"$or": [{"type": "a"}] * MANY}}, "/filter/$or"),
        ({"filter": {"type": ["a"] * MANY}}, "/filter/type"),
        ({"labels": {f"k{number}": "x" for number in range(MANY)}}, "/labels"),
        ({"headers": {f"X-{number}": "x" for number in range(MANY)}}, "/headers"),
        ({"retry": "custom", "retry_waits": [5] * MANY}, "/retry_waits"),
        ({"headers": {"X-A": "a\r\nX-Signature-256: forged"}}, "/headers/X-A"),
        ({"headers": {"X-A: a\r\nX-B": "b"}}, "/headers/X-A: a\r\nX-B"),
        ({"url": "https://user:password@hooks.example/"}, "/url"),
        ({"url": "https://token@hooks.example/"}, "/url"),
    ],
)
async def test_an_endpoint_of_too_much_or_with_something_smuggled_in_is_a_short_refusal(
    api: Api, body: dict[str, Any], pointer: str
) -> None:
    path = "/api/v1/webhooks/endpoints"
    made = await api.post(path, {"url": URL})
    for refused in (
        await api.post(path, {"url": URL, **body}),
        await api.patch(f"{path}/{made.data['id']}", body),
    ):
        assert (refused.status, refused.pointers) == (422, [pointer])
        assert len(str(refused.body)) < 16 * 1024
        assert "password" not in str(refused.body)


@pytest.mark.parametrize("url", ["https://user:password@hooks.example/", "https://token@hooks.example/"])
async def test_a_monitors_receiver_with_credentials_in_its_url_is_refused_and_they_are_not_repeated(
    api: Api, url: str
) -> None:
    refused = await api.post("/api/v1/monitors", {"stream_url": URL, "callback_url": url})
    assert (refused.status, refused.pointers) == (422, ["/callback_url"])
    assert "password" not in str(refused.body)
    assert "token" not in str(refused.body)


async def test_a_path_with_a_control_character_names_nothing(api: Api) -> None:
    for path in ("/api/v1/tenants/%00", "/api/v1/monitors/%00", "/api/v1/channels/%1b/videos"):
        assert (await api.get(path)).status == 404


async def test_a_lone_surrogate_is_not_json(api: Api) -> None:
    refused = await api.post("/api/v1/api_keys", {"name": "\ud800"})
    assert (refused.status, refused.body["code"]) == (400, "malformed-request")


async def test_headers_that_are_not_utf_8_are_refused_like_other_wrong_ones(api: Api, internal: Api) -> None:
    odd = "\udcff"
    assert (await api.with_headers(X_Tenant_Id=odd).get("/api/v1/monitors")).status == 400
    assert (await api.with_headers(Authorization=f"Bearer {odd}").get("/api/v1/monitors")).status == 401
    assert (
        await internal.with_headers(X_Internal_API_Key=odd).get("/internal/v1/assignments/Monitor/a/b?uid=c")
    ).status == 401


async def test_nul_in_a_report_is_refused_and_other_characters_of_a_strange_title_are_not(
    internal: Api, known: Object
) -> None:
    seen = {"stream": "Live", "title": "a\x1bb"}
    assert (await internal.post("/internal/v1/reports", report(known, monitor=seen))).status == 200
    refused = await internal.post("/internal/v1/reports", report(known, seq=2, monitor={**seen, "title": "a\x00b"}))
    assert (refused.status, refused.pointers) == (422, ["/monitor/title"])
