# SPDX-License-Identifier: Apache-2.0
"""Packed Monitors share Pods: they get seats, keep them, and move without a gap."""

import asyncio
import signal
from typing import Any

import pytest
from castwarden_base.waiting import wait_until

from tests.plugins.kube import Kube, Refused
from tests.plugins.objects import MONITORS, PODS, Object, monitor

from .conftest import PATIENCE, OperatorProcess, Starter, eventually, is_
from .test_children import run, set_status
from .test_process import settled

pytestmark = pytest.mark.asyncio

FIRST, SECOND = "monitors-default-0", "monitors-default-1"
STATE = {"running": {"startedAt": "2026-11-20T12:00:00Z"}}
CONTAINER = {"name": "worker", "image": "x", "imageID": "x", "ready": False, "restartCount": 0, "state": STATE}
BEGUN = {"phase": "Running", "containerStatuses": [CONTAINER]}


def packed(name: str, **spec: Any) -> Object:
    return monitor(name, placement="Packed", **spec)


def sits(seat: str) -> Any:
    return lambda found: found.get("status", {}).get("seat") == seat


@pytest.fixture
async def small(start_operator: Starter) -> OperatorProcess:
    """An operator whose shared Pods have two seats."""
    operator = await start_operator(CASTWARDEN_POOL_SEATS="2", CASTWARDEN_POOL_EMPTY_SECONDS="1")
    await operator.ready()
    return operator


async def seats(kube: Kube) -> dict[str, str | None]:
    found = (await kube.list(MONITORS))["items"]
    return {one["metadata"]["name"]: one.get("status", {}).get("seat") for one in found}


async def test_packed_monitors_share_pods_and_are_ready_with_them(kube: Kube, small: OperatorProcess) -> None:
    for name in ("a", "b", "c"):
        await kube.create(packed(name))
    for name, seat in (("a", f"{FIRST}/0"), ("b", f"{FIRST}/1"), ("c", f"{SECOND}/0")):
        await eventually(kube, MONITORS, name, sits(seat))
    await eventually(kube, PODS, SECOND, lambda _: True)  # a seat may be given a moment before its Pod is made
    pod = await kube.get(PODS, FIRST)
    assert "ownerReferences" not in pod["metadata"]
    assert pod["metadata"]["labels"]["castwarden.dev/pool"] == "default"
    assert pod["spec"]["containers"][0]["args"] == ["monitors"]
    assert sorted(await kube.names(PODS)) == [FIRST, SECOND]
    await run(kube, FIRST)
    for name in ("a", "b"):
        ready = await eventually(kube, MONITORS, name, is_("Ready", "True", "Running"))
        assert ready["status"]["podName"] == FIRST
    await eventually(kube, MONITORS, "c", is_("Ready", "False"))


async def test_a_seat_that_becomes_free_is_the_next_to_be_given(kube: Kube, small: OperatorProcess) -> None:
    for name, seat in (("a", f"{FIRST}/0"), ("b", f"{FIRST}/1"), ("c", f"{SECOND}/0")):
        await kube.create(packed(name))
        await eventually(kube, MONITORS, name, sits(seat))
    await kube.delete(MONITORS, "a")
    await kube.create(packed("d"))
    await eventually(kube, MONITORS, "d", sits(f"{FIRST}/0"))
    await kube.patch(MONITORS, "b", {"spec": {"suspend": True}})
    await eventually(kube, MONITORS, "b", is_("Suspended", "True"))
    assert (await seats(kube))["b"] is None
    await kube.create(packed("e"))
    await eventually(kube, MONITORS, "e", sits(f"{FIRST}/1"))


async def test_a_pod_that_vanishes_is_made_again_and_nobody_moves(kube: Kube, small: OperatorProcess) -> None:
    for name in ("a", "b"):
        await kube.create(packed(name))
    before = await eventually(kube, PODS, FIRST, lambda _: True)
    await eventually(kube, MONITORS, "b", sits(f"{FIRST}/1"))
    await kube.delete(PODS, FIRST, {"gracePeriodSeconds": 0})
    failed = await eventually(kube, PODS, FIRST, lambda pod: pod["metadata"]["uid"] != before["metadata"]["uid"])
    await set_status(kube, PODS, FIRST, {"phase": "Failed", "reason": "Evicted"})
    await eventually(kube, PODS, FIRST, lambda pod: pod["metadata"]["uid"] != failed["metadata"]["uid"])
    assert await seats(kube) == {"a": f"{FIRST}/0", "b": f"{FIRST}/1"}


