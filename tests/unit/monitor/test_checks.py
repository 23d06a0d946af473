# SPDX-License-Identifier: Apache-2.0
"""Each check on measurements made by hand."""

from typing import Any
from uuid import uuid4

import pytest
from castwarden_model.conditions import ALERTS
from castwarden_worker.monitor.checks import CheckSet
from castwarden_worker.monitor.checks.segment_errors import SegmentErrors
from castwarden_worker.monitor.checks.stall import Stall
from castwarden_worker.monitor.episode import Change, Moment
from castwarden_worker.monitor.seen import ClockSeen, SegmentSeen

from tests.unit.monitor.made import at, settings


def clock(idle: float, target: float, segments: int, at: Moment) -> ClockSeen:
    return ClockSeen(at, idle, target, segments)


class TestStall:
    def check(self, **given: Any) -> Stall:
        made = Stall()
        made.configure(settings(stall=given))
        return made

    @pytest.mark.parametrize(("target", "limit"), [(1, 15), (5, 15), (6, 18), (10, 30)])
    def test_the_limit_is_three_targets_and_at_least_15_seconds(self, target: float, limit: float) -> None:
        for given, expected in (({}, limit), ({"raiseAfter": "4s"}, 4)):
            check = self.check(**given)
            check.observe(clock(0, target, 1, at(0)))
            assert check.raise_after == expected

    def test_it_is_raised_once_and_cleared_by_two_new_segments(self) -> None:
        check = self.check()
        seen = [check.observe(clock(idle, 4, 10, at(100 + idle))) for idle in (0, 5, 14.9, 15, 20, 30)]
        assert [bool(change) for change in seen] == [False, False, False, True, False, False]
        assert check.observe(clock(0, 4, 11, at(131))) is None
        cleared = check.observe(clock(0, 4, 12, at(135)))
        assert cleared is not None
        assert (cleared.raised, cleared.duration) == (False, 35.0)

    def test_segments_that_came_before_the_row_broke_off_again_do_not_clear_it(self) -> None:
        check = self.check()
        assert check.observe(clock(15, 4, 10, at(100))) is not None
        assert check.observe(clock(16, 4, 12, at(120))) is None
        assert check.observe(clock(1, 4, 12, at(121))) is not None

    def test_a_late_segment_is_known_before_it_is_an_alert(self) -> None:
        check = self.check()
        check.observe(clock(6.1, 4, 1, at(6.1)))
        assert check.late
        assert not check.alert

    def test_a_shorter_limit_counts_at_once(self) -> None:
        check = self.check()
        assert check.observe(clock(5, 4, 1, at(5))) is None
        check.configure(settings(stall={"raiseAfter": "5s"}))
        assert check.observe(clock(5, 4, 1, at(5))) is not None

    def test_switched_off_it_closes(self) -> None:
        check = self.check()
        check.observe(clock(15, 4, 1, at(15)))
        check.configure(settings(stall={"enabled": False}))
        closed = check.settle(at(16))
        assert closed is not None
        assert not closed.raised

    def test_an_episode_known_from_before_is_not_raised_again(self) -> None:
        check = self.check()
        known = uuid4()
        check.prime(known, 1e9 - 60)
        assert check.observe(clock(20, 4, 0, at(0))) is None
        cleared = check.observe(clock(0, 4, 2, at(10)))
        assert cleared is not None
        assert (cleared.episode, cleared.duration) == (known, 70.0)


def segment(start: float, seconds: float, error: str | None) -> SegmentSeen:
    return SegmentSeen(at(start), seconds, error=error)


class TestSegmentErrors:
    def told(self, outcomes: str, **given: Any) -> list[Change]:
        """`outcomes`: one letter per segment of 2 s, x for broken."""
        check = SegmentErrors()
        check.configure(settings(segmentErrors=given))
        changes = [
            check.observe(segment(2.0 * number, 2.0, "HTTP 404" if letter == "x" else None))
            for number, letter in enumerate(outcomes)
        ]
        return [change for change in changes if change]

    def test_one_broken_segment_is_no_alert(self) -> None:
        assert self.told("....x....x....x....") == []

    def test_one_broken_segment_is_no_alert_however_long_it_is(self) -> None:
        check = SegmentErrors()
        check.configure(settings())
        assert check.observe(segment(0, 20.0, "HTTP 404")) is None
        assert check.observe(segment(20, 2.0, None)) is None
        assert check.observe(segment(22, 2.0, "HTTP 404")) is not None

    def test_three_in_a_row_are(self) -> None:
        (raised,) = self.told("....xxx..")
        assert (raised.at.media, raised.duration) == (14.0, 6.0)

    def test_more_than_a_fifth_of_the_window_is(self) -> None:
        assert self.told("x..." * 7) != []
        assert self.told("x....." * 10) == []

    def test_thirty_clean_seconds_clear_it(self) -> None:
        raised, cleared = self.told("xxx" + "." * 15)
        assert (cleared.raised, cleared.at.media, cleared.duration) == (False, 36.0, 6.0)
        assert raised.episode == cleared.episode

    def test_an_error_meanwhile_begins_the_wait_anew(self) -> None:
        assert [change.raised for change in self.told("xxx" + "." * 14 + "x" + "." * 14)] == [True]


def test_the_set_finds_checks_by_condition_and_takes_settings() -> None:
    checks = CheckSet(settings(black={"raiseAfter": "7s"}, silence={"enabled": False}))
    assert {check.condition for check in checks} <= ALERTS.keys()
    black, silence = checks.named("black"), checks.named("silence")
    assert black is not None
    assert silence is not None
    assert (black.episode.raise_after, silence.enabled) == (7.0, False)
    assert checks.named("nothing") is None
