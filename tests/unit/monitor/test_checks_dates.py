# SPDX-License-Identifier: Apache-2.0
"""The checks of numbers and dates, on segments and playlists made by hand."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from uuid import uuid4

import pytest
from castwarden_model.resources.checks import Checks
from castwarden_worker.monitor.checks import CheckSet
from castwarden_worker.monitor.checks.discontinuity import Discontinuity
from castwarden_worker.monitor.checks.latency_growth import LatencyGrowth
from castwarden_worker.monitor.checks.pdt_jump import PdtJump
from castwarden_worker.monitor.checks.sequence_regression import SequenceRegression
from castwarden_worker.monitor.episode import Change, Moment
from castwarden_worker.monitor.seen import PlaylistSeen, SegmentSeen

from tests.unit.monitor.made import WALL, at
from tests.unit.monitor.made_facts import configured, loads, segments, told


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

    def raised(self) -> tuple[Change, Mapping[str, float | str]]:
        """An alert, and what goes with it."""
        check = configured(LatencyGrowth())
        (change,) = told(check, self.rows([12.0] * 20 + [12 + 0.5 * step for step in range(40)]))
        return change, check.measured()

    def taken_over(self, measured: Mapping[str, float | str], latency: Iterable[float]) -> list[Change]:
        """What another process tells that goes on with the alert."""
        checks = CheckSet(Checks())
        check = checks.named("latency_growth")
        assert check is not None
        check.prime(uuid4(), WALL - 100, measured)
        return [change for seen in self.rows(latency) for change in checks.playlist(seen)]

    def test_an_alert_that_another_process_takes_over_stays_open_while_latency_is_high(self) -> None:
        _, measured = self.raised()
        assert self.taken_over(measured, [31.0] * 200) == []

    def test_it_recovers_when_latency_is_back_at_the_baseline_of_the_process_before(self) -> None:
        _, measured = self.raised()
        (cleared,) = self.taken_over(measured, [31.0] * 40 + [31 - 0.5 * step for step in range(38)] + [12.0] * 10)
        assert (cleared.raised, cleared.settled) == (False, "")

    def test_without_that_baseline_it_ends_without_a_recovery(self) -> None:
        (ended,) = self.taken_over({}, [31.0] * 40)
        assert (ended.raised, ended.settled) == (False, "baseline_lost")

    def test_another_rendition_ends_an_alert_without_a_recovery(self) -> None:
        checks = CheckSet(Checks())
        rows = self.rows([12.0] * 20 + [12 + 0.5 * step for step in range(80)])
        assert [change.raised for seen in rows[:60] for change in checks.playlist(seen)] == [True]
        checks.renewed()
        ended = [change for seen in rows[60:] for change in checks.playlist(seen)]
        assert [(change.raised, change.settled) for change in ended[:1]] == [(False, "baseline_lost")]