async def test_draining_moves_the_seats_to_a_pod_that_is_ready_and_removes_the_old_one(
    kube: Kube, small: OperatorProcess
) -> None:
    for name in ("a", "b"):
        await kube.create(packed(name))
        await eventually(kube, MONITORS, name, lambda found: found.get("status", {}).get("seat"))
    await run(kube, FIRST)
    await kube.patch(PODS, FIRST, {"metadata": {"annotations": {"castwarden.dev/drain": "true"}}})
    await eventually(kube, PODS, SECOND, lambda _: True)
    assert set((await seats(kube)).values()) == {f"{FIRST}/0", f"{FIRST}/1"}
    await run(kube, SECOND)
    await eventually(kube, MONITORS, "a", sits(f"{SECOND}/0"))
    await eventually(kube, MONITORS, "b", sits(f"{SECOND}/1"))

    async def leaving() -> bool:
        try:
            return "deletionTimestamp" in (await kube.get(PODS, FIRST))["metadata"]
        except Refused as refused:
            return refused.code == 404

    await wait_until(leaving, PATIENCE)


async def test_a_change_of_placement_moves_the_monitor_there_and_back(kube: Kube, small: OperatorProcess) -> None:
    await kube.create(monitor("a"))
    await eventually(kube, PODS, "monitor-a", lambda _: True)
    await run(kube, "monitor-a")
    await kube.patch(MONITORS, "a", {"spec": {"placement": "Packed"}})
    await eventually(kube, PODS, FIRST, lambda _: True)
    assert (await kube.get(MONITORS, "a"))["status"]["podName"] == "monitor-a"
    await run(kube, FIRST)
    await eventually(kube, MONITORS, "a", sits(f"{FIRST}/0"))
    await kube.patch(MONITORS, "a", {"spec": {"placement": "Dedicated"}})

    async def own_pod_begins() -> bool:
        try:
            found = await kube.get(PODS, "monitor-a")
            if "deletionTimestamp" in found["metadata"]:  # no kubelet is here to end it
                await kube.delete(PODS, "monitor-a", {"gracePeriodSeconds": 0})
                return False
            await set_status(kube, PODS, "monitor-a", BEGUN)
        except Refused:  # it is not there yet, or no longer
            return False
        return bool((await kube.get(MONITORS, "a"))["status"].get("podName") == "monitor-a")

    await wait_until(own_pod_begins, PATIENCE)
    assert (await seats(kube))["a"] is None
    await wait_until(lambda: gone_or_leaving(kube, FIRST), PATIENCE)  # it stayed empty


async def gone_or_leaving(kube: Kube, pod: str) -> bool:
    try:
        return "deletionTimestamp" in (await kube.get(PODS, pod))["metadata"]
    except Refused:
        return True


async def test_many_at_once_get_different_seats_and_as_few_pods_as_will_do(kube: Kube, start_operator: Starter) -> None:
    operator = await start_operator(CASTWARDEN_POOL_SEATS="20")
    await operator.ready()
    await asyncio.gather(*(kube.create(packed(f"m{number:02}")) for number in range(50)))

    async def all_sit() -> bool:
        return None not in (await seats(kube)).values()

    await wait_until(all_sit, PATIENCE)
    await eventually(kube, PODS, "monitors-default-2", lambda _: True)
    assert len(set((await seats(kube)).values())) == 50
    assert len(await kube.names(PODS)) == 3


async def test_an_operator_that_was_killed_and_restarted_moves_nobody_and_writes_nothing(
    kube: Kube, start_operator: Starter, small: OperatorProcess
) -> None:
    for name in ("a", "b", "c"):
        await kube.create(packed(name))
        await eventually(kube, MONITORS, name, lambda found: found.get("status", {}).get("seat"))
    await run(kube, FIRST)
    await eventually(kube, MONITORS, "a", is_("Ready", "True", "Running"))
    before = await seats(kube)
    await settled(small)
    await small.end(signal.SIGKILL)
    again = await start_operator(CASTWARDEN_POOL_SEATS="2")
    await again.ready()

    async def looked_at_all() -> bool:
        reconciles = await again.samples("controller_runtime_reconcile_total")
        return sum(value for _, value in reconciles) >= 4

    await wait_until(looked_at_all, PATIENCE)
    await settled(again)
    assert await again.writes() == 0
    assert await seats(kube) == before
