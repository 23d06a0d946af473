# SPDX-License-Identifier: Apache-2.0
"""Endpoints over HTTP, as a user meets them."""

from typing import Any

import pytest
from castwarden_model.events import CATALOGUE

from tests.integration.webhooks.conftest import Api, Bench, Serve

NOBODY = "0193483a-6f2e-7c5e-9d3b-0a1b2c3d4e5f"


async def test_the_secret_is_told_at_creation_and_never_again(api: Api) -> None:
    status, body = await api("POST", "/endpoints", {"url": "https://hooks.example/a"})
    made = body["data"]
    assert status == 201
    assert made["secret"].startswith("whsec_")
    assert made["events"] == ["*"]
    assert (made["profile"], made["payload"], made["retry"]) == ("standard", "castwarden", "standard")
    _, one = await api("GET", f"/endpoints/{made['id']}")
    _, every = await api("GET", "/endpoints")
    assert one["data"] == every["data"][0] == {key: value for key, value in made.items() if key != "secret"}


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"url": "http://127.0.0.1/x"}, "/url"),
        ({"url": "http://10.1.2.3/x"}, "/url"),
        ({"url": "http://[::1]/x"}, "/url"),
        ({"url": "http://2130706433/"}, "/url"),
        ({"url": "http://localhost:8080/"}, "/url"),
        ({"url": "http://gateway.default.svc/"}, "/url"),
        ({"url": "https://user:pass@hooks.example/"}, "/url"),
        ({"url": "ftp://hooks.example/"}, "/url"),
        ({"url": "hooks.example"}, "/url"),
        ({"url": "https://hooks.example/\x00"}, "/url"),
        ({"url": "https://hooks.example/" + "a" * 2048}, "/url"),
        ({"url": "https://hooks.example/", "events": ["alrt.*"]}, "/events/0"),
        ({"url": "https://hooks.example/", "events": []}, "/events"),
        ({"url": "https://hooks.example/", "profile": "md5"}, "/profile"),
        ({"url": "https://hooks.example/", "timeout_seconds": 31}, "/timeout_seconds"),
        ({"url": "https://hooks.example/", "max_in_flight": 0}, "/max_in_flight"),
        ({"url": "https://hooks.example/", "description": "a\x00b"}, "/description"),
        ({"url": "https://hooks.example/", "secret": "mine"}, "/secret"),
        ({}, "/url"),
    ],
)
async def test_a_wrong_endpoint_is_refused_with_a_pointer_to_the_field(
    bench: Bench, serve: Serve, body: Any, pointer: str
) -> None:
    api = await serve(bench, allow=())
    status, problem = await api("POST", "/endpoints", body)
    assert (status, problem["code"]) == (422, "validation-error")
    assert [error["pointer"] for error in problem["errors"]] == [pointer]


async def test_an_endpoint_can_be_changed_disabled_and_deleted(api: Api, bench: Bench) -> None:
    _, body = await api("POST", "/endpoints", {"url": "https://hooks.example/a"})
    path = f"/endpoints/{body['data']['id']}"
    status, body = await api("PATCH", path, {"events": ["alert.*"], "retry": "seed"})
    assert (status, body["data"]["events"], body["data"]["retry"]) == (200, ["alert.*"], "seed")
    assert body["data"]["url"] == "https://hooks.example/a"
    await bench.emit("alert.freeze")
    _, body = await api("PATCH", path, {"enabled": False})
    assert (body["data"]["enabled"], body["data"]["disabled_reason"]) == (False, "by request")
    _, parked = await api("GET", "/deliveries?status=dead")
    assert [row["last_error"] for row in parked["data"]] == ["endpoint_disabled"]
    assert (await api("POST", f"/deliveries/{parked['data'][0]['id']}/resend"))[0] == 409
    _, body = await api("PATCH", path, {"enabled": True})
    assert body["data"]["disabled_reason"] is None
    status, _ = await api("DELETE", path)
    assert status == 204
    assert (await api("GET", path))[0] == 404
    assert (await api("GET", "/deliveries"))[1]["data"] == []


async def test_another_tenant_sees_and_touches_nothing(api: Api, bench: Bench) -> None:
    other = Bench(bench.database, bench.signer)
    await other.add_tenant("other")
    stranger = api.of(other.tenant_id)
    _, body = await api("POST", "/endpoints", {"url": "https://hooks.example/a"})
    await bench.emit("alert.freeze")
    delivery = (await api("GET", "/deliveries"))[1]["data"][0]["id"]
    endpoint = body["data"]["id"]

    assert (await stranger("GET", "/endpoints"))[1]["data"] == []
    assert (await stranger("GET", "/deliveries"))[1]["data"] == []
    assert (await stranger("GET", f"/deliveries?endpoint_id={endpoint}"))[1]["data"] == []
    for method, path, sent in [
        ("GET", f"/endpoints/{endpoint}", None),
        ("PATCH", f"/endpoints/{endpoint}", {"enabled": False}),
        ("DELETE", f"/endpoints/{endpoint}", None),
        ("POST", f"/endpoints/{endpoint}/test", None),
        ("POST", f"/endpoints/{endpoint}/recover", {"since": "2026-01-01T00:00:00Z"}),
        ("GET", f"/deliveries/{delivery}", None),
        ("POST", f"/deliveries/{delivery}/resend", None),
    ]:
        assert (await stranger(method, path, sent))[0] == 404
    assert (await api("GET", f"/endpoints/{endpoint}"))[1]["data"]["enabled"] is True


@pytest.mark.parametrize("id_", [NOBODY, "nonsense"])
@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/endpoints/{}", None),
        ("PATCH", "/endpoints/{}", {}),
        ("DELETE", "/endpoints/{}", None),
        ("POST", "/endpoints/{}/test", None),
        ("POST", "/endpoints/{}/recover", {"since": "2026-01-01T00:00:00Z"}),
        ("GET", "/deliveries/{}", None),
        ("POST", "/deliveries/{}/resend", None),
    ],
)
async def test_an_unknown_id_is_not_found(api: Api, id_: str, method: str, path: str, body: Any) -> None:
    status, problem = await api(method, path.format(id_), body)
    assert (status, problem["code"]) == (404, "not-found")


async def test_the_endpoint_of_a_monitor_is_changed_and_removed_through_the_monitor(api: Api, bench: Bench) -> None:
    await bench.bound("https://hooks.example/a", "uid-1")
    (endpoint,) = (await api("GET", "/endpoints"))[1]["data"]
    path = f"/endpoints/{endpoint['id']}"
    assert endpoint["resource_uid"] == "uid-1"
    assert (await api("PATCH", path, {"url": "https://hooks.example/b"}))[1]["code"] == "webhook-endpoint-bound"
    assert (await api("DELETE", path))[1]["code"] == "webhook-endpoint-bound"
    assert (await api("PATCH", path, {"enabled": False}))[1]["data"]["enabled"] is False
    assert (await api("PATCH", path, {"events": ["alert.*"]}))[1]["data"]["events"] == ["alert.*"]


async def test_the_catalogue_is_listed_with_schemas_and_examples(api: Api) -> None:
    _, body = await api("GET", "/event-types")
    assert {row["type"] for row in body["data"]} == set(CATALOGUE)
    blackout = next(row for row in body["data"] if row["type"] == "alert.blackout")
    assert blackout["schema"]["properties"]["duration_sec"]["type"] == "number"
    assert blackout["example"]["duration_sec"] == 30.0
