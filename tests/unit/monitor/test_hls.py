# SPDX-License-Identifier: Apache-2.0
"""What live HLS adds to plain lists of segments: keys, dates, init sections, discontinuities."""

from typing import Any

import m3u8
import pytest
from castwarden_worker.monitor.errors import PlaylistError
from castwarden_worker.monitor.hls.reader import parse
from castwarden_worker.monitor.playlist import (
    ByteRange,
    Init,
    Key,
    MultivariantPlaylist,
)
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.monitor.read_hls import media, one


@pytest.mark.parametrize(
    "written",
    [
        "2026-11-20T10:00:00.500Z",
        "2026-11-20T10:00:00.500z",
        "2026-11-20T10:00:00.500+0000",
        "2026-11-20T10:00:00.500+00:00",
        "2026-11-20T11:00:00.500+01:00",
        "2026-11-20T11:00:00.500+0100",
        "2026-11-20T11:00:00.500+01",
        "2026-11-20T05:00:00.500-0500",
        "2026-11-20T10:00:00.500",
        "2026-11-20 10:00:00.500 +0000",
        "2026-11-20t10:00:00.500000000Z",
        " 2026-11-20T10:00:00,500Z ",
    ],
)
def test_dates_are_read_in_all_forms_in_which_they_are_written(written: str) -> None:
    assert one(f"#EXT-X-PROGRAM-DATE-TIME:{written}").program_time == 1795168800.5


@pytest.mark.parametrize(
    "written", ["", "yesterday", "2026-13-01T00:00:00Z", "0001-01-01T00:00:00+01:00", "9999-12-31"]
)
def test_what_is_no_date_is_none(written: str) -> None:
    assert one(f"#EXT-X-PROGRAM-DATE-TIME:{written}").program_time is None


def test_segments_before_the_first_date_are_dated_from_it_but_not_over_a_discontinuity() -> None:
    playlist = media(
        "#EXTM3U\n#EXTINF:2,\na\n#EXT-X-DISCONTINUITY\n#EXTINF:3,\nb\n#EXTINF:4,\nc\n"
        "#EXT-X-PROGRAM-DATE-TIME:2026-11-20T10:00:00Z\n#EXTINF:5,\nd\n#EXTINF:6,\ne\n"
    )
    at = 1795168800.0
    assert [segment.program_time for segment in playlist.segments] == [None, at - 7, at - 4, at, at + 5]


def test_a_date_in_the_middle_counts_over_what_the_durations_say() -> None:
    playlist = media(
        "#EXTM3U\n#EXT-X-PROGRAM-DATE-TIME:2026-11-20T10:00:00Z\n#EXTINF:4,\na\n"
        "#EXT-X-PROGRAM-DATE-TIME:2026-11-20T10:00:09Z\n#EXTINF:4,\nb\n"
    )
    assert [segment.program_time for segment in playlist.segments] == [1795168800.0, 1795168809.0]


def test_an_init_section_may_change_in_the_middle_and_have_a_byte_range() -> None:
    playlist = media(
        '#EXTM3U\n#EXT-X-MAP:URI="a.mp4",BYTERANGE="700@5"\n#EXTINF:1,\n1\n#EXT-X-DISCONTINUITY\n'
        '#EXT-X-MAP:URI="b.mp4",BYTERANGE="600"\n#EXTINF:1,\n2\n#EXTINF:1,\n3\n'
    )
    first, second, third = (segment.init for segment in playlist.segments)
    assert first == Init("a.mp4", ByteRange(700, 5))
    assert second == third == Init("b.mp4", ByteRange(600, 0))


def test_keys_rotate_and_an_init_section_keeps_the_key_that_it_came_after() -> None:
    playlist = media(
        '#EXTM3U\n#EXT-X-KEY:METHOD=AES-128,URI="k1",IV=0X1\n#EXT-X-MAP:URI="i"\n#EXTINF:1,\n1\n'
        '#EXT-X-KEY:METHOD=AES-128,URI="k2"\n#EXTINF:1,\n2\n#EXT-X-KEY:METHOD=NONE\n#EXT-X-MAP:URI="j"\n#EXTINF:1,\n3\n'
    )
    one_, two = Key("AES-128", "k1", (1).to_bytes(16)), Key("AES-128", "k2")
    assert [segment.key for segment in playlist.segments] == [one_, two, None]
    assert [segment.init and segment.init.key for segment in playlist.segments] == [one_, one_, None]


@pytest.mark.parametrize("turned", [False, True])
def test_of_keys_in_several_formats_the_plain_one_is_taken(turned: bool) -> None:
    tags = [
        '#EXT-X-KEY:METHOD=AES-128,URI="plain"',
        '#EXT-X-KEY:METHOD=SAMPLE-AES,URI="skd://x",KEYFORMAT="com.apple.streamingkeydelivery"',
    ]
    assert one(*(reversed(tags) if turned else tags)).key == Key("AES-128", "plain")
    assert one(tags[1]).key.method == "SAMPLE-AES"


@pytest.mark.parametrize(
    "uri", ["/root.ts", "//cdn.example/a.ts", "../up.ts?x=1#y", "https://cdn.example/a.ts", "a b.ts"]
)
def test_a_uri_is_kept_as_it_is_written(uri: str) -> None:
    assert media(f"#EXTM3U\n#EXTINF:1,\n{uri}\n").segments[0].uri == uri


