# SPDX-License-Identifier: Apache-2.0
"""The checks of delivery, on segments, playlists, probes of other renditions and clocks made by hand."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest
from castwarden_model.resources.checks import Checks
from castwarden_worker.monitor.checks import CheckSet
from castwarden_worker.monitor.checks.base import FactCheck
from castwarden_worker.monitor.checks.discontinuity import Discontinuity
from castwarden_worker.monitor.checks.latency_growth import LatencyGrowth
from castwarden_worker.monitor.checks.pdt_jump import PdtJump
from castwarden_worker.monitor.checks.playlist_errors import PlaylistErrors
from castwarden_worker.monitor.checks.rendition_missing import RenditionMissing
from castwarden_worker.monitor.checks.rendition_stale import RenditionStale
from castwarden_worker.monitor.checks.segment_errors import SegmentErrors
from castwarden_worker.monitor.checks.sequence_regression import SequenceRegression
from castwarden_worker.monitor.checks.slow_delivery import SlowDelivery
from castwarden_worker.monitor.checks.stall import Stall
from castwarden_worker.monitor.episode import Change, Moment
from castwarden_worker.monitor.seen import ClockSeen, PlaylistSeen, RenditionSeen, SegmentSeen

WALL = 1e9


def configured(check: FactCheck[Any], **given: Any) -> Any:
    name = check.condition.split("_")
    alias = name[0] + "".join(part.capitalize() for part in name[1:])
    check.configure(Checks.model_validate({alias: given}))
    return check


def at(media: float) -> Moment:
    return Moment(media, WALL + media)


def told(check: FactCheck[Any], facts: Iterable[Any]) -> list[Change]:
    return [change for seen in facts if (change := check.observe(seen))]


def loads(letters: str, every: float = 4.0, **given: Any) -> list[PlaylistSeen]:
    """A load every so many seconds, one letter each: x for a failure, which also keeps media where it is."""
    seen, media = [], 0.0
    for number, letter in enumerate(letters):
        media += 0.0 if letter == "x" else every
        error = "HTTP 503" if letter == "x" else None
        seen.append(PlaylistSeen(Moment(media, WALL + every * number), "main", error, 4.0, **given))
    return seen


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


def segments(count: int, seconds: float = 4.0, **given: Any) -> list[SegmentSeen]:
    return [SegmentSeen(at(seconds * number), seconds, sequence=number, **given) for number in range(count)]


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


class TestSequenceRegression:
    def rows(self, *behind: int, epochs: tuple[int, ...] = ()) -> list[PlaylistSeen]:
        return [
            PlaylistSeen(at(4.0 * number), behind=steps, last_sequence=100, epoch_changed=number in epochs)
            for number, steps in enumerate(behind)
        ]

    def test_an_older_copy_is_raised_with_the_next_load_and_cleared_after_half_a_minute(self) -> None:
        check = configured(SequenceRegression())
        raised, cleared = told(check, self.rows(0, 3, *[0] * 10))
        assert (raised.at.media, raised.began_wall, raised.duration) == (8.0, WALL + 4, 4.0)
        assert cleared.at.media == 42.0
        assert check.measured() == {"from_sequence": 100, "to_sequence": 97}

    def test_a_new_epoch_is_none(self) -> None:
        assert told(configured(SequenceRegression()), self.rows(0, 90, 0, 0, epochs=(2,))) == []

    def test_a_cache_that_flaps_is_one_episode(self) -> None:
        changes = told(configured(SequenceRegression()), self.rows(0, *[2, 0] * 20, *[0] * 12))
        assert [change.raised for change in changes] == [True, False]

    def test_an_error_between_is_no_answer(self) -> None:
        failed = PlaylistSeen(at(6.0), error="HTTP 503")
        first, second, *rest = self.rows(0, 3, 0)
        assert len(told(configured(SequenceRegression()), [first, second, failed, *rest])) == 1


class TestDiscontinuity:
    def rows(self, marks: str) -> list[SegmentSeen]:
        return [replace(seen, discontinuity=marks[seen.sequence] == "d") for seen in segments(len(marks))]

    def test_five_in_a_minute_are_raised_and_a_minute_without_clears(self) -> None:
        check = configured(Discontinuity())
        raised, cleared = told(check, self.rows("..d.d.d.d.d" + "." * 20))
        assert (raised.at.media, raised.began_wall, raised.duration) == (40.0, WALL + 8, 32.0)
        assert cleared.at.media == 104.0

    def test_an_advertisement_break_is_none(self) -> None:
        assert told(configured(Discontinuity()), self.rows(("d" + "." * 7) * 4 + "." * 60)) == []

    def test_the_sound_has_the_same_ones(self) -> None:
        rows = self.rows("d...d...d...." * 3)
        both = [seen for row in rows for seen in (row, replace(row, rendition="audio"))]
        assert told(configured(Discontinuity(), count=6), both) == []

    def test_a_storm_goes_on_as_long_as_it_goes_on(self) -> None:
        changes = told(configured(Discontinuity()), self.rows("d" * 100 + "." * 20))
        assert [change.raised for change in changes] == [True, False]


class TestPdtJump:
    def rows(self, *jumps: tuple[int, float], rounded: bool = False) -> list[SegmentSeen]:
        """Sixty segments whose dates jump by so many seconds before the segment of that number."""
        shift = 0.0
        rows = []
        for seen in segments(60):
            shift += dict(jumps).get(seen.sequence, 0.0)
            rows.append(replace(seen, program_time=seen.at.wall + shift, seconds=4.4 if rounded else 4.0))
        return rows

    @pytest.mark.parametrize("jump", [12.5, -12.5, 1.1])
    def test_a_jump_is_raised_at_once_and_cleared_after_half_a_minute(self, jump: float) -> None:
        check = configured(PdtJump())
        raised, cleared = told(check, self.rows((20, jump)))
        assert (raised.at.media, raised.began_wall, cleared.at.media) == (80.0, WALL + 80, 114.0)
        assert check.measured() == {"jump_sec": jump}

    def test_less_than_the_tolerance_is_none(self) -> None:
        assert told(configured(PdtJump()), self.rows((20, 0.9))) == []

    def test_rounded_durations_are_none(self) -> None:
        assert told(configured(PdtJump()), self.rows(rounded=True)) == []

    def test_a_discontinuity_excuses_it(self) -> None:
        rows = self.rows((20, 60.0))
        rows[20] = replace(rows[20], discontinuity=True)
        assert told(configured(PdtJump()), rows) == []

    def test_missed_media_and_segments_without_a_date_prove_nothing(self) -> None:
        rows = self.rows((20, 60.0), (40, -60.0))
        rows[19] = replace(rows[19], program_time=None)
        assert told(configured(PdtJump()), rows[:39] + rows[40:]) == []

    def test_dates_that_go_on_while_the_stream_pauses_are_right(self) -> None:
        rows = [replace(seen, arrived=(seen.program_time or 0) + 8) for seen in self.rows((20, 30.0))]
        assert told(configured(PdtJump()), rows) == []
        hasty = [replace(seen, arrived=seen.at.wall + 8) for seen in self.rows((20, 3.0))]
        assert len(told(configured(PdtJump()), hasty)) == 2

    def test_each_rendition_has_its_own_dates(self) -> None:
        sound = [replace(seen, rendition="audio", program_time=seen.at.wall + 9) for seen in segments(60)]
        both = [seen for pair in zip(self.rows(), sound, strict=True) for seen in pair]
        assert told(configured(PdtJump()), both) == []


class TestLatencyGrowth:
    def rows(self, latency: Iterable[float], *, jumps: bool = False) -> list[PlaylistSeen]:
        """A segment of four seconds each. Its latency grows because it comes later, or because its date jumps."""
        seen, wall, before = [], WALL, None
        for number, value in enumerate(latency):
            wall += 4.0 + (0.0 if before is None or jumps else value - before)
            before = value
            seen.append(PlaylistSeen(Moment(4.0 * number, wall), target_duration=4.0, new=1, added=4.0, latency=value))
        return seen

    def test_segments_that_come_ever_later_are_raised_until_they_are_back(self) -> None:
        late = [12.0] * 20 + [12 + 0.5 * step for step in range(40)] + [14.0] * 20
        check = configured(LatencyGrowth())
        raised, cleared = told(check, self.rows(late))
        assert raised.at.wall - raised.began_wall == 30.0
        assert not cleared.raised
        assert check.measured() == {"latency_sec": 14.0, "baseline_sec": 12.0}

    def test_growth_that_takes_longer_than_five_minutes_counts_too(self) -> None:
        assert len(told(configured(LatencyGrowth()), self.rows(12 + 0.08 * step for step in range(300)))) == 1

    def test_a_clock_that_runs_a_little_slow_does_not(self) -> None:
        assert told(configured(LatencyGrowth()), self.rows(12 + 0.0008 * step for step in range(30_000))) == []

    def test_a_constant_offset_of_the_clocks_is_none(self) -> None:
        assert told(configured(LatencyGrowth()), self.rows([-3600.0] * 200)) == []

    def test_jitter_of_a_segment_is_none(self) -> None:
        late = [12.0 + (9.0 if number % 3 == 0 else 0.0) for number in range(300)]
        assert told(configured(LatencyGrowth()), self.rows(late)) == []

    def test_a_date_that_jumps_is_the_other_condition(self) -> None:
        late = [12.0] * 20 + [72.0] * 60
        assert told(configured(LatencyGrowth()), self.rows(late, jumps=True)) == []

    def test_dates_that_go_on_while_the_stream_pauses_are_no_growth(self) -> None:
        rows = self.rows([12.0] * 80)
        paused = [replace(seen, at=Moment(seen.at.media, seen.at.wall + 40)) for seen in rows[40:]]
        assert told(configured(LatencyGrowth()), rows[:40] + paused) == []

    def test_a_pause_that_media_does_not_catch_up_with_is_growth(self) -> None:
        assert len(told(configured(LatencyGrowth()), self.rows([12.0] * 40 + [52.0] * 40))) == 1

    def test_without_dates_nothing_is_known(self) -> None:
        assert told(configured(LatencyGrowth()), loads("." * 100)) == []

    def test_an_episode_known_from_before_clears(self) -> None:
        check = configured(LatencyGrowth())
        check.prime(uuid4(), WALL - 100)
        assert [change.raised for change in told(check, self.rows([12.0] * 20))] == [False]


def probe(name: str, wall: float, *, error: str | None = None, **given: Any) -> RenditionSeen:
    return RenditionSeen(at(wall), name, error, **given)


class TestRenditionStale:
    def test_a_rendition_that_lags_half_a_minute_is_stale_until_all_keep_up_for_as_long(self) -> None:
        check = configured(RenditionStale())
        good = [probe("720p", 10.0 * n, lag=4.0, advanced=True) for n in range(20)]
        lag = [0, 0, 10, 20, 30, 40, 50, 4, 4, 4, 4, 4]
        other = [probe("1080p", 10.0 * n + 5, lag=lag[n] if n < len(lag) else 4.0, advanced=True) for n in range(20)]
        both = [seen for pair in zip(good, other, strict=True) for seen in pair]
        raised, cleared = told(check, both)
        assert (raised.at.wall, raised.began_wall) == (WALL + 45, WALL + 15)
        assert cleared.at.wall == WALL + 105
        assert (raised.episode, cleared.duration) == (cleared.episode, 60.0)

    def test_the_worst_one_is_named(self) -> None:
        check = configured(RenditionStale())
        told(check, [probe("720p", 50, lag=35.0), probe("1080p", 55, lag=44.0), probe("480p", 60, lag=2.0)])
        assert check.measured() == {"rendition": "1080p", "lag_sec": 44.0}

    def test_without_dates_it_is_the_media_meanwhile_that_counts(self) -> None:
        check = configured(RenditionStale())
        stuck = [probe("1080p", 20.0 * n, advanced=n < 3) for n in range(6)]
        (raised,) = told(check, stuck)
        assert raised.began_wall == WALL + 40

    def test_while_the_whole_stream_stands_still_no_rendition_is_stale(self) -> None:
        check = configured(RenditionStale())
        stuck = [RenditionSeen(Moment(40, WALL + 20.0 * n), "1080p") for n in range(20)]
        assert told(check, stuck) == []

    def test_one_that_cannot_be_loaded_is_not_stale(self) -> None:
        assert told(configured(RenditionStale()), [probe("1080p", 20.0 * n, error="HTTP 404") for n in range(20)]) == []

    def test_one_that_is_no_longer_probed_does_not_keep_it_open(self) -> None:
        check = configured(RenditionStale())
        told(check, [probe("1080p", 10, lag=60.0)])
        assert check.alert
        others = [probe("720p", 10.0 * n, lag=1.0, advanced=True) for n in range(2, 120)]
        assert [change.raised for change in told(check, others)] == [False]


class TestRenditionMissing:
    def rows(self, letters: str, name: str = "1080p") -> list[RenditionSeen]:
        return [
            probe(name, 20.0 * number, error="HTTP 404" if letter == "x" else None)
            for number, letter in enumerate(letters)
        ]

    def test_three_failures_in_a_row_are_raised_and_two_loads_clear(self) -> None:
        check = configured(RenditionMissing())
        raised, cleared = told(check, self.rows(".xxxx.x..."))
        assert (raised.at.wall, raised.began_wall, raised.duration) == (WALL + 60, WALL + 20, 40.0)
        assert cleared.at.wall == WALL + 160
        assert check.measured() == {"rendition": "1080p", "error": "HTTP 404"}

    def test_failures_of_several_renditions_do_not_add_up(self) -> None:
        rows = [probe(f"{height}p", 20.0 * height, error="HTTP 404") for height in (240, 360, 480, 720)]
        assert told(configured(RenditionMissing()), rows) == []

    def test_one_alert_until_all_are_there(self) -> None:
        low, high = self.rows("xxx......", "480p"), self.rows("xxxxx....", "1080p")
        both = [seen for pair in zip(low, high, strict=True) for seen in pair]
        raised, cleared = told(configured(RenditionMissing()), both)
        assert cleared.at.wall == WALL + 120
        assert raised.episode == cleared.episode

    def test_an_episode_known_from_before_goes_on_until_a_rendition_answers_well(self) -> None:
        check, known = configured(RenditionMissing()), uuid4()
        check.prime(known, WALL - 100)
        assert told(check, self.rows("xx")) == []
        (cleared,) = told(check, self.rows("..."))
        assert cleared.episode == known


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


def test_segments_without_length_do_not_fill_memory() -> None:
    checks = CheckSet(Checks())
    for number in range(5000):
        checks.segment(SegmentSeen(at(0), 0.0, sequence=number, error="HTTP 404", discontinuity=True))
    assert len(checks.segment_errors.rates["main"]._seen) <= 2000
