# SPDX-License-Identifier: Apache-2.0
"""What reloads bring: new segments, gaps, epochs, the end."""

from typing import Any

import pytest
from castwarden_worker.monitor.follow.tracker import Tracker, Update
from castwarden_worker.monitor.playlist import MediaPlaylist, Part, Segment
from hypothesis import given
from hypothesis import strategies as st


def playlist(first: int, count: int, *, prefix: str = "s", ended: bool = False, time: float | None = None) -> Any:
    segments = tuple(
        Segment(n, f"{prefix}{n}.ts?sig={first}", 4.0, program_time=None if time is None else time + 4 * n)
        for n in range(first, first + count)
    )
    return MediaPlaylist(segments, 4.0, first, ended=ended)


def numbers(update: Update) -> list[tuple[int, int]]:
    return [(arrival.epoch, arrival.segment.sequence) for arrival in update.new]


def test_each_segment_is_new_once() -> None:
    tracker = Tracker()
    assert numbers(tracker.update(playlist(10, 3), 0)) == [(0, 10), (0, 11), (0, 12)]
    assert numbers(tracker.update(playlist(10, 3), 4)) == []
    assert numbers(tracker.update(playlist(12, 3), 8)) == [(0, 13), (0, 14)]


def test_the_first_load_begins_near_the_live_edge() -> None:
    assert len(Tracker(lookback=30).update(playlist(0, 100), 0).new) == 7
    assert len(Tracker(lookback=0).update(playlist(0, 100), 0).new) == 1


def test_a_finished_playlist_is_taken_whole_when_that_is_wanted() -> None:
    assert len(Tracker(whole=True).update(playlist(0, 100, ended=True), 0).new) == 100
    assert len(Tracker(whole=True).update(playlist(0, 100), 0).new) == 7


def test_segments_that_were_gone_before_we_saw_them_are_missed() -> None:
    tracker = Tracker()
    tracker.update(playlist(0, 3), 0)
    update = tracker.update(playlist(5, 3), 4)
    assert [arrival.missed for arrival in update.new] == [8.0, 0.0, 0.0]


def test_what_follows_in_the_same_playlist_tells_how_old_a_segment_is() -> None:
    assert [arrival.behind for arrival in Tracker().update(playlist(0, 3), 0).new] == [8.0, 4.0, 0.0]


def test_a_restarted_numbering_is_a_new_epoch_once_it_goes_on() -> None:
    tracker = Tracker()
    tracker.update(playlist(5000, 6), 0)
    assert tracker.update(playlist(0, 1, prefix="t"), 4) == Update(behind=5005)
    update = tracker.update(playlist(0, 2, prefix="t"), 8)
    assert update.epoch_changed == (5005, 0)
    assert numbers(update) == [(1, 0), (1, 1)]
    assert [arrival.segment.discontinuity for arrival in update.new] == [True, False]


def test_a_restarted_numbering_is_known_at_once_where_numbers_are_taken_again() -> None:
    tracker = Tracker()
    tracker.update(playlist(0, 6, prefix="old"), 0)
    update = tracker.update(playlist(0, 3, prefix="new"), 4)
    assert update.epoch_changed == (5, 0)
    assert numbers(update) == [(1, 0), (1, 1), (1, 2)]


def test_dates_tell_a_restart_from_a_repeat_where_names_are_the_same() -> None:
    tracker = Tracker()
    tracker.update(playlist(0, 6, time=1000.0), 0)
    assert tracker.update(playlist(0, 3, time=9000.0), 4).epoch_changed == (5, 0)


def test_an_older_copy_from_a_lagging_cache_changes_nothing() -> None:
    tracker = Tracker()
    tracker.update(playlist(10, 6), 0)
    for first in (8, 9, 8, 9):
        assert tracker.update(playlist(first, 6), 4) == Update(behind=10 - first)
    assert numbers(tracker.update(playlist(11, 6), 8)) == [(0, 16)]


def test_an_old_copy_that_a_cache_is_stuck_on_is_no_new_epoch_however_old() -> None:
    tracker = Tracker()
    tracker.update(playlist(100, 6), 0)
    for now in (4, 6, 8):
        assert tracker.update(playlist(80, 6), now).epoch_changed is None
    assert tracker.update(playlist(101, 6), 10).epoch_changed is None
    assert tracker.epoch == 0


@pytest.mark.parametrize("between", [playlist(10, 6), playlist(16, 6)], ids=["known", "newer"])
def test_a_lagging_cache_counts_anew_once_the_playlist_was_up_to_date_again(between: MediaPlaylist) -> None:
    tracker = Tracker()
    tracker.update(playlist(10, 6), 0)
    assert tracker.update(playlist(0, 6), 4) == Update(behind=10)
    tracker.update(between, 8)
    assert tracker.update(playlist(1, 6), 12).epoch_changed is None


