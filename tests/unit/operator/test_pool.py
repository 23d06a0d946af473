# SPDX-License-Identifier: Apache-2.0
"""Who gets which seat of a pool, and when somebody moves."""

from dataclasses import replace

import pytest
from castwarden_operator.reconcile.plan import Create
from castwarden_operator.reconcile.pool import Member
from castwarden_operator.seats import Seat, pod_name, pool_of

from .objects import pod_status
from .pool_world import FIRST, SECOND, SMALL, THIRD, PoolWorld, seat, world


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


def test_the_longest_pool_makes_a_host_name() -> None:
    assert len(pod_name("p" * 40, 99999)) <= 57
    assert pool_of(pod_name("a-0", 1)) == "a-0"


@pytest.mark.parametrize("text", ["", "x", "pod/1", "monitors-default-0", "monitors-default-0/x", "monitors-a-01/2"])
def test_what_is_no_seat_is_none(text: str) -> None:
    assert Seat.parse(text) is None


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
