# SPDX-License-Identifier: Apache-2.0
"""The checks of delivery, on segments, playlists and clocks made by hand."""

from dataclasses import replace
from uuid import uuid4

import pytest
from castwarden_model.resources.checks import Checks
from castwarden_worker.monitor.checks import CheckSet
from castwarden_worker.monitor.checks.playlist_errors import PlaylistErrors
from castwarden_worker.monitor.checks.segment_errors import SegmentErrors
from castwarden_worker.monitor.checks.slow_delivery import SlowDelivery
from castwarden_worker.monitor.checks.stall import Stall
from castwarden_worker.monitor.episode import Moment
from castwarden_worker.monitor.seen import ClockSeen, SegmentSeen

from tests.unit.monitor.made import WALL, at
from tests.unit.monitor.made_facts import configured, loads, segments, told


class TestPlaylistErrors:
    def test_three_in_a_row_are_raised_although_media_stands_still(self) -> None:
        check = configured(PlaylistErrors())
        raised, cleared = told(check, loads("..xxx" + "." * 20))
        assert (raised.at, raised.duration) == (Moment(8, WALL + 16), 12.0)
        assert (cleared.at.wall, cleared.duration) == (WALL + 50, 16.0)
        assert check.measured() == {"error": "HTTP 503"}

    @pytest.mark.parametrize("letters", ["..x.....x.....x.....x.....", ".xx." + "." * 20])
    def test_one_now_and_then_is_no_alert(self, letters: str) -> None:
        assert told(configured(PlaylistErrors()), loads(letters)) == []

    def test_more_than_a_fifth_of_a_minute_is(self) -> None:
        assert len(told(configured(PlaylistErrors()), loads("x.x.x.x.x.x."))) == 1

    def test_good_loads_of_the_picture_do_not_excuse_the_sound(self) -> None:
        sound = [replace(seen, rendition="audio") for seen in loads("..xxx")]
        both = [seen for pair in zip(loads("....."), sound, strict=True) for seen in pair]
        assert len(told(configured(PlaylistErrors()), both)) == 1

    def test_parts_that_load_five_times_a_second_raise_nothing(self) -> None:
        assert told(configured(PlaylistErrors()), loads("....x....x....x" * 20, every=0.2)) == []

    def test_an_episode_known_from_before_clears_after_half_a_minute_of_loads(self) -> None:
        check, known = configured(PlaylistErrors()), uuid4()
        check.prime(known, WALL - 100)
        (cleared,) = told(check, loads("." * 20))
        assert (cleared.raised, cleared.episode, cleared.duration) == (False, known, 100.0)

    def test_switched_off_it_closes(self) -> None:
        check = configured(PlaylistErrors())
        told(check, loads("..xxx"))
        check.configure(Checks.model_validate({"playlistErrors": {"enabled": False}}))
        closed = check.settle(Moment(8, WALL + 30))
        assert closed is not None
        assert (closed.raised, closed.at.media, closed.duration) == (False, 8, 26.0)


class TestSegmentErrors:
    def test_good_pictures_do_not_excuse_broken_sound(self) -> None:
        sound = segments(3, error="HTTP 404", rendition="audio")
        both = [seen for pair in zip(segments(3), sound, strict=True) for seen in pair]
        (raised,) = told(configured(SegmentErrors()), both)
        assert (raised.at.media, raised.duration) == (12.0, 12.0)


class TestSlowDelivery:
    def test_half_a_minute_of_slow_segments_is_raised_and_half_a_minute_of_fast_ones_clears(self) -> None:
        rows = segments(5, took=0.5) + segments(15, took=3.5, ttfb=0.4)[5:] + segments(30, took=0.5)[15:]
        check = configured(SlowDelivery())
        raised, cleared = told(check, rows)
        assert (raised.at.media, cleared.at.media, cleared.duration) == (50.0, 90.0, 40.0)
        assert check.measured() == {"ratio": 0.88, "ttfb_sec": 0.4}

    def test_a_slow_segment_now_and_then_is_no_alert(self) -> None:
        rows = [replace(seen, took=5.0 if seen.sequence % 4 == 0 else 0.5) for seen in segments(60)]
        assert told(configured(SlowDelivery()), rows) == []

    def test_segments_that_failed_say_nothing_of_speed(self) -> None:
        assert told(configured(SlowDelivery()), segments(60, error="HTTP 404")) == []

    def test_a_round_trip_for_each_part_is_not_slow(self) -> None:
        rows = [replace(seen, took=0.19 if seen.sequence % 3 else 0.1) for seen in segments(900, seconds=0.2)]
        assert told(configured(SlowDelivery(), ratio=0.9), rows) == []


class TestStall:
    def test_of_a_low_latency_stream_parts_should_arrive(self) -> None:
        check = configured(Stall())
        seen = ClockSeen(at(10), 2.5, 6.0, 5, part_target=1.0)
        assert check.observe(seen) is None
        assert check.raise_after == 15.0
        check.observe(replace(seen, part_target=None))
        assert check.raise_after == 18.0

    def test_parts_are_looked_for_only_once_a_segment_is_late(self) -> None:
        check = configured(Stall())
        seen = ClockSeen(at(10), 8.9, 6.0, 5, part_target=1.0)
        check.observe(seen)
        assert not check.late
        check.observe(replace(seen, idle=9.1))
        assert check.late


def test_a_check_that_is_switched_off_closes_at_the_next_tick_though_nothing_arrives() -> None:
    checks = CheckSet(Checks())
    check = checks.named("rendition_missing")
    assert check is not None
    check.prime(uuid4(), WALL)
    tick = ClockSeen(at(100), 1.0, 4.0, 5)
    assert checks.clock(tick) == []
    checks.configure(Checks.model_validate({"renditionMissing": {"enabled": False}}))
    assert [(change.condition, change.raised, change.duration) for change in checks.clock(tick)] == [
        ("rendition_missing", False, 100.0)
    ]


def test_a_check_that_is_switched_off_during_its_alert_ends_it_without_a_recovery() -> None:
    checks = CheckSet(Checks())
    stall = ClockSeen(at(20), 20.0, 4.0, 5)
    assert [(change.condition, change.raised, change.settled) for change in checks.clock(stall)] == [
        ("stall", True, "")
    ]
    checks.configure(Checks.model_validate({"stall": {"enabled": False}}))
    (ended,) = checks.clock(ClockSeen(at(21), 21.0, 4.0, 5))
    assert (ended.condition, ended.raised, ended.settled) == ("stall", False, "check_disabled")
    assert not checks.stall.alert


def test_segments_without_length_do_not_fill_memory() -> None:
    checks = CheckSet(Checks())
    for number in range(5000):
        checks.segment(SegmentSeen(at(0), 0.0, sequence=number, error="HTTP 404", discontinuity=True))
    assert len(checks.segment_errors.rates["main"]._seen) <= 2000
