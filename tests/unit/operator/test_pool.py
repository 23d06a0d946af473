# SPDX-License-Identifier: Apache-2.0
"""Seats and shared Pods, as tables; and what holds whatever happens to a pool."""

import sys
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from castwarden_operator.reconcile.attempts import ATTEMPT
from castwarden_operator.reconcile.plan import Apply, Create, Delete
from castwarden_operator.reconcile.pool import Member, reconcile, shared_pod
from castwarden_operator.seats import Seat, pod_name, pool_of
from hypothesis import given
from hypothesis import strategies as st

from .objects import NOW, container, pod_status, stored
from .pool_world import A_POOL, SMALL, PoolWorld, seat

FIRST, SECOND, THIRD = (pod_name("default", number) for number in range(3))


def world(*names: str, **settings: Any) -> PoolWorld:
    """A pool that is at rest, with a seat for each of these."""
    made = PoolWorld(settings=SMALL.model_copy(update=settings))
    made.want(*names)
    made.settle()
    return made


def test_the_lowest_pod_with_room_is_filled_first() -> None:
    pool = world("a", "b", "c", "d")
    assert pool.seats() == {"a": f"{FIRST}/0", "b": f"{FIRST}/1", "c": f"{FIRST}/2", "d": f"{SECOND}/0"}
    pool.unwant("b")
    pool.want("e", "f")
    pool.settle()
    assert pool.seats() | {} == {
        "a": f"{FIRST}/0",
        "c": f"{FIRST}/2",
        "d": f"{SECOND}/0",
        "e": f"{FIRST}/1",
        "f": f"{SECOND}/1",
    }


def test_a_shared_pod_names_no_monitor_and_no_owner() -> None:
    pod = shared_pod(A_POOL, 0, SMALL)
    assert pod["metadata"]["name"] == "monitors-default-0"
    assert "ownerReferences" not in pod["metadata"]
    assert pod["metadata"]["labels"]["castwarden.dev/role"] == "monitors"
    assert pod["metadata"]["labels"]["castwarden.dev/pool"] == "default"
    env = {variable["name"]: variable.get("value") for variable in container(pod)["env"]}
    assert (env["CASTWARDEN_POOL"], env["CASTWARDEN_NAMESPACE"]) == ("default", "media-team")
    assert not {"CASTWARDEN_NAME", "CASTWARDEN_UID", "CASTWARDEN_KIND"} & env.keys()
    assert container(pod)["args"] == ["monitors"]
    assert container(pod)["resources"] == SMALL.pool_resources


def test_the_longest_pool_makes_a_host_name() -> None:
    assert len(pod_name("p" * 40, 99999)) <= 57
    assert pool_of(pod_name("a-0", 1)) == "a-0"


@pytest.mark.parametrize("text", ["", "x", "pod/1", "monitors-default-0", "monitors-default-0/x", "monitors-a-01/2"])
def test_what_is_no_seat_is_none(text: str) -> None:
    assert Seat.parse(text) is None


def test_seats_stay_when_a_failed_pod_is_made_again_under_its_name_at_once() -> None:
    pool = world("a", "b", "c", "d")
    before = pool.seats()
    pool.fail(FIRST)
    plan = pool.plan()
    delete, create = plan.actions
    assert isinstance(delete, Delete)
    assert delete.grace_seconds == 0
    assert isinstance(create, Create)
    assert create.manifest["metadata"]["annotations"][ATTEMPT] == "1"
    pool.settle()
    assert pool.seats() == before


def test_a_pod_that_fails_early_again_is_made_again_later() -> None:
    pool = world("a")
    pool.put(shared_pod(A_POOL, 0, SMALL, attempt=1), {})
    started = (NOW - timedelta(seconds=4)).isoformat()
    pool.pods[FIRST]["status"] = {"phase": "Failed", "startTime": started}
    plan = pool.plan()
    assert plan.actions == ()
    assert plan.again_in == 6


def test_seats_stay_when_a_pod_that_is_gone_is_made_again() -> None:
    pool = world("a", "b")
    before = pool.seats()
    del pool.pods[FIRST]
    (create,) = pool.plan().actions
    assert isinstance(create, Create)
    pool.settle()
    assert pool.seats() == before


def test_the_seats_of_a_pod_that_is_being_deleted_move_at_once_ready_or_not() -> None:
    pool = world("a", "b")
    pool.end(FIRST)
    plan = pool.look(starts=False)
    assert [type(action) for action in plan.actions] == [Create]
    assert pool.seats() == {"a": f"{SECOND}/0", "b": f"{SECOND}/1"}


def test_the_seats_of_a_lost_pod_go_where_somebody_watches_already() -> None:
    pool = world("a", "b", "c", "d", "e")
    pool.end(FIRST)
    pool.look(starts=False)
    assert pool.pods_of(["a", "b", "c"]) == [SECOND, THIRD, THIRD]


