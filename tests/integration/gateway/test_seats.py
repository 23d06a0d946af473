# SPDX-License-Identifier: Apache-2.0
"""Packed Monitors: a shared Pod hears who sits in it, and nobody speaks for a Monitor but the Pod of its seat."""

import asyncio
from collections.abc import Callable
from typing import Any

import aiohttp
import pytest
from castwarden_base.waiting import wait_until
from castwarden_gateway.app import Gateway

from tests.integration.gateway.conftest import PATIENCE, Api, monitor, report, transition
from tests.integration.gateway.kube_double import KubeDouble, Object
from tests.integration.gateway.test_workers import path, worker

SEATS = "/internal/v1/seats"
FIRST, SECOND = "monitors-default-0", "monitors-default-1"
Seat = Callable[..., Any]


@pytest.fixture
def put(gateway: Gateway, kube_api: KubeDouble) -> Seat:
    """Makes Packed Monitors and waits until the gateway knows them as they are now."""

    async def put(name: str, seat: str | None = None, pod: str | None = None, **spec: Any) -> Object:
        if ("monitors", "default", name) not in kube_api.objects:
            kube_api.put("monitors", monitor(name, placement="Packed") | {"status": {}})
        if spec:
            found = kube_api.get("monitors", name)
            kube_api.put("monitors", {**found, "metadata": {**found["metadata"]}, "spec": {**found["spec"], **spec}})
        kube_api.seat(name, seat, pod)
        version = kube_api.get("monitors", name)["metadata"]["resourceVersion"]
        cache = gateway.resources.monitors.cache
        await wait_until(
            lambda: (cache.get("default", name) or {"metadata": {}})["metadata"].get("resourceVersion") == version,
            PATIENCE,
        )
        return kube_api.get("monitors", name)

    return put


@pytest.fixture
def first(gateway: Gateway, session: aiohttp.ClientSession, kube_api: KubeDouble) -> Api:
    return worker(gateway, session, kube_api.add_shared_pod(FIRST))


@pytest.fixture
def second(gateway: Gateway, session: aiohttp.ClientSession, kube_api: KubeDouble) -> Api:
    return worker(gateway, session, kube_api.add_shared_pod(SECOND))


def names(body: Any) -> list[str]:
    return [seat["name"] for seat in body["seats"]]


async def test_a_shared_pod_hears_who_has_a_seat_in_it_and_nobody_else(first: Api, second: Api, put: Seat) -> None:
    assert (await first.get(SEATS)).body["seats"] == []
    await put("b", f"{FIRST}/1")
    await put("a", f"{FIRST}/0")
    await put("c", f"{SECOND}/0")
    await put("d")
    found = (await first.get(SEATS)).body
    assert names(found) == ["a", "b"]
    assert found["seats"][0].keys() == {"kind", "namespace", "name", "uid"}
    assert names((await second.get(SEATS)).body) == ["c"]


async def test_a_wait_for_seats_ends_at_once_when_somebody_comes_or_goes(
    first: Api, put: Seat, kube_api: KubeDouble
) -> None:
    empty = (await first.get(SEATS)).body["version"]
    assert (await first.get(f"{SEATS}?version={empty}&wait=0.05")).status == 204
    waiting = asyncio.create_task(first.get(f"{SEATS}?version={empty}&wait=30"))
    await put("a", f"{FIRST}/0")
    one = (await asyncio.wait_for(waiting, PATIENCE)).body
    assert names(one) == ["a"]
    for elsewhere in (f"{SECOND}/0", None):
        await put("a", f"{FIRST}/0")
        waiting = asyncio.create_task(first.get(f"{SEATS}?version={one['version']}&wait=30"))
        await put("a", elsewhere)
        assert (await asyncio.wait_for(waiting, PATIENCE)).body == {"version": empty, "seats": []}
    await put("a", f"{FIRST}/0")
    waiting = asyncio.create_task(first.get(f"{SEATS}?version={one['version']}&wait=30"))
    kube_api.remove("monitors", "default", "a")
    assert (await asyncio.wait_for(waiting, PATIENCE)).body["seats"] == []


async def test_a_change_that_moves_nobody_ends_no_wait(first: Api, put: Seat, gateway: Gateway) -> None:
    await put("a", f"{FIRST}/0")
    version = (await first.get(SEATS)).body["version"]
    waiting = asyncio.create_task(first.get(f"{SEATS}?version={version}&wait=0.3"))
    await put("a", f"{FIRST}/0", depth="Full")
    await put("b", f"{SECOND}/0")
    assert (await waiting).status == 204


async def test_a_monitor_made_again_under_its_name_is_another_seat(first: Api, put: Seat, kube_api: KubeDouble) -> None:
    await put("a", f"{FIRST}/0")
    before = (await first.get(SEATS)).body
    kube_api.remove("monitors", "default", "a")
    await put("a", f"{FIRST}/0")
    after = (await first.get(SEATS)).body
    assert after["version"] != before["version"]
    assert after["seats"][0]["uid"] != before["seats"][0]["uid"]


async def test_every_gateway_gives_the_same_list_the_same_version(
    gateways: Any, first: Api, put: Seat, session: aiohttp.ClientSession, kube_api: KubeDouble
) -> None:
    for number in range(3):
        await put(f"m{number}", f"{FIRST}/{number}")
    other = await gateways.start()
    there = worker(other, session, kube_api.add_shared_pod(FIRST))
    assert (await there.get(SEATS)).body == (await first.get(SEATS)).body


