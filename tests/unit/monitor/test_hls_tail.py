# SPDX-License-Identifier: Apache-2.0
"""Long playlists are read from their end, and say the same as when all of them is read."""

from dataclasses import replace
from typing import Any

import pytest
from castwarden_worker.monitor.hls.reader import parse_media
from castwarden_worker.monitor.hls.tail import as_delta
from castwarden_worker.monitor.playlist import MediaPlaylist
from hypothesis import given
from hypothesis import strategies as st

COUNT = 400


def written(
    first: int, count: int, *, newline: str = "\n", uri: str = "https://cdn.example/live/{}.ts?sig=", **odd: Any
) -> bytes:
    """`odd`: tags before segments, by number."""
    lines = ["#EXTM3U", "#EXT-X-TARGETDURATION:4", f"#EXT-X-MEDIA-SEQUENCE:{first}", "#EXT-X-PLAYLIST-TYPE:EVENT"]
    lines.append(f"#EXT-X-DISCONTINUITY-SEQUENCE:{sum(number % 7 == 0 for number in range(1, first))}")
    for number in range(first, first + count):
        lines += ["#EXT-X-DISCONTINUITY"] if number and number % 7 == 0 else []
        lines += odd.get(f"at{number}", [])
        lines += [f'#EXT-X-KEY:METHOD=AES-128,URI="{number // 50}"', f'#EXT-X-MAP:URI="{number // 90}"']
        lines += [f"#EXT-X-PROGRAM-DATE-TIME:2026-11-20T10:{number // 60 % 60:02}:{number % 60:02}Z"]
        lines += ["#EXTINF:4.0,", uri.format(number) + "x" * 40]
    return newline.join([*lines, ""]).encode()


def read(data: bytes, previous: MediaPlaylist | None = None) -> MediaPlaylist:
    return parse_media(data, previous=previous)


@given(st.integers(0, 300), st.integers(0, 60), st.sampled_from(["\n", "\r\n"]), st.integers(0, 5))
def test_the_end_of_a_long_playlist_with_what_was_known_is_the_whole_of_it(
    first: int, more: int, newline: str, removed: int
) -> None:
    previous = read(written(first, COUNT, newline=newline))
    data = written(first + removed, COUNT - removed + more, newline=newline)
    shorter = as_delta(data, previous)
    assert shorter is not None
    assert len(shorter) < len(data) / 2
    assert replace(read(shorter, previous), skipped=0) == read(data)


def test_a_segment_near_the_end_that_was_rewritten_is_read_anew() -> None:
    previous, data = read(written(0, COUNT)), written(0, COUNT).replace(b"live/390", b"new/390")
    shorter = as_delta(data, previous)
    assert shorter is not None
    assert "new/390" in read(shorter, previous).segments[390].uri


@pytest.mark.parametrize(
    "data",
    [
        written(500, COUNT),
        written(0, 300),
        written(0, COUNT, uri="/same.ts"),
        written(0, COUNT).replace(b"#EXT-X-MEDIA-SEQUENCE:0", b"#EXT-X-MEDIA-SEQUENCE:1"),
        written(0, COUNT, at9=["#EXTINF:9,", "twice.ts"]),
        written(0, 20),
        b"",
        b"#EXTM3U\n" + b"#" * 40_000,
    ],
    ids=["nothing is known", "shorter", "one name", "renumbered", "one more", "small", "empty", "without segments"],
)
def test_where_it_is_not_certain_all_of_it_is_read(data: bytes) -> None:
    assert as_delta(data, read(written(0, COUNT))) is None


def test_without_a_playlist_before_or_with_a_short_one_all_of_it_is_read() -> None:
    assert as_delta(written(0, COUNT), None) is None
    assert as_delta(written(0, COUNT), read(written(0, 20))) is None


def test_a_playlist_of_byte_ranges_is_read_whole() -> None:
    ranged = written(0, COUNT).replace(b"#EXTINF", b"#EXT-X-BYTERANGE:10\n#EXTINF")
    assert as_delta(ranged, read(ranged)) is None


def test_of_hours_of_segments_little_is_read_again() -> None:
    shorter = as_delta(written(1, 4000), read(written(0, 4000)))
    assert shorter is not None
    assert shorter.count(b"#EXTINF") == 64
