# SPDX-License-Identifier: Apache-2.0
"""What an HLS server is asked for, and when, depending on what it can and what it did."""

import pytest
from castwarden_worker.monitor.hls.asking import Asking, Wish
from castwarden_worker.monitor.playlist import MediaPlaylist, Part, Segment, ServerControl

URL = "https://o.example/live.m3u8"
PLAIN = ServerControl()
BLOCKS = ServerControl(can_block=True)
SKIPS = ServerControl(can_skip_until=24.0)
BOTH = ServerControl(can_block=True, can_skip_until=24.0)


def playlist(first: int, count: int, parts: int = 0, control: ServerControl = BLOCKS) -> MediaPlaylist:
    segments = tuple(Segment(n, f"{n}", 4.0) for n in range(first, first + count))
    return MediaPlaylist(segments, 4.0, first, part_target=0.5, parts=(Part("p", 0.5),) * parts, control=control)


def asking(*loads: MediaPlaylist, now: float = 0.0) -> Asking:
    """After these answers to what it wished."""
    made = Asking()
    for load in loads:
        made.loaded(load, made.wish(now), now)
    return made


def test_the_first_load_is_a_plain_one() -> None:
    assert Asking().wish(0.0).is_plain


def test_a_server_that_says_nothing_is_asked_plainly_at_the_pace_of_its_target_duration() -> None:
    made = asking(playlist(0, 3, control=PLAIN))
    assert made.wish(4.0).is_plain
    assert made.pace.wait(0.0) == 4.0
    made.loaded(playlist(0, 3, control=PLAIN), made.wish(4.0), 4.0)
    assert made.pace.wait(4.0) == 2.0


def test_a_server_that_can_block_is_asked_at_once_for_the_next_segment_but_not_for_its_parts() -> None:
    made = asking(playlist(10, 3, parts=2))
    wish = made.wish(0.0)
    assert (wish.sequence, wish.part, wish.skip) == (13, None, False)
    assert made.pace.wait(0.0) < 0.5
    assert wish.patience == 6.0


def test_the_parts_of_a_late_segment_are_waited_for_one_by_one_until_it_is_there() -> None:
    made = asking(playlist(10, 3))
    wish = made.wish(0.0)
    made.refused(wish, 7.0)
    made.loaded(playlist(10, 3, parts=4), made.plainly(), 7.0)
    wish = made.wish(7.0)
    assert (wish.sequence, wish.part, wish.patience) == (13, 4, 2.5)
    assert made.pace.wait(7.0) < 0.5
    made.loaded(playlist(10, 3, parts=5), wish, 7.5)
    wish = made.wish(7.5)
    assert (wish.sequence, wish.part) == (13, 5)
    made.loaded(playlist(10, 4), wish, 8.0)
    wish = made.wish(8.0)
    assert (wish.sequence, wish.part) == (14, None)


def test_while_nothing_comes_nothing_is_waited_for_and_then_it_is_again() -> None:
    made = asking(playlist(10, 3))
    made.refused(made.wish(0.0), 7.0)
    made.loaded(playlist(10, 3), made.plainly(), 7.0)
    assert made.wish(7.0).is_plain
    assert made.pace.wait(7.0) == 2.0
    for now in (9.0, 11.0, 13.0):
        made.loaded(playlist(10, 3), made.wish(now), now)
        assert made.wish(now).is_plain
    made.loaded(playlist(11, 3), made.wish(15.0), 15.0)
    assert made.wish(15.0).sequence == 14


@pytest.mark.parametrize("refusals", [2, 5])
def test_a_server_that_hangs_although_there_is_news_is_asked_plainly_from_then_on(refusals: int) -> None:
    made = asking(playlist(10, 3))
    for n in range(1, refusals + 1):
        if (wish := made.wish(7.0 * n)).sequence is not None:
            made.refused(wish, 7.0)
        made.loaded(playlist(10 + n, 3), made.plainly(), 7.0 * n)
    assert made.wish(99.0).is_plain
    assert made.pace.wait(7.0 * refusals) == 4.0


def test_a_server_that_refuses_at_once_is_not_asked_again_and_again() -> None:
    made = asking(playlist(10, 3))
    for first in (11, 12):
        made.refused(made.wish(0.0), 0.1)
        made.loaded(playlist(first - 1, 3), made.plainly(), 0.0)
        made.loaded(playlist(first, 3), made.wish(2.0), 2.0)
    assert made.wish(2.0).is_plain