def test_discontinuities_are_numbered_from_the_streams_beginning() -> None:
    playlist = media(
        "#EXTM3U\n#EXT-X-DISCONTINUITY-SEQUENCE:7\n#EXTINF:1,\na\n#EXT-X-DISCONTINUITY\n#EXTINF:1,\nb\n#EXTINF:1,\nc\n"
        "#EXT-X-DISCONTINUITY\n#EXTINF:1,\nd\n"
    )
    assert [segment.discontinuity_number for segment in playlist.segments] == [7, 8, 8, 9]


def test_tags_for_advertisers_and_unknown_tags_are_ignored() -> None:
    noise = [
        "#EXT-X-CUE-OUT:30.0",
        "#EXT-X-CUE-OUT-CONT:ElapsedTime=5,Duration=30",
        "#EXT-X-CUE-IN",
        "#EXT-OATCLS-SCTE35:/DAlAAAAAAAAAP/wFAUAAAABf+/+",
        '#EXT-X-DATERANGE:ID="a",START-DATE="2026-11-20T10:00:00Z",SCTE35-OUT=0xFC',
        "#EXT-X-ASSET:CAID=0x1",
        "#EXT-X-BITRATE:900",
        '#EXT-X-FUTURE-TAG:,,,="',
        "# a comment",
        "#EXT-X-",
    ]
    assert one(*noise) == one()


def test_a_multivariant_playlist_in_place_of_a_media_playlist_is_refused() -> None:
    with pytest.raises(PlaylistError, match="a multivariant playlist where a media playlist was announced"):
        media("#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\nself.m3u8\n")


def test_names_are_fit_for_people() -> None:
    playlist = parse(
        b'#EXTM3U\n#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="a\x00b",NAME="' + b"n" * 999 + b'"\n'
        b'#EXT-X-STREAM-INF:BANDWIDTH=1,CODECS="\x1b[31m"\nv\n'
    )
    assert isinstance(playlist, MultivariantPlaylist)
    assert (playlist.audio[0].group, len(playlist.audio[0].name)) == ("a b", 200)
    assert playlist.variants[0].codecs == " [31m"


KEYS = st.sampled_from([None, 'METHOD=AES-128,URI="k1"', 'METHOD=AES-128,URI="k2",IV=0x1f', "METHOD=NONE"])
PARTS = st.lists(st.tuples(st.integers(1, 2000), st.booleans(), st.booleans()), max_size=3)
STRETCHES = st.lists(
    st.tuples(st.integers(1, 9000), KEYS, st.sampled_from([None, "m1", "m2"]), PARTS, st.booleans()),
    min_size=1,
    max_size=9,
)


@given(STRETCHES, PARTS, st.integers(0, 10**6), st.integers(0, 10**6))
def test_keys_maps_parts_and_discontinuities_are_read_as_the_package_m3u8_reads_them(
    stretches: list[Any], open_parts: list[Any], sequence: int, discontinuities: int
) -> None:
    lines = ["#EXTM3U", "#EXT-X-TARGETDURATION:9", "#EXT-X-PART-INF:PART-TARGET=2"]
    lines += [f"#EXT-X-MEDIA-SEQUENCE:{sequence}", f"#EXT-X-DISCONTINUITY-SEQUENCE:{discontinuities}"]

    def written_parts(parts: list[Any]) -> list[str]:
        return [
            f'#EXT-X-PART:DURATION={ms / 1000},URI="p{at}"{",INDEPENDENT=YES" * independent}{",GAP=YES" * gap}'
            for at, (ms, independent, gap) in enumerate(parts)
        ]

    for at, (ms, key, section, parts, discontinuity) in enumerate(stretches):
        lines += ["#EXT-X-DISCONTINUITY"] * discontinuity
        lines += [f"#EXT-X-KEY:{key}"] if key else []
        lines += [f'#EXT-X-MAP:URI="{section}"'] if section else []
        lines += [*written_parts(parts), f"#EXTINF:{ms / 1000},", f"{at}.m4s"]
    text = "\n".join([*lines, *written_parts(open_parts), ""])
    ours, theirs = media(text), m3u8.loads(text)
    assert (ours.part_target, ours.discontinuity_sequence) == (2.0, theirs.discontinuity_sequence)
    for mine, other in zip(ours.segments, theirs.segments, strict=False):
        assert (mine.uri, mine.duration, mine.sequence) == (other.uri, other.duration, other.media_sequence)
        assert (mine.init.uri if mine.init else None) == (other.init_section.uri if other.init_section else None)
        used = other.key if other.key and other.key.method != "NONE" else None
        assert (mine.key.uri if mine.key else None) == (used.uri if used else None)
        assert (mine.key.iv if mine.key else None) == (int(used.iv, 16).to_bytes(16) if used and used.iv else None)
        known = [(it.uri, it.duration, it.independent, it.gap) for it in mine.parts]
        assert known == [(it.uri, it.duration, it.independent == "YES", it.gap == "YES") for it in other.parts]
        assert mine.discontinuity == other.discontinuity
    assert len(ours.parts) == len(open_parts)
