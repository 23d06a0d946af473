# SPDX-License-Identifier: Apache-2.0
"""Packed Monitors from key to writes: pools give seats, Monitors write them, and nothing is written twice."""

from collections import Counter

import pytest
from castwarden_operator.errors import ApiError, RetryError
from castwarden_operator.kinds import Ref
from castwarden_operator.reconcile.monitor import pod_for
from castwarden_operator.reconcile.pool import DRAIN

from .objects import monitor, pod_status, stored
from .packed_world import A_POOL, FIRST, MONITOR, POD, SECOND, SMALL, World


@pytest.fixture
def world() -> World:
    return World()


async def test_monitors_get_seats_and_are_ready_with_their_pod(world: World) -> None:
    for name in ("a", "b", "c"):
        world.has(name)
    await world.settle()
    assert [world.place(name) for name in ("a", "b", "c")] == [
        (FIRST, f"{FIRST}/0"),
        (FIRST, f"{FIRST}/1"),
        (SECOND, f"{SECOND}/0"),
    ]
    assert world.ready("a") == ("False", "Pending")
    world.runs(FIRST)
    await world.settle()
    assert (world.ready("a"), world.ready("c")) == (("True", "Running"), ("False", "Pending"))


async def test_a_new_monitor_costs_one_status_and_one_event(world: World) -> None:
    world.has("a")
    await world.monitors.handle(world.ref("a"))
    assert world.api.writes == []
    await world.pools.handle(A_POOL)
    assert world.todo == [world.ref("a")]
    await world.monitors.handle(world.ref("a"))
    assert world.api.writes == [("create", "Pod"), ("apply status", "Monitor"), ("create", "Event")]


async def test_a_new_leader_writes_nothing_and_moves_nobody(world: World) -> None:
    for name in ("a", "b", "c"):
        world.has(name)
    await world.settle()
    world.runs(FIRST, SECOND)
    await world.settle()
    places = {name: world.place(name) for name in ("a", "b", "c")}
    world.api.writes.clear()
    again = World(world.api)
    for name in reversed(places):
        await again.monitors.handle(again.ref(name))
    await again.settle()
    assert again.api.writes == []
    assert {name: again.place(name) for name in places} == places


async def test_who_is_suspended_or_deleted_frees_its_seat(world: World) -> None:
    for name in ("a", "b"):
        world.has(name)
    await world.settle()
    world.change("a", suspend=True)
    world.has("c")
    await world.settle()
    assert world.place("a") == (None, None)
    assert world.ready("a") == ("False", "Suspended")
    assert world.place("c")[0] in (FIRST, SECOND)
    gone = world.api.objects.pop(world.ref("b"))
    gone["metadata"]["resourceVersion"] = "99999"
    world.cache.drop(MONITOR, gone)
    world.has("d")
    await world.settle()
    assert world.place("d") == (FIRST, f"{FIRST}/1") or world.place("d") == (FIRST, f"{FIRST}/0")
    seats = Counter(world.place(name)[1] for name in ("c", "d"))
    assert max(seats.values()) == 1


async def test_a_suspended_monitor_gets_a_seat_again(world: World) -> None:
    world.has("a", suspend=True)
    await world.settle()
    assert world.pods() == set()
    world.change("a", suspend=False)
    await world.settle()
    assert world.place("a") == (FIRST, f"{FIRST}/0")


async def test_a_pod_that_cannot_be_made_is_told_to_all_who_would_sit_in_it(world: World) -> None:
    world.api.refuse["create Pod"] = ApiError(403, "Forbidden", "pods is forbidden: exceeded quota: small")
    world.has("a")
    world.has("b")
    with pytest.raises(RetryError):
        await world.pools.handle(A_POOL)
    await world.settle()
    assert {world.ready(name) for name in ("a", "b")} == {("False", "QuotaExceeded")}
    world.api.refuse.clear()
    await world.settle()
    world.runs(FIRST)
    await world.settle()
    assert world.ready("a") == ("True", "Running")