def test_a_renewed_url_is_no_new_epoch() -> None:
    tracker = Tracker()
    tracker.update(playlist(10, 6, prefix="a"), 0)
    tracker.renewed()
    update = tracker.update(playlist(11, 6, prefix="b"), 4)
    assert update.epoch_changed is None
    assert numbers(update) == [(0, 16)]


def test_the_first_load_tells_nothing_of_when_segments_came() -> None:
    tracker = Tracker()
    tracker.update(playlist(0, 6), 0)
    assert (tracker.new_count, tracker.last_new) == (0, 0)
    tracker.update(playlist(1, 6), 4)
    assert (tracker.new_count, tracker.last_new) == (1, 4)


@given(st.lists(st.tuples(st.integers(0, 40), st.integers(0, 8), st.sampled_from("ab")), max_size=30))
def test_whatever_an_origin_does_no_segment_is_new_twice(loads: list[tuple[int, int, str]]) -> None:
    tracker = Tracker()
    seen: list[tuple[int, int]] = []
    for now, (first, count, prefix) in enumerate(loads):
        seen += numbers(tracker.update(playlist(first, count, prefix=prefix), float(now)))
    assert len(seen) == len(set(seen))
    assert seen == sorted(seen)


@pytest.mark.parametrize("restarts", [1, 7])
def test_an_origin_that_restarts_again_and_again_never_looks_stalled(restarts: int) -> None:
    tracker = Tracker()
    tracker.update(playlist(0, 6, prefix="0-"), 0)
    for number in range(1, restarts + 1):
        tracker.update(playlist(0, 1, prefix=f"{number}-"), 10 * number)
        tracker.update(playlist(0, 2, prefix=f"{number}-"), 10 * number + 4)
        assert tracker.last_new is not None
        assert tracker.last_new >= 10 * number
    assert tracker.epoch == restarts


def test_a_leap_over_more_media_than_can_have_been_made_is_a_new_epoch() -> None:
    tracker = Tracker()
    tracker.update(playlist(10, 6), 0)
    update = tracker.update(playlist(1_795_000_000, 3), 4)
    assert update.epoch_changed == (15, 1_795_000_000)
    assert [arrival.missed for arrival in update.new] == [0.0, 0.0, 0.0]


def test_a_leap_after_a_long_time_without_news_is_media_that_we_missed() -> None:
    tracker = Tracker()
    tracker.update(playlist(10, 6), 0)
    update = tracker.update(playlist(1000, 6), 4000)
    assert update.epoch_changed is None
    assert update.new[0].missed == 4.0 * (1000 - 16)


def live(first: int, *durations: float, parts: int = 0, **more: Any) -> MediaPlaylist:
    segments = tuple(Segment(first + at, f"https://a/{first + at}.ts?x", long) for at, long in enumerate(durations))
    return MediaPlaylist(segments, 4.0, first, parts=(Part("p", 1.0),) * parts, part_target=1.0, **more)


def test_parts_are_news_and_are_counted_once() -> None:
    tracker = Tracker()
    assert tracker.update(live(0, 4, parts=1), 0).parts == 1
    assert (tracker.new_count, tracker.last_new) == (0, 0)
    assert tracker.update(live(0, 4, parts=1), 1).parts == 0
    assert tracker.last_new == 0
    assert tracker.update(live(0, 4, parts=3), 2).parts == 2
    assert (tracker.new_count, tracker.last_new) == (2, 2)
    update = tracker.update(live(0, 4, 4, parts=1), 3)
    assert (len(update.new), update.parts, tracker.new_count) == (1, 1, 4)


def test_a_stream_that_begins_with_parts_has_missed_nothing() -> None:
    tracker = Tracker()
    tracker.update(live(700, parts=2), 0)
    assert [arrival.missed for arrival in tracker.update(live(700, 4, 4), 4).new] == [0.0, 0.0]


@pytest.mark.parametrize(("now", "changed"), [("http://[h/a.ts", None), ("http://[/b.ts", (0, 0))])
def test_a_uri_that_is_no_url_is_known_by_its_name_too(now: str, changed: tuple[int, int] | None) -> None:
    tracker = Tracker()
    tracker.update(MediaPlaylist((Segment(0, "http://[/a.ts", 4.0),), 4.0), 0)
    assert tracker.update(MediaPlaylist((Segment(0, now, 4.0),), 4.0), 4).epoch_changed == changed