async def test_the_internal_key_names_the_pod(internal: Api, put: Seat) -> None:
    await put("a", f"{FIRST}/0")
    assert names((await internal.get(f"{SEATS}?namespace=default&pod={FIRST}")).body) == ["a"]
    assert (await internal.get(f"{SEATS}?namespace=other&pod={FIRST}")).body["seats"] == []
    assert (await internal.get(SEATS)).status == 422


async def test_a_pod_of_one_monitor_has_no_list_of_seats(
    gateway: Gateway, session: aiohttp.ClientSession, kube_api: KubeDouble
) -> None:
    own = worker(gateway, session, kube_api.add_pod("monitor-a", "Monitor", "a"))
    assert (await own.get(SEATS)).status == 403


async def test_a_shared_pod_speaks_only_for_whom_it_has_a_seat(first: Api, second: Api, put: Seat) -> None:
    a = await put("a", f"{FIRST}/0")
    free = await put("free")
    assert (await first.get(path(a))).body["epoch"] == 1
    assert (await first.post("/internal/v1/reports", report(a, pod="ignored"))).status == 200
    for pod, of in ((second, a), (first, free)):
        for answer in (await pod.get(path(of)), await pod.post("/internal/v1/reports", report(of))):
            assert (answer.status, answer.body["code"]) == (409, "fenced")


async def test_a_shared_pod_has_no_say_in_another_namespace_or_over_another_kind(
    gateway: Gateway, session: aiohttp.ClientSession, kube_api: KubeDouble, put: Seat
) -> None:
    a = await put("a", f"{FIRST}/0")
    elsewhere = worker(gateway, session, kube_api.add_shared_pod(FIRST, namespace="elsewhere"))
    assert (await elsewhere.get(path(a))).status == 403
    here = worker(gateway, session, kube_api.add_shared_pod(FIRST))
    channel = {"kind": "Channel", "metadata": {"name": "news", "namespace": "default", "uid": "x"}}
    assert (await here.get(path(channel))).status == 409


async def test_whoever_lost_its_seat_is_fenced_once_the_next_has_begun_and_may_finish_until_then(
    first: Api, second: Api, api: Api, put: Seat
) -> None:
    a = await put("a", f"{FIRST}/0")
    epoch = (await first.get(path(a))).body["epoch"]
    await put("a", f"{SECOND}/0")
    last = report(a, epoch=epoch, seq=2, monitor={"stream": "Live"}, transitions=[transition("black", "raised")])
    assert (await first.post("/internal/v1/reports", last)).status == 200
    assert (await first.get(path(a))).status == 409
    begun = (await second.get(path(a))).body
    assert begun["epoch"] == epoch + 1
    assert [one["condition"] for one in begun["open"]] == ["black"]
    late = await first.post("/internal/v1/reports", report(a, epoch=epoch, seq=3))
    assert (late.status, late.body["code"]) == (409, "fenced")
    forged = await first.post("/internal/v1/reports", report(a, epoch=epoch + 7, seq=4))
    assert (forged.status, forged.body["code"]) == (409, "fenced")
    assert (await second.post("/internal/v1/reports", report(a, epoch=begun["epoch"]))).status == 200


async def test_a_monitor_that_moved_to_a_seat_is_no_longer_its_own_pods(
    gateway: Gateway, session: aiohttp.ClientSession, kube_api: KubeDouble, first: Api, put: Seat
) -> None:
    own = worker(gateway, session, kube_api.add_pod("monitor-a", "Monitor", "a"))
    a = await put("a", None, pod="monitor-a")
    assert (await own.get(path(a))).body["epoch"] == 1  # it goes on until there is a seat
    await put("a", f"{FIRST}/0")
    assert (await own.get(path(a))).status == 409
    assert (await first.get(path(a))).body["epoch"] == 2
    assert (await own.post("/internal/v1/reports", report(a, epoch=1))).status == 409


async def test_a_monitors_own_pod_waits_for_its_turn_until_the_seat_is_free(
    gateway: Gateway, session: aiohttp.ClientSession, kube_api: KubeDouble, first: Api, put: Seat
) -> None:
    own = worker(gateway, session, kube_api.add_pod("monitor-a", "Monitor", "a"))
    a = await put("a", f"{FIRST}/0")
    assert (await first.get(path(a))).body["epoch"] == 1
    await put("a", f"{FIRST}/0", placement="Dedicated")
    waiting = await own.get(path(a))
    assert (waiting.status, waiting.body["code"]) == (503, "unavailable")
    assert (await first.post("/internal/v1/reports", report(a, epoch=1))).status == 200
    await put("a", None, pod="monitor-a")
    assert (await own.get(path(a))).body["epoch"] == 2
    assert (await first.post("/internal/v1/reports", report(a, epoch=1))).status == 409


async def test_a_seat_list_is_not_given_before_the_resources_are_known(
    gateways: Any, session: aiohttp.ClientSession, kube_api: KubeDouble
) -> None:
    kube_api.down = True
    starting = await gateways.start(ready=False)
    inside = Api(session, f"http://127.0.0.1:{starting.internal_port}", {"X-Internal-API-Key": "internal-test-key"})
    answer = await inside.get(f"{SEATS}?namespace=default&pod={FIRST}")
    assert answer.status == 503
    kube_api.down = False