async def test_a_foreign_pod_with_our_name_is_not_taken_over(world: World) -> None:
    foreign = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": FIRST, "namespace": "media-team", "uid": "theirs", "resourceVersion": "5"},
    }
    world.api.objects[Ref("Pod", "media-team", FIRST)] = foreign
    world.has("a")
    await world.settle()
    assert world.ready("a") == ("False", "NameTaken")
    assert world.api.objects[Ref("Pod", "media-team", FIRST)] is foreign


async def test_a_drained_pod_is_left_when_the_next_is_ready_and_deleted_when_nobody_names_it(world: World) -> None:
    world.has("a")
    world.has("b")
    await world.settle()
    world.runs(FIRST)
    await world.settle()
    annotations = world.api.objects[Ref("Pod", "media-team", FIRST)]["metadata"]["annotations"]
    world.pod_is(FIRST, pod_status("Running", ready=True), annotations={**annotations, DRAIN: "true"})
    await world.settle()
    assert (world.pods(), world.place("a")[0]) == ({FIRST, SECOND}, FIRST)
    world.runs(SECOND)
    await world.settle()
    assert world.pods() == {SECOND}
    assert {world.place(name)[0] for name in ("a", "b")} == {SECOND}
    assert world.ready("a") == ("True", "Running")


async def test_a_dedicated_monitor_keeps_its_pod_until_it_has_a_seat_that_is_ready(world: World) -> None:
    own = "monitor-a"
    world.has("a", placement="Dedicated")
    await world.settle()
    world.runs(own)
    await world.settle()
    world.change("a", placement="Packed")
    await world.settle()
    assert (world.place("a"), world.pods()) == ((own, None), {own, FIRST})
    assert world.ready("a") == ("True", "Running")
    world.runs(FIRST)
    await world.settle()
    assert (world.place("a"), world.pods()) == ((FIRST, f"{FIRST}/0"), {FIRST})


async def test_a_packed_monitor_keeps_its_seat_until_its_own_pod_runs(world: World) -> None:
    own = "monitor-a"
    world.has("a")
    await world.settle()
    world.runs(FIRST)
    await world.settle()
    world.change("a", placement="Dedicated")
    await world.settle()
    assert (world.place("a"), world.pods()) == ((FIRST, f"{FIRST}/0"), {own, FIRST})
    assert world.ready("a") == ("True", "Running")
    world.pod_is(own, pod_status("Running"))
    await world.settle()
    assert world.place("a") == (own, None)


async def test_a_packed_monitor_whose_pod_is_gone_does_not_wait_for_its_own_to_run(world: World) -> None:
    world.has("a", {"podName": FIRST, "seat": f"{FIRST}/0"}, placement="Dedicated")
    await world.settle()
    assert (world.place("a"), world.pods()) == (("monitor-a", None), {"monitor-a"})


async def test_a_monitor_moves_between_pools_once_there_is_a_pod_that_is_ready(world: World) -> None:
    there = "monitors-news-0"
    world.has("a")
    await world.settle()
    world.runs(FIRST)
    await world.settle()
    world.change("a", pool="news")
    await world.settle()
    assert (world.place("a")[0], world.pods()) == (FIRST, {FIRST, there})
    world.runs(there)
    await world.settle()
    assert world.place("a") == (there, f"{there}/0")


async def test_a_seat_that_somebody_else_wrote_is_put_back(world: World) -> None:
    world.has("a")
    await world.settle()
    forged = world.api.objects[world.ref("a")]
    world.has("a", {**forged["status"], "seat": f"{FIRST}/7"})
    await world.settle()
    assert world.place("a") == (FIRST, f"{FIRST}/0")


async def test_a_pod_of_its_own_that_is_left_over_is_deleted_once_the_seat_is_written(world: World) -> None:
    left = stored(pod_for(monitor("a"), SMALL), {"phase": "Failed"})
    world.api.has(POD, left)
    world.has("a")
    await world.settle()
    assert world.pods() == {FIRST}
