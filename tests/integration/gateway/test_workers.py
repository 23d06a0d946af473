# SPDX-License-Identifier: Apache-2.0
"""Assignments, and who may ask for them."""

import asyncio
import time
from typing import Any

import aiohttp
import pytest
from castwarden_base.ids import uuid7
from castwarden_base.waiting import wait_until
from castwarden_gateway.app import Gateway

from tests.integration.gateway.conftest import KEY, PATIENCE, Api, monitor, report, transition
from tests.integration.gateway.kube_double import KubeDouble, Object


@pytest.fixture
async def obj(gateway: Gateway, kube_api: KubeDouble) -> Object:
    found = kube_api.put("monitors", monitor("one"))
    await wait_until(lambda: gateway.resources.monitors.get("default", "one"), PATIENCE)
    return found


def path(obj: Object, **query: Any) -> str:
    meta = obj["metadata"]
    extra = "".join(f"&{name}={value}" for name, value in query.items())
    return f"/internal/v1/assignments/{obj['kind']}/{meta['namespace']}/{meta['name']}?uid={meta['uid']}{extra}"


def worker(gateway: Gateway, session: aiohttp.ClientSession, token: str) -> Api:
    return Api(session, f"http://127.0.0.1:{gateway.internal_port}", {"Authorization": f"Bearer {token}"})


async def test_a_worker_that_begins_gets_the_spec_and_what_is_known(internal: Api, obj: Object) -> None:
    first = (await internal.get(path(obj))).body
    assert (first["kind"], first["epoch"], first["stream"], first["open"]) == ("Monitor", 1, "Unknown", [])
    assert first["spec"]["checks"]["black"]["raiseAfter"] == "30s"
    seen = {"stream": "Live", "statistics": {"blackout_events": 2}}
    raised = transition("black", "raised")
    await internal.post("/internal/v1/reports", report(obj, monitor=seen, transitions=[raised]))
    second = (await internal.get(path(obj))).body
    assert (second["epoch"], second["stream"], second["statistics"]["blackoutEvents"]) == (2, "Live", 2)
    assert [(one["condition"], one["episode"]) for one in second["open"]] == [("black", raised["episode"])]
    over = {"id": str(uuid7()), "type": "stream.ended", "at": raised["at"], "data": {"reason": "endlist_detected"}}
    blocked = {"stream": "ProbeBlocked", "reason": "bot_check"}
    await internal.post(
        "/internal/v1/reports", report(obj, epoch=2, seq=1, monitor={"stream": "Ended"}, occurrences=[over])
    )
    await internal.post("/internal/v1/reports", report(obj, epoch=2, seq=2, monitor=blocked))
    third = (await internal.get(path(obj))).body
    assert (third["stream"], third["end_reason"]) == ("Ended", "endlist_detected")


async def test_a_wait_ends_with_204_when_nothing_changes_and_at_once_when_the_spec_does(
    gateway: Gateway, internal: Api, kube_api: KubeDouble, obj: Object
) -> None:
    version = (await internal.get(path(obj))).body["version"]
    assert (await internal.get(path(obj, version=version, wait=0.05))).status == 204
    waiting = asyncio.create_task(internal.get(path(obj, version=version, wait=30)))
    kube_api.put("monitors", {**obj, "metadata": {**obj["metadata"]}, "status": {"podName": "x"}})
    kube_api.put("monitors", {**obj, "metadata": {**obj["metadata"]}, "spec": {**obj["spec"], "depth": "Full"}})
    answer = await asyncio.wait_for(waiting, PATIENCE)
    assert (answer.status, answer.body["spec"]["depth"], answer.body["epoch"]) == (200, "Full", 1)
    assert answer.body["version"] != version


async def test_a_waiting_worker_hears_at_once_that_its_resource_is_gone(
    internal: Api, kube_api: KubeDouble, obj: Object
) -> None:
    version = (await internal.get(path(obj))).body["version"]
    waiting = asyncio.create_task(internal.get(path(obj, version=version, wait=30)))
    kube_api.remove("monitors", "default", "one")
    answer = await asyncio.wait_for(waiting, PATIENCE)
    assert (answer.status, answer.body["code"]) == (404, "gone")


async def test_thousands_may_wait_at_once(internal: Api, obj: Object, gateway: Gateway) -> None:
    version = (await internal.get(path(obj))).body["version"]
    cache = gateway.resources.monitors.cache
    waits = [asyncio.create_task(cache.changed("default", f"other-{n}", 60)) for n in range(5000)]
    waiting = asyncio.create_task(internal.get(path(obj, version=version, wait=0.2)))
    assert (await waiting).status == 204
    cache.wake_all()
    assert all(await asyncio.gather(*waits))


async def test_a_token_opens_only_the_resource_of_its_pod(
    gateway: Gateway, session: aiohttp.ClientSession, kube_api: KubeDouble, obj: Object
) -> None:
    other = kube_api.put("monitors", monitor("two"))
    mine = worker(gateway, session, kube_api.add_pod("monitor-one", "Monitor", "one"))
    assert (await mine.get(path(obj))).status == 200
    assert (await mine.get(path(other))).status == 403
    assert (await mine.post("/internal/v1/reports", report(other))).status == 403
    elsewhere = worker(gateway, session, kube_api.add_pod("monitor-one", "Monitor", "one", namespace="elsewhere"))
    assert (await elsewhere.get(path(obj))).status == 403


