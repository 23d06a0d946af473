# SPDX-License-Identifier: Apache-2.0
"""What a row of looks proves, and when the next one is due."""

from datetime import UTC, datetime, timedelta

import pytest
from castwarden_worker.monitor.looks import Looks
from castwarden_worker.outcomes import Blocked, Ended, Live, NotLive, Outcome, Unsupported, Upcoming

TODAY = datetime(2026, 11, 20, tzinfo=UTC)
ABSENT = NotLive("http_404")
BLOCKED = Blocked("bot_check", "")


def after(*row: tuple[float, Outcome | None]) -> Looks:
    looks = Looks()
    for at, outcome in row:
        looks.took(outcome, at)
    return looks


def test_one_look_that_finds_nothing_proves_nothing() -> None:
    assert not after((0, ABSENT)).is_over(0)
    assert not after((0, Ended())).is_over(0)


def test_two_looks_a_minute_apart_prove_the_end() -> None:
    assert not after((0, ABSENT), (59, ABSENT)).is_over(59)
    assert after((0, ABSENT), (60, Ended())).is_over(60)


@pytest.mark.parametrize("between", [Live("https://x/"), Upcoming(), None])
def test_anything_live_between_them_begins_the_minute_anew(between: Outcome | None) -> None:
    assert not after((0, ABSENT), (30, between), (60, ABSENT)).is_over(60)


def test_looks_that_could_not_be_taken_prove_nothing_but_do_not_undo_what_was_seen() -> None:
    assert not after((0, BLOCKED), (60, BLOCKED), (120, BLOCKED)).is_over(120)
    assert after((0, ABSENT), (30, BLOCKED), (60, ABSENT)).is_over(60)


def test_a_passing_trouble_is_no_shut_out() -> None:
    assert not after((0, BLOCKED)).is_shut_out(0)
    assert not after((0, BLOCKED), (9, BLOCKED)).is_shut_out(9)
    assert after((0, BLOCKED), (9, BLOCKED), (30, BLOCKED)).is_shut_out(30)
    assert not after((0, BLOCKED), (30, ABSENT), (35, BLOCKED)).is_shut_out(35)


def wait(looks: Looks, outcome: Outcome | None, now: float = 0, *, doubted: bool = False) -> float:
    return looks.wait(outcome, 30, now, TODAY, doubted=doubted)


def test_a_stream_in_doubt_is_looked_at_again_by_the_end_of_its_minute() -> None:
    assert wait(after((0, ABSENT)), ABSENT, 0, doubted=True) == 10
    assert wait(after((0, ABSENT), (54, ABSENT)), ABSENT, 54, doubted=True) == 6
    assert wait(after((0, ABSENT), (59.5, ABSENT)), ABSENT, 59.5, doubted=True) == 1


def test_a_stream_that_has_not_begun_is_looked_for_at_the_interval() -> None:
    assert wait(after(*((n, ABSENT) for n in range(20))), ABSENT) == 30


def test_a_stream_that_has_ended_is_looked_for_less_and_less() -> None:
    waits = [wait(after(*((n, Ended()) for n in range(count))), Ended()) for count in range(1, 9)]
    assert waits == [60, 120, 240, 300, 300, 300, 300, 300]


def test_a_source_that_shuts_us_out_is_asked_less_and_less() -> None:
    waits = [wait(after(*((n, BLOCKED) for n in range(count))), BLOCKED) for count in range(1, 9)]
    assert waits == [30, 30, 60, 120, 240, 480, 600, 600]


def test_a_stream_in_doubt_is_asked_again_sooner_even_if_we_were_shut_out() -> None:
    assert wait(after((0, BLOCKED)), BLOCKED, 0, doubted=True) == 10


def test_an_announced_stream_is_looked_at_more_often_the_nearer_it_comes() -> None:
    def due(**away: float) -> float:
        return wait(Looks(), Upcoming(TODAY + timedelta(**away)))

    assert due(days=3) == 600
    assert due(minutes=20) == 300
    assert due(minutes=1) == 30
    assert due(minutes=-5) == 30
    assert wait(Looks(), Upcoming()) == 30


def test_a_source_that_nobody_understands_is_rarely_asked_again() -> None:
    assert wait(Looks(), Unsupported("a", "b")) == 600


def test_a_stream_that_was_watched_is_looked_at_again_at_once_but_not_in_a_frenzy() -> None:
    assert wait(Looks(), None) == 2