def test_a_pod_on_a_dead_node_is_removed_by_force_when_its_time_is_long_over() -> None:
    pool = world("a")
    pool.end(FIRST)
    pool.look()
    assert pool.plan().again_in == 90
    pool.now += timedelta(seconds=91)
    (action,) = pool.plan().actions
    assert isinstance(action, Delete)
    assert action.grace_seconds == 0


def test_a_drained_pod_keeps_its_seats_until_another_is_ready_and_then_goes() -> None:
    pool = world("a", "b")
    pool.drain(FIRST)
    plan = pool.look(starts=False)
    assert [action.manifest["metadata"]["name"] for action in plan.actions if isinstance(action, Create)] == [SECOND]
    assert plan.seats == {}
    assert pool.look(starts=False).actions == ()
    pool.ready(SECOND)
    pool.look()
    assert pool.seats() == {"a": f"{SECOND}/0", "b": f"{SECOND}/1"}
    pool.look()
    assert list(pool.pods) == [SECOND]


def test_whoever_comes_while_a_pod_is_drained_takes_no_seat_in_it() -> None:
    pool = world("a")
    pool.drain(FIRST)
    pool.want("b")
    pool.look(starts=False)
    assert pool.seats() == {"a": f"{FIRST}/0", "b": f"{SECOND}/0"}


def test_a_drained_pod_moves_into_room_that_is_ready_without_a_new_pod() -> None:
    pool = world("a", "b", "c", "d")
    pool.drain(SECOND)
    pool.unwant("b")
    pool.settle()
    assert pool.seats() == {"a": f"{FIRST}/0", "c": f"{FIRST}/2", "d": f"{FIRST}/1"}
    assert list(pool.pods) == [FIRST]


def test_a_pod_made_from_what_has_changed_is_replaced_one_at_a_time() -> None:
    pool = world("a", "b", "c", "d")
    pool.settings = SMALL.model_copy(update={"worker_image": "registry.example/worker:2"})
    plan = pool.look(starts=False)
    assert [action.manifest["metadata"]["name"] for action in plan.actions if isinstance(action, Create)] == [THIRD]
    pool.ready(THIRD)
    pool.settle()
    assert FIRST not in pool.pods or container(pool.pods[FIRST])["image"].endswith(":2")
    assert {container(pod)["image"] for pod in pool.pods.values()} == {"registry.example/worker:2"}
    assert len(set(pool.seats().values())) == 4


def test_a_pod_that_was_ready_and_is_so_no_longer_for_a_minute_is_replaced() -> None:
    pool = world("a")
    pool.unready(FIRST, timedelta(seconds=40))
    plan = pool.plan()
    assert plan.actions == ()
    assert plan.again_in == 20
    pool.unready(FIRST, timedelta(seconds=60))
    (create,) = pool.plan().actions
    assert isinstance(create, Create)


def test_an_old_pod_is_replaced_and_its_age_is_spread() -> None:
    pool = world("a", pool_max_age_seconds=1000.0)
    left = pool.plan().again_in
    assert left is not None
    assert 800 <= left <= 1000
    pool.now += timedelta(seconds=left)
    pool.settle()
    assert pool.pods_of(["a"]) == [SECOND]
    assert list(pool.pods) == [SECOND]


def test_an_empty_pod_is_kept_for_a_while_and_deleted_then() -> None:
    pool = world("a", "b", "c", "d")
    pool.unwant("d")
    assert pool.look().actions == ()
    assert pool.plan().again_in == SMALL.pool_empty_seconds
    pool.now += timedelta(seconds=SMALL.pool_empty_seconds)
    (action,) = pool.plan().actions
    assert isinstance(action, Delete)
    assert action.obj["metadata"]["name"] == SECOND


def test_an_empty_pod_that_finds_a_taker_stays() -> None:
    pool = world("a")
    pool.unwant("a")
    pool.look()
    pool.now += timedelta(seconds=SMALL.pool_empty_seconds - 1)
    pool.want("b")
    pool.settle()
    pool.now += timedelta(seconds=SMALL.pool_empty_seconds)
    assert pool.plan().actions == ()


def test_a_seat_that_a_status_still_names_is_given_to_nobody_else() -> None:
    pool = world("a")
    pool.members["a"] = Member("a", wants=False, shown=seat(f"{FIRST}/0"))  # suspended a moment ago
    pool.want("b")
    pool.settle()
    assert pool.seats() == {"b": f"{FIRST}/1"}


def test_of_two_with_the_same_seat_the_second_gets_another() -> None:
    pool = world("a", "b")
    pool.members["b"] = replace(pool.members["b"], seat=seat(f"{FIRST}/0"))
    pool.settle()
    assert pool.seats() == {"a": f"{FIRST}/0", "b": f"{FIRST}/2"}


def test_a_seat_above_the_present_size_is_kept() -> None:
    pool = world("a", "b", "c")
    before = pool.seats()
    pool.settings = SMALL.model_copy(update={"pool_seats": 1})
    pool.want("d")
    pool.settle()
    assert pool.seats() == {**before, "d": f"{SECOND}/0"}


