# SPDX-License-Identifier: Apache-2.0
"""Fragments that are made to cost much: what they claim is refused, and what is collected is bounded."""

import struct

import pytest
from castwarden_worker.monitor.errors import SegmentError
from castwarden_worker.monitor.media.fmp4 import Init, InitTrack, demux_fmp4, read_init


def box(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I4s", 8 + len(body), kind) + body


def traf(track: int, count: int, size: int, runs: int = 1, offset: int = 0) -> bytes:
    head = box(b"tfhd", struct.pack(">IIII", 0x18, track, 1, size))
    return box(b"traf", head + box(b"trun", struct.pack(">IIi", 1, count, offset)) * runs)


def segment(*trafs: bytes, media: int = 100) -> bytes:
    return box(b"styp", b"isom") + box(b"moof", b"".join(trafs)) + box(b"mdat", bytes(media))


def init(*kinds: str) -> Init:
    return Init({number: InitTrack(kind, "h264", None, 1) for number, kind in enumerate(kinds, 1)})


def test_only_the_first_picture_and_the_first_sound_are_collected() -> None:
    data = segment(*(traf(number, 10, 1) for number in (1, 2, 3, 4)), traf(1, 5, 1))
    media = demux_fmp4(data, init("audio", "video", "audio", "video"))
    assert media.audio
    assert media.video
    assert (len(media.audio.samples), len(media.video.samples)) == (15, 10)
    full = segment(traf(1, 10, 1), *(traf(number, 1, 0) for number in range(2, 30)))
    assert demux_fmp4(full, init(*["video"] * 30)).video


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (segment(traf(1, 1000, 0)), "without a byte"),
        (segment(traf(1, 1, 80, runs=3)), "more than the segment holds"),
        (segment(traf(1, 1, 120), traf(2, 1, 120), traf(1, 1, 120)), "more than the segment holds"),
        (segment(traf(1, 1, 20, offset=-40)), "outside"),
        (segment(media=0) + box(b"free", b"") * 200_000, "too many boxes"),
    ],
    ids=["empty", "overlapping runs", "overlapping tracks", "before the data", "boxes"],
)
def test_a_segment_that_claims_what_it_does_not_hold_is_refused(data: bytes, words: str) -> None:
    with pytest.raises(SegmentError, match=words):
        demux_fmp4(data, init("video", "audio"))


def test_an_init_section_with_very_many_tracks_is_refused_before_it_is_opened() -> None:
    trak = box(b"trak", box(b"tkhd", bytes(24)))
    with pytest.raises(SegmentError, match="more than 32 tracks"):
        read_init(box(b"moov", trak * 33))
