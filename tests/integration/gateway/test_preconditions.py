# SPDX-License-Identifier: Apache-2.0
"""ETag with If-None-Match and If-Match, on every resource that can be read and changed."""

from typing import Any

import pytest
from castwarden_gateway.http.problems import PreconditionFailed
from castwarden_gateway.tables import PUBLIC_ROUTES

from tests.integration.gateway.conftest import Api
from tests.integration.gateway.kube_double import KubeDouble

RESOURCES = [
    ("/api/v1/monitors", {"stream_url": "https://cdn.example.com/a.m3u8"}, [{"depth": "Full"}, {"depth": "Adaptive"}]),
    ("/api/v1/channels", {"feed_url": "https://cdn.example.com/f"}, [{"suspend": True}, {"suspend": False}]),
    ("/api/v1/downloads", {"url": "https://cdn.example.com/d.mp4"}, [{"suspend": True}, {"suspend": False}]),
    ("/api/v1/webhooks/endpoints", {"url": "http://127.0.0.1:9/"}, [{"description": "a"}, {"description": "b"}]),
]


def test_whatever_can_be_read_is_changed_and_deleted_on_condition() -> None:
    table = [route for routes in PUBLIC_ROUTES for route in routes]
    readable = {route.path for route in table if route.method == "GET"}
    changes = [route for route in table if route.method in ("PUT", "PATCH", "DELETE") and route.path in readable]
    assert {route.path for route in changes} == {f"{path}/{{id}}" for path, _, _ in RESOURCES}
    assert all(PreconditionFailed in route.problems for route in changes)


@pytest.mark.parametrize(("path", "body", "changes"), RESOURCES, ids=[path for path, _, _ in RESOURCES])
async def test_a_stale_tag_changes_and_deletes_nothing(api: Api, path: str, body: Any, changes: list[Any]) -> None:
    made = (await api.post(path, body)).data
    one = f"{path}/{made.get('monitor_id') or made['id']}"
    known = (await api.get(one)).headers["ETag"]
    unchanged = await api.get(one, headers={"If-None-Match": known})
    assert (unchanged.status, unchanged.body, unchanged.headers["ETag"]) == (304, "", known)
    changed = await api.patch(one, changes[0], headers={"If-Match": known})
    assert changed.status == 200
    newer = await api.get(one, headers={"If-None-Match": known})
    assert (newer.status, newer.headers["ETag"] == known) == (200, False)
    for refused in (
        await api.patch(one, changes[1], headers={"If-Match": known}),
        await api.delete(one, headers={"If-Match": known}),
        await api.delete(one, headers={"If-Match": f"W/{newer.headers['ETag']}"}),
    ):
        assert (refused.status, refused.body["code"]) == (412, "precondition-failed")
    assert (await api.get(one)).data == newer.data
    assert (await api.patch(one, changes[1], headers={"If-Match": changed.headers["ETag"]})).status == 200
    assert (await api.delete(one, headers={"If-Match": "*"})).status in (200, 204)
    assert (await api.get(one)).status == 404


async def test_what_is_seen_makes_another_tag_and_no_change_stale(api: Api, kube_api: KubeDouble) -> None:
    made = await api.post("/api/v1/monitors", {"stream_url": "https://cdn.example.com/a.m3u8"})
    path = f"/api/v1/monitors/{made.data['monitor_id']}"
    known = (await api.get(path)).headers["ETag"]
    assert known == made.headers["ETag"]
    found = kube_api.get("monitors", made.data["monitor_id"])
    seen = {"stream": {"state": "Live"}}
    kube_api.put("monitors", {**found, "metadata": {**found["metadata"]}, "status": seen})
    changed = await api.patch(path, {"depth": "Full"}, headers={"If-Match": known})
    assert changed.status == 200
    assert (await api.get(path, headers={"If-None-Match": known})).status == 200
    found = kube_api.get("monitors", made.data["monitor_id"])
    kube_api.put("monitors", {**found, "metadata": {**found["metadata"]}, "status": {"seat": "x/1"}})
    assert (await api.delete(path, headers={"If-Match": changed.headers["ETag"]})).status == 200


async def test_a_list_is_not_sent_again_while_it_is_the_same(api: Api) -> None:
    known = (await api.get("/api/v1/channels")).headers["ETag"]
    assert (await api.get("/api/v1/channels", headers={"If-None-Match": known})).status == 304
    await api.post("/api/v1/channels", {"feed_url": "https://cdn.example.com/f"})
    assert (await api.get("/api/v1/channels", headers={"If-None-Match": known})).status == 200
