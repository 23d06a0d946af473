# SPDX-License-Identifier: Apache-2.0
"""A new image reaches a few Monitors at a time, and stops where it does not work."""

import pytest
from castwarden_operator.kinds import Ref
from castwarden_operator.rollout import STUCK_SECONDS, Rollout

MANY = [Ref("Monitor", "media", f"m{number}") for number in range(200)]


class World:
    def __init__(self, monitors: int) -> None:
        self.now = 1000.0
        self.called: list[Ref] = []
        self.rollout = Rollout(lambda: monitors, self.called.append, lambda: self.now)

    def begun(self) -> list[Ref]:
        """Of all who ask, those that need not wait to be called."""
        return [ref for ref in MANY if self.rollout.wait(ref) is not None]


def test_five_in_a_hundred_are_replaced_at_once() -> None:
    assert World(200).begun() == MANY[:10]


def test_where_there_are_few_it_is_one_by_one() -> None:
    world = World(3)
    assert world.begun() == MANY[:1]
    world.rollout.done(MANY[0])
    assert world.called == [MANY[1]]
    assert world.rollout.wait(MANY[1]) == pytest.approx(0.05)


def test_no_more_than_twenty_begin_in_a_second() -> None:
    world = World(2000)
    waits = [world.rollout.wait(ref) for ref in MANY[:100]]
    assert waits[0] == 0.0
    assert [round(wait or 0.0, 2) for wait in waits[:3]] == [0.0, 0.05, 0.1]
    assert sum(wait is not None and wait < 0.999 for wait in waits) == 20
    world.now += 1.0
    assert world.rollout.wait(MANY[20]) == pytest.approx(0.0, abs=1e-6)


def test_the_next_in_line_are_called_as_others_become_ready() -> None:
    world = World(200)
    world.begun()
    for ref in MANY[:3]:
        world.rollout.done(ref)
    assert set(world.called) == set(MANY[10:13])
    assert [world.rollout.wait(ref) is not None for ref in MANY[10:14]] == [True, True, True, False]


def test_pods_that_do_not_become_ready_stop_it_for_a_long_time() -> None:
    world = World(200)
    world.begun()
    world.now += STUCK_SECONDS - 1
    assert world.begun() == MANY[:10]
    world.now += 2
    assert world.rollout.wait(MANY[11]) is not None


def test_who_was_in_no_rollout_calls_nobody() -> None:
    world = World(200)
    world.rollout.done(MANY[0])
    assert world.called == []
