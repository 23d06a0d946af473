# SPDX-License-Identifier: Apache-2.0
"""Timestamps become media time that only moves forward."""

import pytest
from castwarden_worker.monitor.sight.timeline import Timeline

WRAP = 2**33 / 90_000


def test_timestamps_correct_rounded_durations() -> None:
    line = Timeline()
    starts = [line.place(100 + 2.002 * number, 2.0) for number in range(50)]
    assert starts == pytest.approx([2.002 * number for number in range(50)])


def test_a_discontinuity_goes_on_where_the_line_had_ended() -> None:
    line = Timeline()
    line.place(1000, 4.0)
    assert line.place(3, 4.0, discontinuity=True) == 4.0
    assert line.place(7, 4.0) == 8.0


def test_a_jump_that_nobody_announced_is_taken_for_a_discontinuity() -> None:
    line = Timeline()
    line.place(1000, 4.0)
    assert line.place(5000, 4.0) == 4.0


def test_a_timestamp_that_begins_anew_after_26_hours_goes_on() -> None:
    line = Timeline()
    line.place(WRAP - 2, 2.0)
    assert line.place(0.0, 2.0) == pytest.approx(2.0)
    assert line.media(1.0) == pytest.approx(3.0)


def test_what_was_missed_takes_its_time() -> None:
    line = Timeline()
    line.place(10, 2.0)
    line.skip(4.0)
    assert line.place(16, 2.0) == pytest.approx(6.0)


def test_a_separate_rendition_follows_the_timestamps_of_the_other() -> None:
    picture = Timeline()
    picture.place(100.0, 2.0)
    sound = Timeline(picture)
    assert sound.place(101.5, 2.0) == pytest.approx(1.5)


def test_a_separate_rendition_on_other_timestamps_keeps_its_own() -> None:
    picture = Timeline()
    picture.place(100.0, 2.0)
    sound = Timeline(picture)
    assert sound.place(9_000.0, 2.0) == pytest.approx(2.0)
