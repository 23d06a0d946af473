# SPDX-License-Identifier: Apache-2.0
"""The checks of the renditions that are not watched, on probes made by hand."""

from uuid import uuid4

from castwarden_worker.monitor.checks.rendition_missing import RenditionMissing
from castwarden_worker.monitor.checks.rendition_stale import RenditionStale
from castwarden_worker.monitor.episode import Moment
from castwarden_worker.monitor.seen import RenditionSeen

from tests.unit.monitor.made import WALL
from tests.unit.monitor.made_facts import configured, probe, told


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