def test_whoever_is_watched_elsewhere_waits_for_a_pod_that_is_ready() -> None:
    pool = PoolWorld()
    pool.want("a", watched=True)
    pool.look(starts=False)
    assert pool.seats() == {}
    assert list(pool.pods) == [FIRST]
    pool.ready(FIRST)
    pool.look()
    assert pool.seats() == {"a": f"{FIRST}/0"}


def test_pods_that_cannot_start_are_filled_before_more_of_them_are_made() -> None:
    pool = world("a")
    pool.pods[FIRST]["status"] = pod_status("Pending", waiting="ImagePullBackOff")
    pool.want("b", "c", "d")
    pool.look(starts=False)
    assert pool.pods_of(["a", "b", "c", "d"]) == [FIRST, FIRST, FIRST, SECOND]


def test_labels_that_were_taken_off_a_shared_pod_are_put_back() -> None:
    pool = world("a")
    del pool.pods[FIRST]["metadata"]["labels"]["app.kubernetes.io/managed-by"]
    (action,) = pool.plan().actions
    assert isinstance(action, Apply)


STEPS = st.sampled_from(["come", "come", "go", "fail", "gone", "end", "ended", "drain", "unready", "roll", "wait"])


@given(st.lists(st.tuples(STEPS, st.integers(0, 9)), max_size=25))
def test_whatever_happens_seats_are_unique_and_nobody_moves_without_a_reason(steps: list[tuple[str, int]]) -> None:
    pool, made = PoolWorld(), 0
    for step, which in steps:
        names, pods = sorted(pool.members), sorted(pool.pods)
        if step == "come":
            made += 1
            pool.want(f"m{made:03}", watched=which == 0)
        elif step == "go" and names:
            pool.unwant(names[which % len(names)])
        elif step == "roll":
            pool.settings = SMALL.model_copy(update={"worker_image": f"registry.example/worker:{which}"})
        elif step == "wait":
            pool.now += timedelta(seconds=60 * which)
        elif pods:
            happens(pool, step, pods[which % len(pods)])
        before, stable = pool.seats(), at_rest(pool)
        pool.look(starts=which % 2 == 0)
        seats = pool.seats()
        assert len(set(seats.values())) == len(seats)
        assert all(number < SMALL.pool_seats for number in (seat(text).number for text in seats.values()))
        assert {name: seats.get(name) for name in stable} == {name: before[name] for name in stable}
    for name in list(pool.pods):
        if "deletionTimestamp" in pool.pods[name]["metadata"]:
            del pool.pods[name]
        else:
            pool.ready(name)
    pool.settle()
    assert pool.seats().keys() == pool.members.keys()
    assert set(pool.pods_of(pool.members)) <= pool.pods.keys()


def happens(pool: PoolWorld, step: str, pod: str) -> None:
    match step:
        case "fail":
            pool.fail(pod)
        case "gone" | "ended":
            del pool.pods[pod]
        case "end":
            pool.end(pod)
        case "drain":
            pool.drain(pod)
        case "unready":
            pool.unready(pod, timedelta(minutes=2))


def at_rest(pool: PoolWorld) -> list[str]:
    """Those whose Pod is not leaving."""
    wanted = shared_pod(A_POOL, 0, pool.settings)["metadata"]["annotations"]
    good = {
        name
        for name, pod in pool.pods.items()
        if "deletionTimestamp" not in pod["metadata"]
        and "castwarden.dev/drain" not in pod["metadata"]["annotations"]
        and pod["metadata"]["annotations"]["castwarden.dev/spec-hash"] == wanted["castwarden.dev/spec-hash"]
        and (pod["status"].get("phase") == "Failed" or pod["status"]["conditions"][0].get("lastTransitionTime") is None)
    }
    return [name for name, member in pool.members.items() if member.seat is not None and member.seat.pod in good]


def calls_for(count: int) -> int:
    """Python calls that one plan for so many seated Monitors, and as many again that want a seat, takes."""
    settings = SMALL.model_copy(update={"pool_seats": 50})
    given_seats = [Seat(pod_name("default", number // 50), number % 50) for number in range(count)]
    members = [Member(f"m{number:05}", True, at, at) for number, at in enumerate(given_seats)]
    members += [Member(f"n{number:05}", True) for number in range(count)]
    pods = [
        stored(shared_pod(A_POOL, ordinal, settings), pod_status("Running", ready=True))
        for ordinal in range(count // 50)
    ]
    calls = 0

    def note(_frame: object, event: str, _argument: object) -> None:
        nonlocal calls
        calls += event == "call"

    sys.setprofile(note)
    try:
        plan = reconcile(A_POOL, members, pods, {}, NOW, settings)
    finally:
        sys.setprofile(None)
    assert len(plan.seats) == count
    assert len(plan.actions) == count // 50
    return calls


def test_the_work_grows_with_the_number_of_monitors_and_no_faster() -> None:
    few, many = calls_for(500), calls_for(5000)
    assert many < 11 * few
