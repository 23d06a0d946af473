# SPDX-License-Identifier: Apache-2.0
"""Raised and cleared on media time."""

from uuid import UUID, uuid4

import pytest
from castwarden_worker.monitor.episode import Change, Episode, Moment
from hypothesis import given
from hypothesis import strategies as st

WALL = 1_000_000.0


def at(media: float) -> Moment:
    return Moment(media, WALL + media)


def episode(raise_after: float = 3.0, clear_after: float = 2.0) -> Episode:
    made = Episode("black")
    made.raise_after, made.clear_after = raise_after, clear_after
    return made


def observed(check: Episode, verdicts: str, step: float = 1.0) -> list[Change]:
    """`verdicts`: one letter per step, b for bad."""
    changes = [check.observe(at(number * step), letter == "b") for number, letter in enumerate(verdicts)]
    return [change for change in changes if change]


def test_black_as_long_as_the_threshold_is_raised_at_the_threshold_and_once() -> None:
    (raised,) = observed(episode(), "..bbbbbbbb")
    assert (raised.raised, raised.at, raised.began_wall, raised.duration) == (True, at(5), WALL + 2, 3.0)


def test_media_that_nobody_saw_counts_neither_as_bad_nor_as_good() -> None:
    check = episode()
    assert observed(check, ".bb") == []
    check.unseen(60.0)
    raised = check.observe(at(64), bad=True)
    assert raised is not None
    assert (raised.began_wall, raised.duration) == (WALL + 1, 3.0)
    check.unseen(100.0)
    assert check.observe(at(164), bad=False) is None
    check.unseen(100.0)
    assert check.observe(at(265), bad=False) is None
    cleared = check.observe(at(266), bad=False)
    assert cleared is not None
    assert cleared.duration == 3.0


def test_what_is_measured_on_air_goes_on_while_nobody_sees() -> None:
    check = Episode("stall", on_air=True)
    check.raise_after = 3.0
    check.observe(at(0), bad=True)
    check.unseen(60.0)
    assert check.observe(at(3), bad=True) is not None


def test_black_shorter_than_the_threshold_raises_nothing() -> None:
    assert observed(episode(), "..bbb..bb.bb..") == []


def with_lull(raise_after: float = 3.0, clear_after: float = 4.0, lull: float = 2.0) -> Episode:
    made = episode(raise_after, clear_after)
    made.lull = lull
    return made


def test_a_lull_does_not_keep_an_alert_open_and_a_longer_one_does() -> None:
    raised, cleared = observed(with_lull(), "bbbb.b.b.b.b..")
    assert (cleared.raised, cleared.at, cleared.duration) == (False, at(8), 4.0)
    assert [change.raised for change in observed(with_lull(), "bbbb..bbb...bbb...")] == [True]
    assert raised.episode == cleared.episode


def test_good_media_that_ends_in_a_lull_clears_only_when_it_is_good_again() -> None:
    check = with_lull()
    assert len(observed(check, "bbbb...")) == 1
    assert check.observe(at(7), bad=True) is None
    assert check.hold(at(8.9)) is None
    cleared = check.observe(at(8.9), bad=False)
    assert cleared is not None
    assert cleared.at == at(8)


def test_a_lull_that_goes_on_was_bad_from_its_beginning() -> None:
    check = with_lull()
    observed(check, "bbbb..")
    assert [check.observe(at(step), bad=True) for step in (6, 7, 8)] == [None, None, None]
    assert check.bad_since == at(6)


def test_a_lull_matters_only_while_an_alert_is_open() -> None:
    assert observed(with_lull(), ".b.bb.bb..bb") == []


def test_an_episode_clears_after_enough_good_media_and_reports_how_long_it_was_bad() -> None:
    raised, cleared = observed(episode(), "bbbbb..b...")
    assert (cleared.raised, cleared.at, cleared.duration) == (False, at(10), 8.0)
    assert raised.episode == cleared.episode


