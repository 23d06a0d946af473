# SPDX-License-Identifier: Apache-2.0
"""Media that is missing although playlist and timestamps go on is noticed; uneven timestamps are not taken for it."""

from collections.abc import Iterable

import pytest
from castwarden_worker.monitor.media.tracks import Sample, Track
from castwarden_worker.monitor.seen import Kind
from castwarden_worker.monitor.sight.continuity import Continuity

SEGMENT = 4.0


def pictures(begin: float, seconds: float = SEGMENT, step: float = 0.04) -> Track:
    return track("h264", (begin + step * at for at in range(round(seconds / step))))


def sound(begin: float, seconds: float = SEGMENT, step: float = 0.16) -> Track:
    return track("aac", (begin + step * at for at in range(round(seconds / step))))


def track(codec: str, times: Iterable[float]) -> Track:
    return Track(codec, tuple(Sample(time, b"", key=True) for time in times))


def both(begin: float, video: float = SEGMENT, audio: float = SEGMENT) -> dict[Kind, Track]:
    return {"video": pictures(begin, video), "audio": sound(begin, audio)}


def test_segments_that_follow_each_other_are_whole() -> None:
    made = Continuity()
    assert [made.fault(both(4.0 * at), SEGMENT) for at in range(5)] == [None] * 5


@pytest.mark.parametrize("held", [2.24, 3.2, 3.36])
def test_media_that_is_missing_at_the_end_is_noticed_with_the_next_segment(held: float) -> None:
    made = Continuity()
    assert made.fault(both(0.0, held, held), SEGMENT) is None
    assert made.fault(both(4.0), SEGMENT) == f"{4.0 - held:.1f} s of 4.0 s are missing"


def test_a_hole_within_a_segment_is_noticed() -> None:
    times = [0.04 * at for at in range(100) if not 40 <= at < 60]
    holed: dict[Kind, Track] = {"video": track("h264", times), "audio": track("aac", times[::4])}
    assert Continuity().fault(holed, SEGMENT) == "0.8 s of 4.0 s are missing"


def test_what_one_track_has_is_not_missing() -> None:
    made = Continuity()
    made.fault(both(0.0, video=3.0), SEGMENT)
    assert made.fault(both(4.0), SEGMENT) is None


def test_a_wrong_duration_in_the_playlist_is_no_missing_media() -> None:
    made = Continuity()
    assert [made.fault(both(3.6 * at, 3.6, 3.6), SEGMENT) for at in range(5)] == [None] * 5


@pytest.mark.parametrize("jump", [-5000.0, 45.0, 9000.0, -(2**33) / 90_000])
def test_timestamps_that_begin_anew_are_no_missing_media(jump: float) -> None:
    made = Continuity()
    made.fault(both(100_000.0), SEGMENT)
    assert made.fault(both(100_004.0 + jump), SEGMENT) is None


def test_what_does_not_follow_is_not_compared() -> None:
    made = Continuity()
    made.fault(both(0.0), SEGMENT)
    made.forget()
    assert made.fault(both(8.0), SEGMENT) is None


def test_pictures_alone_may_stand_for_a_moment() -> None:
    made = Continuity()
    made.fault({"video": pictures(0.0, 3.2)}, SEGMENT)
    assert made.fault({"video": pictures(4.0)}, SEGMENT) is None


def test_a_third_of_the_only_track_is_missing() -> None:
    made = Continuity()
    made.fault({"audio": sound(0.0, 2.56)}, SEGMENT)
    assert made.fault({"audio": sound(4.0)}, SEGMENT) == "1.4 s of 4.0 s are missing"


def test_a_segment_that_holds_less_than_half_says_so_itself_and_only_once() -> None:
    made = Continuity()
    assert made.fault(both(0.0, 1.6, 1.6), SEGMENT) == "it holds 1.6 s of 4.0 s"
    assert made.fault(both(4.0), SEGMENT) is None


def test_a_single_sample_may_hold_the_whole_segment() -> None:
    made = Continuity()
    assert made.fault({"audio": track("mp3", [0.0])}, SEGMENT) is None
    assert made.fault({"audio": track("mp3", [4.0])}, SEGMENT) is None
