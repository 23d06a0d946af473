# SPDX-License-Identifier: Apache-2.0
"""What is taken ahead of need, by whom, and what goes back."""

from datetime import UTC, datetime
from itertools import count
from uuid import UUID

from castwarden_gateway.webhooks.claim import Claim
from castwarden_gateway.webhooks.hand import Hand

HERE, THERE = UUID(int=1), UUID(int=2)
_numbers = count(100)


def claim(endpoint_id: UUID = HERE, limit: int = 8) -> Claim:
    return Claim(
        tenant_id=UUID(int=9),
        id=UUID(int=next(_numbers)),
        event_id=UUID(int=8),
        endpoint_id=endpoint_id,
        attempt=0,
        created_at=datetime(2026, 11, 20, tzinfo=UTC),
        waited_seconds=0.0,
        url="https://hooks.example/",
        profile="standard",
        payload="castwarden",
        retry="standard",
        timeout_seconds=15.0,
        max_in_flight=limit,
        secret=b"",
        tenant_key=None,
        event=None,
    )


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def taken(hand: Hand, number: int, endpoint_id: UUID = HERE) -> None:
    for _ in range(number):
        hand.take(claim(endpoint_id))


def begun(hand: Hand, endpoint_id: UUID = HERE) -> int:
    number = 0
    while hand.next(endpoint_id) is not None:
        number += 1
    return number


def answered(hand: Hand, number: int, *, well: bool = True, endpoint_id: UUID = HERE) -> None:
    for _ in range(number):
        hand.take(claim(endpoint_id))
        assert hand.next(endpoint_id) is not None
        hand.done(endpoint_id, receiver_is_well=well)


def test_an_endpoint_that_is_not_known_gets_its_limit() -> None:
    assert Hand(256).free() == ({}, None)


def test_no_more_begin_than_the_limit_and_the_rest_waits_its_turn() -> None:
    hand = Hand(256, Clock())
    taken(hand, 12)
    assert begun(hand) == 8
    hand.done(HERE, receiver_is_well=True)
    assert begun(hand) == 1
    assert hand.free()[0] == {HERE: 0}


def test_a_quick_endpoint_may_have_a_quarter_of_a_second_of_work_waiting_here() -> None:
    clock = Clock()
    hand = Hand(256, clock)
    answered(hand, 40)
    assert hand.free()[0] == {HERE: 8 + 20}
    answered(hand, 1000)
    assert hand.free()[0] == {HERE: 8 + 4 * 8}
    clock.now += 10.0
    assert hand.free()[0] == {}


def test_a_slow_endpoint_gets_no_more_than_its_limit() -> None:
    clock = Clock()
    hand = Hand(256, clock)
    for _ in range(20):
        answered(hand, 1)
        clock.now += 2.0
    taken(hand, 3)
    assert hand.free()[0] == {HERE: 5}


def test_more_is_taken_when_half_of_what_waits_is_used_up() -> None:
    hand = Hand(256, Clock())
    answered(hand, 1000)
    taken(hand, 40)
    begun(hand)
    assert not hand.runs_low(HERE)
    for _ in range(16):
        hand.done(HERE, receiver_is_well=True)
        begun(hand)
    assert hand.runs_low(HERE)


def test_what_waits_for_an_endpoint_that_rests_or_is_closed_goes_back() -> None:
    hand = Hand(256, Clock())
    answered(hand, 100)
    taken(hand, 20)
    begun(hand)
    assert hand.unwanted(HERE) == []
    for _ in range(5):
        hand.done(HERE, receiver_is_well=False)
    assert begun(hand) == 0
    assert len(hand.unwanted(HERE)) == 12
    assert hand.unwanted(HERE) == []
    assert hand.free()[0][HERE] == 0

    answered(hand, 1, endpoint_id=THERE)
    taken(hand, 2, THERE)
    hand.close(THERE, 2.0)
    assert len(hand.unwanted(THERE)) == 2
    assert hand.free()[0][THERE] == 0


def test_when_many_do_not_answer_only_those_that_did_lately_get_more_than_two() -> None:
    hand = Hand(20, Clock())
    answered(hand, 1, endpoint_id=THERE)
    for number in range(10, 13):
        taken(hand, 8, UUID(int=number))
        begun(hand, UUID(int=number))
    free, others = hand.free()
    assert others == 2
    assert free[THERE] == 8
    assert free[UUID(int=10)] == 0
    for number in range(10, 13):
        for _ in range(8):
            hand.done(UUID(int=number), receiver_is_well=True)
    assert hand.free()[1] is None


def test_what_did_not_answer_for_a_minute_is_forgotten() -> None:
    clock = Clock()
    hand = Hand(1, clock)
    answered(hand, 1)
    clock.now += 61.0
    hand.free()
    hand.forget()
    taken(hand, 1, THERE)
    assert hand.free()[0] == {THERE: 1}


def test_those_that_answer_are_known_with_their_room_for_as_long_as_they_are_trusted() -> None:
    clock = Clock()
    hand = Hand(256, clock)
    answered(hand, 1)
    answered(hand, 1, well=False, endpoint_id=THERE)
    taken(hand, 3)
    assert hand.answering() == {HERE: 5}
    clock.now += 61.0
    assert hand.answering() == {}


def test_one_that_answers_and_then_fails_is_known_no_more() -> None:
    hand = Hand(256, Clock())
    answered(hand, 1)
    answered(hand, 1, well=False)
    assert hand.answering() == {}
