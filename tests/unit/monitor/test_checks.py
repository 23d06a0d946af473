# SPDX-License-Identifier: Apache-2.0
"""Each check on measurements made by hand."""

from typing import Any
from uuid import uuid4

import numpy as np
import pytest
from castwarden_model.conditions import ALERTS
from castwarden_model.resources.checks import Checks
from castwarden_worker.monitor.checks import CheckSet
from castwarden_worker.monitor.checks.black import Black
from castwarden_worker.monitor.checks.freeze import Freeze
from castwarden_worker.monitor.checks.segment_errors import SegmentErrors
from castwarden_worker.monitor.checks.silence import Silence
from castwarden_worker.monitor.checks.stall import Stall
from castwarden_worker.monitor.episode import Change, Moment
from castwarden_worker.monitor.seen import ClockSeen, Picture, SegmentSeen, Sound

RANDOM = np.random.default_rng(1)
SCENE = RANDOM.integers(40, 200, (90, 160)).astype(np.uint8)


def at(media: float) -> Moment:
    return Moment(media, 1e9 + media)


def settings(**checks: Any) -> Checks:
    return Checks.model_validate(checks)


def flat(level: int, media: float = 0.0, *, full_range: bool = False) -> Picture:
    return Picture(at(media), np.full((90, 160), level, np.uint8), full_range)


def scene(media: float, *, shift: int = 0, noise: int = 0) -> Picture:
    luma = np.roll(SCENE, shift, axis=1).astype(np.int16) + RANDOM.integers(-noise, noise + 1, SCENE.shape)
    return Picture(at(media), luma.clip(0, 255).astype(np.uint8))


class TestBlack:
    @pytest.mark.parametrize(
        ("level", "full_range", "black"),
        [(16, False, True), (37, False, True), (38, False, False), (25, True, True), (26, True, False)],
    )
    def test_luma_counts_within_the_nominal_range(self, level: int, full_range: bool, black: bool) -> None:
        assert Black().judge(flat(level, full_range=full_range)) is black

    def test_a_logo_of_two_percent_is_still_black_and_a_larger_one_is_not(self) -> None:
        picture = flat(16)
        picture.luma.flat[: int(picture.luma.size * 0.02)] = 235
        assert Black().judge(picture)
        picture.luma.flat[: int(picture.luma.size * 0.03)] = 235
        assert not Black().judge(picture)

    def test_luma_and_area_can_be_set(self) -> None:
        check = Black()
        check.configure(settings(black={"luma": 0.5, "area": 0.5}))
        picture = flat(100)
        picture.luma[:40] = 235
        assert check.judge(picture)


class TestFreeze:
    def check(self, **given: Any) -> Freeze:
        made = Freeze()
        made.configure(settings(freeze={"raiseAfter": "10s", "clearAfter": "2s"} | given))
        return made

    def seen(self, check: Freeze, pictures: list[Picture]) -> list[Change]:
        return [change for picture in pictures if (change := check.observe(picture))]

    def test_a_picture_that_stands_still_after_motion_is_frozen_since_it_first_showed(self) -> None:
        check = self.check()
        moving = [scene(second, shift=second) for second in range(5)]
        still = [scene(second, shift=5) for second in range(5, 20)]
        (raised,) = self.seen(check, moving + still)
        assert (raised.at.media, raised.duration) == (15.0, 10.0)

    def test_a_stream_that_never_moved_is_not_frozen(self) -> None:
        assert self.seen(self.check(), [scene(second) for second in range(100)]) == []

    def test_a_fade_from_black_to_a_slate_is_no_motion(self) -> None:
        assert self.seen(self.check(), [flat(16), *(scene(second) for second in range(1, 100))]) == []

    def test_coding_noise_is_no_motion(self) -> None:
        check = self.check()
        pictures = [scene(0), scene(1, shift=9)] + [scene(second, shift=20, noise=2) for second in range(2, 20)]
        assert len(self.seen(check, pictures)) == 1

    def test_black_is_not_frozen(self) -> None:
        check = self.check()
        assert self.seen(check, [scene(0), scene(1, shift=9), *(flat(16, second) for second in range(2, 60))]) == []

    def test_slow_motion_that_rests_between_frames_clears_an_episode(self) -> None:
        check = self.check()
        start = [scene(0), scene(1, shift=9)] + [scene(second, shift=20) for second in range(2, 15)]
        slow = [scene(15 + frame / 25, shift=30 + frame // 4) for frame in range(100)]
        assert [change.raised for change in self.seen(check, start + slow)] == [True, False]

    def test_an_episode_known_from_before_clears_without_motion_seen_earlier(self) -> None:
        check = self.check()
        check.prime(uuid4(), 1e9 - 50)
        still = [scene(second, shift=1) for second in range(5)]
        moving = [scene(second, shift=10 * second) for second in range(5, 10)]
        (cleared,) = self.seen(check, still + moving)
        assert not cleared.raised

    def test_a_picture_from_before_the_first_one_opens_anew_and_is_no_motion(self) -> None:
        earlier = [scene(second, shift=9) for second in range(3, 60)]
        assert self.seen(self.check(), [scene(5), *earlier]) == []

    def test_a_picture_of_another_size_is_another_picture(self) -> None:
        check = self.check()
        smaller = Picture(at(1), SCENE[:45, :80])
        assert self.seen(check, [scene(0), smaller, scene(2)]) == []


class TestSilence:
    def test_the_level_is_the_limit(self) -> None:
        check = Silence()
        check.configure(settings(silence={"raiseAfter": "1s", "levelDb": -40}))
        quiet = [Sound(at(step / 10), 0.1, -40.0, -30.0) for step in range(12)]
        changes = [change for sound in quiet if (change := check.observe(sound))]
        assert len(changes) == 1
        assert check.judge(Sound(at(2), 0.1, -39.9, -30.0)) is False


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