async def test_a_token_is_worth_nothing_when_it_is_unknown_unbound_or_its_pod_is_gone(
    gateway: Gateway, session: aiohttp.ClientSession, kube_api: KubeDouble, obj: Object
) -> None:
    token = kube_api.add_pod("monitor-one", "Monitor", "one")
    kube_api.tokens["unbound"] = {**kube_api.tokens[token], "user": {"username": "system:serviceaccount:default:x"}}
    kube_api.tokens["other-audience"] = {**kube_api.tokens[token], "audiences": ["else"]}
    kube_api.remove("pods", "default", "monitor-one")
    for bad in ("nonsense", "unbound", "other-audience", token):
        answer = await worker(gateway, session, bad).get(path(obj))
        assert (answer.status, answer.body["code"]) == (401, "unauthorized"), bad
    assert (await Api(session, f"http://127.0.0.1:{gateway.internal_port}", {}).get(path(obj))).status == 401
    wrong = Api(session, f"http://127.0.0.1:{gateway.internal_port}", {"X-Internal-API-Key": "wrong"})
    assert (await wrong.get(path(obj))).status == 401


async def test_a_token_is_reviewed_once_a_minute(
    gateway: Gateway, session: aiohttp.ClientSession, kube_api: KubeDouble, obj: Object
) -> None:
    mine = worker(gateway, session, kube_api.add_pod("monitor-one", "Monitor", "one"))
    for seq in range(3):
        assert (await mine.post("/internal/v1/reports", report(obj, seq=seq, epoch=0))).status == 200
    reviews = [path for _, path in kube_api.requests if path.endswith("tokenreviews")]
    assert len(reviews) == 1


async def test_a_pod_that_was_replaced_is_fenced_off(
    gateway: Gateway, session: aiohttp.ClientSession, api: Api, kube_api: KubeDouble, obj: Object
) -> None:
    old = worker(gateway, session, kube_api.add_pod("monitor-one-a", "Monitor", "one"))
    new = worker(gateway, session, kube_api.add_pod("monitor-one-b", "Monitor", "one"))
    first = (await old.get(path(obj))).body
    assert (await new.get(path(obj))).body["epoch"] == first["epoch"] + 1
    late = await old.post("/internal/v1/reports", report(obj, epoch=first["epoch"]))
    assert (late.status, late.body["code"]) == (409, "fenced")


async def test_a_restarted_container_of_the_same_pod_may_send_what_it_had_kept(
    gateway: Gateway, session: aiohttp.ClientSession, api: Api, kube_api: KubeDouble, obj: Object
) -> None:
    pod = worker(gateway, session, kube_api.add_pod("monitor-one", "Monitor", "one"))
    first = (await pod.get(path(obj))).body["epoch"]
    await pod.get(path(obj))
    kept = report(obj, epoch=first, seq=9, monitor={"stream": "Ended"}, transitions=[transition("black", "raised")])
    assert (await pod.post("/internal/v1/reports", kept)).status == 200
    shown = (await api.get("/api/v1/monitors/one")).data
    assert (shown["stream_status"], shown["open_conditions"]) == ("unknown", ["black"])


async def test_the_public_key_opens_nothing_inside_and_the_other_way_round(
    gateway: Gateway, session: aiohttp.ClientSession, api: Api, internal: Api, obj: Object
) -> None:
    assert (await api.get(path(obj))).status == 404
    url = f"http://127.0.0.1:{gateway.internal_port}/api/v1/monitors"
    async with session.get(url, headers={"Authorization": f"Bearer {KEY}"}) as shut:
        assert shut.status == 404
    assert (await internal.with_headers().get("/healthz")).status == 200


async def test_a_worker_whose_clock_is_off_is_told_in_status_and_by_a_gauge(
    api: Api, internal: Api, obj: Object
) -> None:
    wrong = internal.with_headers(X_Worker_Time=f"{time.time() - 3600:.3f}")
    seen = {"stream": "Live", "video": "ok", "audio": "ok"}
    assert (await wrong.post("/internal/v1/reports", report(obj, seq=1, monitor=seen))).status == 200
    condition = (await api.get("/api/v1/monitors/one")).data["conditions"][0]
    assert (condition["type"], condition["status"]) == ("Degraded", "False")
    assert condition["message"] == "the worker's clock is about 3600 s behind: so are the times of its events"
    assert "castwarden_gateway_worker_clocks_off 1.0" in (await api.get("/metrics")).body

    right = internal.with_headers(X_Worker_Time=f"{time.time():.3f}")
    assert (await right.post("/internal/v1/reports", report(obj, seq=2, monitor=seen))).status == 200
    assert (await api.get("/api/v1/monitors/one")).data["conditions"][0]["message"] == ""
    assert "castwarden_gateway_worker_clocks_off 0.0" in (await api.get("/metrics")).body


async def test_a_worker_cannot_say_itself_how_far_its_clock_is_off(api: Api, internal: Api, obj: Object) -> None:
    body = report(obj, monitor={"stream": "Live"}, clock_offset=1e9)
    assert (await internal.post("/internal/v1/reports", body)).status == 200
    assert (await api.get("/api/v1/monitors/one")).data["conditions"][0]["message"] == ""
