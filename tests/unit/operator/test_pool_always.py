# SPDX-License-Identifier: Apache-2.0
"""What holds whatever happens to a pool, and however large it is."""

import sys
from datetime import timedelta

from castwarden_operator.reconcile.pool import Member, reconcile, shared_pod
from castwarden_operator.seats import Seat, pod_name
from hypothesis import given
from hypothesis import strategies as st

from .objects import NOW, pod_status, stored
from .pool_world import A_POOL, SMALL, PoolWorld, seat

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