def test_an_episode_lasts_as_long_as_its_media_whatever_the_wall_clock_did_meanwhile() -> None:
    check = episode()
    check.observe(at(0), bad=True)
    check.observe(at(3), bad=True)
    check.observe(Moment(5, WALL + 105), bad=False)
    cleared = check.observe(Moment(7, WALL + 107), bad=False)
    assert cleared is not None
    assert cleared.duration == 5.0


def test_black_as_long_as_the_threshold_is_raised_also_where_floats_fall_short_of_it() -> None:
    check = episode(raise_after=2.0)
    assert 2.3 - 0.3 < 2.0
    check.observe(at(0.3), bad=True)
    assert check.hold(at(2.3)) is not None


def test_a_second_episode_has_its_own_id() -> None:
    changes = observed(episode(), "bbbb...bbbb...")
    assert [change.raised for change in changes] == [True, False, True, False]
    assert len({change.episode for change in changes}) == 2


def test_nothing_grows_while_nothing_arrives() -> None:
    check = episode()
    check.observe(at(0), bad=True)
    check.observe(at(2), bad=True)
    assert not check.is_open
    assert check.hold(at(3)) is not None


def test_a_run_may_be_dated_back() -> None:
    check = episode()
    change = check.observe(at(10), bad=True, since=at(6))
    assert change is not None
    assert (change.at, change.began_wall) == (at(9), WALL + 6)


def test_an_episode_of_another_process_is_not_raised_again_and_clears_with_its_id() -> None:
    known = uuid4()
    check = episode()
    check.prime(known, WALL - 100)
    (cleared,) = observed(check, "bbbbbb...")
    assert (cleared.raised, cleared.episode, cleared.duration) == (False, known, 106.0)


def test_a_check_that_is_switched_off_closes_its_episode() -> None:
    check = episode()
    observed(check, "bbbb")
    closed = check.close(at(4))
    assert closed is not None
    assert not closed.raised
    assert check.close(at(5)) is None


def test_a_changed_threshold_counts_for_an_episode_under_way() -> None:
    check = episode(raise_after=30)
    assert observed(check, "bbbbb") == []
    check.raise_after = 3
    raised = check.observe(at(5), bad=True)
    assert raised is not None
    assert raised.at == at(3)


@given(st.text("b.", max_size=80), st.floats(0, 6), st.floats(0, 6))
def test_raised_and_cleared_always_alternate_and_never_go_back_in_time(
    verdicts: str, raise_after: float, clear_after: float
) -> None:
    changes = observed(episode(raise_after, clear_after), verdicts, step=0.5)
    assert [change.raised for change in changes] == [number % 2 == 0 for number in range(len(changes))]
    times = [change.at.media for change in changes]
    assert times == sorted(times)
    ids: list[UUID] = [change.episode for change in changes]
    assert ids[1::2] == ids[: len(ids[1::2]) * 2 : 2]


@pytest.mark.parametrize("threshold", [0.0, 0.1, 2.0])
def test_what_is_due_is_known_before_it_happens(threshold: float) -> None:
    check = episode(raise_after=threshold)
    check.observe(at(0), bad=False)
    change = check.observe(at(1), bad=True)
    assert (change is not None) == (threshold == 0.0)
    if change is None:
        assert not check.due_by(1 + threshold - 0.01)
        assert check.due_by(1 + threshold)


def test_what_goes_on_while_media_stands_still_is_measured_on_the_wall_clock() -> None:
    check = Episode("playlist_errors", on_air=True)
    check.raise_after, check.clear_after = 3.0, 2.0
    stuck = [Moment(10, WALL + second) for second in range(9)]
    assert [check.observe(moment, bad=True) for moment in stuck[:3]] == [None, None, None]
    raised = check.observe(stuck[4], bad=True)
    assert raised is not None
    assert (raised.at, raised.began_wall, raised.duration) == (Moment(10, WALL + 3), WALL, 3.0)
    assert check.observe(stuck[5], bad=False) is None
    cleared = check.observe(stuck[8], bad=False)
    assert cleared is not None
    assert (cleared.at, cleared.duration) == (Moment(10, WALL + 7), 5.0)
