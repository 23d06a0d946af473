# SPDX-License-Identifier: Apache-2.0
"""When an endpoint rests, and how it comes back."""

from uuid import UUID

import pytest
from castwarden_gateway.webhooks.breaker import Breaker
from castwarden_gateway.webhooks.deliver import receiver_is_well
from castwarden_gateway.webhooks.lanes import Lanes, Shares
from castwarden_gateway.webhooks.send import Answer
from structlog.testing import capture_logs

ENDPOINT = UUID(int=1)


def opened() -> Breaker:
    breaker = Breaker()
    for _ in range(5):
        breaker.failed(now=0.0)
    return breaker


def test_a_few_failures_change_nothing() -> None:
    breaker = Breaker()
    for _ in range(4):
        breaker.failed(now=0.0)
    assert breaker.limit(0.0, 8) == 8


def test_failures_in_a_row_rest_the_endpoint_and_then_let_one_probe_through() -> None:
    breaker = opened()
    assert breaker.limit(4.9, 8) == 0
    assert breaker.limit(5.1, 8) == 1


def test_the_rest_that_is_left_is_known_while_it_lasts() -> None:
    breaker = opened()
    assert [breaker.rests_for(now) for now in (0.0, 4.0, 5.0)] == [5.0, 1.0, 0.0]
    breaker.succeeded()
    assert breaker.rests_for(1.0) == 0.0


@pytest.mark.parametrize(
    ("status", "well"), [(200, True), (204, True), (301, False), (308, False), (404, True), (500, False), (None, False)]
)
def test_a_redirect_says_as_little_good_of_a_receiver_as_a_5xx(status: int | None, well: bool) -> None:
    assert receiver_is_well(Answer(ms=1, status=status, error=None if status == 200 else "x")) is well


def test_a_success_opens_the_endpoint_fully() -> None:
    breaker = opened()
    breaker.succeeded()
    assert breaker.limit(0.0, 8) == 8
    assert breaker.clean


def test_a_failed_probe_lengthens_the_rest_up_to_a_minute() -> None:
    breaker, now, rests = opened(), 0.0, []
    for _ in range(6):
        began = now
        while breaker.limit(now, 8) == 0:
            now += 0.5
        rests.append(now - began)
        breaker.failed(now)
    assert rests == [5, 10, 20, 40, 60, 60]


def test_failures_that_were_in_flight_together_lengthen_the_rest_once() -> None:
    breaker = opened()
    for _ in range(20):
        breaker.failed(now=1.0)
    assert breaker.limit(5.1, 8) == 1


def test_a_lane_counts_what_is_in_flight_and_vanishes_when_nothing_is_to_be_remembered() -> None:
    lanes = Lanes(clock=lambda: 0.0)
    lanes.take(ENDPOINT, 2)
    lanes.take(ENDPOINT, 2)
    assert lanes.free() == {ENDPOINT: 0}
    lanes.give_back(ENDPOINT, receiver_is_well=True)
    assert lanes.free() == {ENDPOINT: 1}
    lanes.give_back(ENDPOINT, receiver_is_well=None)
    assert lanes.free() == {}


def test_a_lane_remembers_failures_after_the_last_attempt() -> None:
    now = 0.0
    lanes = Lanes(clock=lambda: now)
    for _ in range(5):
        lanes.take(ENDPOINT, 8)
    for _ in range(5):
        lanes.give_back(ENDPOINT, receiver_is_well=False)
    assert lanes.free() == {ENDPOINT: 0}
    now = 6.0
    assert lanes.free() == {ENDPOINT: 1}
    lanes.take(ENDPOINT, 8)
    assert lanes.free() == {ENDPOINT: 0}
    lanes.give_back(ENDPOINT, receiver_is_well=True)
    assert lanes.free() == {}


def test_a_lowered_limit_never_gives_negative_slots() -> None:
    lanes = Lanes(clock=lambda: 0.0)
    for _ in range(3):
        lanes.take(ENDPOINT, 8)
    lanes.take(ENDPOINT, 1)
    assert lanes.free() == {ENDPOINT: 0}


def test_a_closed_lane_takes_nothing_until_its_time_is_over_and_is_then_forgotten() -> None:
    now = 0.0
    lanes = Lanes(clock=lambda: now)
    lanes.take(ENDPOINT, 8)
    lanes.give_back(ENDPOINT, receiver_is_well=True)
    lanes.close(ENDPOINT, 2.0)
    assert lanes.free() == {ENDPOINT: 0}
    now = 2.0
    assert lanes.free() == {}


def test_a_tenant_that_has_used_up_its_share_has_nothing_left_and_one_that_has_nothing_in_flight_is_forgotten() -> None:
    shares, other = Shares(2), UUID(int=2)
    for _ in range(2):
        shares.take(ENDPOINT)
    shares.take(other)
    assert shares.free() == {ENDPOINT: 0, other: 1}
    shares.give_back(ENDPOINT)
    shares.give_back(other)
    assert shares.free() == {ENDPOINT: 1}


def test_a_rest_is_logged_once_when_it_begins_and_once_when_it_is_over() -> None:
    now = 0.0
    lanes = Lanes(lambda: now)
    with capture_logs() as lines:
        for well in [*[False] * 5, False, False, True, True]:
            lanes.take(ENDPOINT, 8)
            lanes.give_back(ENDPOINT, receiver_is_well=well)
            now += 100.0
    said = [(line["event"], line["endpoint"]) for line in lines]
    assert said == [("endpoint_rests", str(ENDPOINT)), ("endpoint_answers_again", str(ENDPOINT))]