def test_a_server_that_hangs_once_is_trusted_again() -> None:
    made = asking(playlist(10, 3))
    for first in range(11, 31, 2):
        made.refused(made.wish(0.0), 7.0)
        made.loaded(playlist(first, 3), made.plainly(), 0.0)
        wish = made.wish(0.0)
        assert wish.sequence is not None
        made.loaded(playlist(first + 1, 3), wish, 0.0)


def test_a_server_that_answers_without_waiting_is_not_asked_without_end() -> None:
    made = asking(playlist(10, 3))
    made.loaded(playlist(10, 3), made.wish(0.0), 0.0)
    assert made.pace.wait(0.0) == 2.0
    made.loaded(playlist(11, 3), made.wish(2.0), 2.0)
    made.loaded(playlist(11, 3), made.wish(2.0), 2.0)
    made.loaded(playlist(12, 3), made.wish(4.0), 4.0)
    assert made.wish(4.0).is_plain
    assert made.pace.wait(4.0) == 4.0


def test_a_server_that_answers_with_each_part_though_nobody_asked_is_not_asked_for_each() -> None:
    made = asking(playlist(10, 3))
    made.loaded(playlist(10, 3, parts=1), made.wish(0.0), 0.0)
    assert made.pace.wait(0.0) == 2.0
    made.loaded(playlist(11, 3, parts=3), made.wish(0.0), 0.0)
    made.loaded(playlist(11, 3, parts=4), made.wish(0.0), 0.0)
    made.loaded(playlist(12, 3), made.wish(0.0), 0.0)
    assert made.wish(0.0).is_plain
    assert made.pace.wait(0.0) == 4.0


def test_delta_updates_are_asked_for_while_what_we_have_is_young_enough() -> None:
    made = asking(playlist(10, 3, control=SKIPS), now=100.0)
    wish = made.wish(104.0)
    assert (wish.sequence, wish.skip) == (None, True)
    assert made.wish(112.1).is_plain
    both = asking(playlist(10, 3, control=BOTH)).wish(1.0)
    assert (both.sequence, both.skip) == (13, True)


def test_a_server_whose_delta_updates_make_no_sense_is_asked_for_whole_playlists() -> None:
    made = asking(playlist(10, 3, control=BOTH))
    for first in (11, 12):
        made.refused(made.wish(0.0), 0.1, nonsense=True)
        made.loaded(playlist(first, 3, control=BOTH), made.plainly(), 0.0)
    wish = made.wish(0.0)
    assert (wish.sequence, wish.skip) == (15, False)


def test_a_server_that_answers_no_request_for_a_delta_update_is_asked_for_whole_playlists() -> None:
    made = asking(playlist(10, 3, control=SKIPS))
    for first in (11, 12):
        wish = made.wish(4.0)
        assert wish.skip
        made.refused(wish, wish.patience)
        made.loaded(playlist(first, 3, control=SKIPS), made.plainly(), 4.0)
    assert made.wish(4.0).is_plain


def test_a_source_that_fails_is_asked_plainly_and_ever_more_patiently() -> None:
    made = asking(playlist(10, 3, control=BLOCKS))
    waits = []
    for _ in range(4):
        made.failed(0.0)
        assert made.wish(0.0).sequence is None
        waits.append(made.pace.wait(0.0))
    assert waits == [2.0, 4.0, 5.0, 5.0]


@pytest.mark.parametrize(
    ("url", "asked"),
    [
        (URL, URL + "?_HLS_msn=7&_HLS_part=2&_HLS_skip=YES"),
        (URL + "?token=a%2Fb", URL + "?token=a%2Fb&_HLS_msn=7&_HLS_part=2&_HLS_skip=YES"),
        (URL + "#top", URL + "?_HLS_msn=7&_HLS_part=2&_HLS_skip=YES#top"),
    ],
)
def test_directives_are_added_to_a_url_that_is_otherwise_left_alone(url: str, asked: str) -> None:
    assert Wish(1.0, 7, 2, skip=True).on(url) == asked
    assert Wish(1.0).on(url) == url
    assert Wish(1.0, skip=True).on(URL) == URL + "?_HLS_skip=YES"
