# SPDX-License-Identifier: Apache-2.0
"""The playlist parser, against the RFC's rules, against the package m3u8, and against noise."""

import time
from contextlib import suppress
from datetime import datetime

import m3u8
import pytest
from castwarden_worker.monitor.errors import PlaylistError
from castwarden_worker.monitor.hls.reader import parse
from castwarden_worker.monitor.playlist import ByteRange, Init, Key, MediaPlaylist, MultivariantPlaylist
from hypothesis import given
from hypothesis import strategies as st

LIVE = b"""#EXTM3U
#EXT-X-VERSION:7
#EXT-X-TARGETDURATION:5
#EXT-X-MEDIA-SEQUENCE:4711
#EXT-X-DISCONTINUITY-SEQUENCE:3
#EXT-X-MAP:URI="init.mp4",BYTERANGE="720@0"
#EXT-X-PROGRAM-DATE-TIME:2026-11-20T10:00:00.500+0000
#EXTINF:4.96,a title, with a comma
/live/a.m4s?sig=1
#EXTINF:5.0
b.m4s

#EXT-X-DISCONTINUITY
#EXT-X-GAP
#EXTINF:2,
https://other.example/c.m4s
"""


def media(data: bytes) -> MediaPlaylist:
    playlist = parse(data)
    assert isinstance(playlist, MediaPlaylist)
    return playlist


def test_a_live_playlist_is_read_with_all_that_matters_at_the_edge() -> None:
    playlist = media(LIVE)
    first, second, third = playlist.segments
    assert (playlist.media_sequence, playlist.discontinuity_sequence, playlist.target_duration) == (4711, 3, 5.0)
    assert not playlist.ended
    assert (first.sequence, first.uri, first.duration) == (4711, "/live/a.m4s?sig=1", 4.96)
    assert first.init == second.init == Init("init.mp4", ByteRange(720, 0))
    assert first.program_time == 1795168800.5
    assert second.program_time == pytest.approx(1795168805.46)
    assert (third.sequence, third.discontinuity, third.gap, third.program_time) == (4713, True, True, None)


def test_byte_ranges_without_an_offset_follow_each_other_within_one_resource() -> None:
    text = b"#EXTM3U\n#EXT-X-BYTERANGE:10@5\n#EXTINF:1,\na\n#EXT-X-BYTERANGE:7\n#EXTINF:1,\na\n"
    text += b"#EXT-X-BYTERANGE:3\n#EXTINF:1,\nb\n"
    assert [segment.byterange for segment in media(text).segments] == [
        ByteRange(10, 5),
        ByteRange(7, 15),
        ByteRange(3, 0),
    ]


def test_a_segment_without_a_byte_range_ends_the_row_of_ranges() -> None:
    text = b"#EXTM3U\n#EXT-X-BYTERANGE:10@5\n#EXTINF:1,\na\n#EXTINF:1,\na\n#EXT-X-BYTERANGE:7\n#EXTINF:1,\na\n"
    assert [segment.byterange for segment in media(text).segments] == [ByteRange(10, 5), None, ByteRange(7, 0)]


def test_a_media_sequence_that_comes_after_a_segment_renumbers_nothing() -> None:
    playlist = media(b"#EXTM3U\n#EXT-X-MEDIA-SEQUENCE:3\n#EXTINF:1,\na\n#EXT-X-MEDIA-SEQUENCE:70\n#EXTINF:1,\nb\n")
    assert [segment.sequence for segment in playlist.segments] == [3, 4]
    assert playlist.media_sequence == 3


@pytest.mark.parametrize(("durations", "target"), [((0.2, 0.5), 1.0), ((2.0, 7.5), 7.5)])
def test_without_a_target_duration_the_longest_segment_stands_in_but_no_less_than_a_second(
    durations: tuple[float, ...], target: float
) -> None:
    text = "".join(f"#EXTINF:{duration},\na\n" for duration in durations)
    assert media(b"#EXTM3U\n" + text.encode()).target_duration == target


def test_a_key_holds_until_the_next_one() -> None:
    text = b'#EXTM3U\n#EXT-X-KEY:METHOD=AES-128,URI="k,1",IV=0x0F\n#EXTINF:1,\na\n#EXTINF:1,\nb\n'
    text += b"#EXT-X-KEY:METHOD=NONE\n#EXTINF:1,\nc\n"
    first, second, third = (segment.key for segment in media(text).segments)
    assert first == second == Key("AES-128", "k,1", bytes(15) + b"\x0f")
    assert third is None


def test_variants_and_audio_renditions_are_read() -> None:
    playlist = parse(
        b'#EXTM3U\n#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="a",NAME="English, main",DEFAULT=YES,URI="en.m3u8"\n'
        b'#EXT-X-STREAM-INF:BANDWIDTH=800000,RESOLUTION=640x360,CODECS="avc1.4d401e,mp4a.40.2",AUDIO="a"\nlow.m3u8\n'
    )
    assert isinstance(playlist, MultivariantPlaylist)
    assert playlist.audio[0].name == "English, main"
    variant = playlist.variants[0]
    assert (variant.uri, variant.bandwidth, variant.height, variant.audio) == ("low.m3u8", 800_000, 360, "a")
    assert variant.codecs == "avc1.4d401e,mp4a.40.2"


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "an empty answer"),
        (b"<!DOCTYPE html><html><body>login</body></html>", "a web page, not a playlist"),
        (b"<?xml version='1.0'?><MPD/>", "markup, not a playlist"),
        (b"{}", "does not begin with #EXTM3U"),
        (b"#EXTM3U\n", "neither segments nor variants"),
        (b"#EXTM3U\na.ts\n", "line 2: a URI without EXTINF"),
        (b"#EXTM3U\n#EXTINF:ten,\na.ts\n", "line 2: 'ten' is not a duration"),
        (b"#EXTM3U\n#EXTINF:1e9,\na.ts\n", "line 2: '1e9' is not a duration"),
        (b"#EXTM3U\n#EXT-X-MEDIA-SEQUENCE:-1\n", "line 2: '-1' is not a whole number"),
        (b"#EXTM3U\n#EXT-X-MAP:FOO=1\n", "EXT-X-MAP without a URI"),
        (b"#EXTM3U\n#EXT-X-KEY:METHOD=AES-128\n", "EXT-X-KEY without a URI"),
        (b'#EXTM3U\n#EXT-X-KEY:METHOD=AES-128,URI="k",IV=0xZZ\n', "line 2: an IV that is no hexadecimal number"),
        (b'#EXTM3U\n#EXT-X-KEY:METHOD=AES-128,URI="k",IV=0x' + b"1" * 33, "an IV of more than 128 bits"),
        (b"#EXTM3U\n#EXT-X-BYTERANGE:0@5\n", "a byte range without bytes"),
        (b"#EXTM3U\n#EXT-X-PART:DURATION=1\n", "line 2: an empty URI"),
        (b'#EXTM3U\n#EXT-X-PART:URI="a"\n', "line 2: '' is not a duration"),
        (b"#EXTM3U\n#EXT-X-SKIP:SKIPPED-SEGMENTS=3\n", "a delta update to a playlist that we do not have"),
        (b"#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\nv\n#EXTINF:1,\na\n", "both variants and segments"),
    ],
)
def test_what_is_no_playlist_says_why(data: bytes, message: str) -> None:
    with pytest.raises(PlaylistError, match=message):
        parse(data)


def test_a_byte_order_mark_carriage_returns_and_bad_utf8_where_nobody_reads_it_do_no_harm() -> None:
    data = (
        b"\xef\xbb\xbf#EXTM3U\r\n#EXT-X-TARGETDURATION:2\r\n#\xff\r\n#EXTINF:2,\xff\xfe\r\na.ts\r\n#EXT-X-ENDLIST\r\n"
    )
    playlist = media(data)
    assert playlist.ended
    assert playlist.segments[0].uri == "a.ts"


@pytest.mark.parametrize(
    "lines", [b"#EXTINF:2,\na\xff.ts", b'#EXT-X-MAP:URI="\xff"', b'#EXT-X-KEY:METHOD=AES-128,URI="\xc3"']
)
def test_a_uri_that_is_not_utf8_is_refused(lines: bytes) -> None:
    with pytest.raises(PlaylistError, match="a URI that is not UTF-8"):
        parse(b"#EXTM3U\n" + lines + b"\n")


@pytest.mark.parametrize("line", [b"A" * 2_000_000, b"A=" * 900_000, b'A="' * 600_000, b"A " * 900_000])
def test_a_line_without_end_is_refused(line: bytes) -> None:
    with pytest.raises(PlaylistError, match="line 2: more than 65536 characters"):
        parse(b"#EXTM3U\n#EXT-X-MEDIA:" + line)
    with pytest.raises(PlaylistError, match="line 2: more than 65536 characters"):
        parse(b"#EXTM3U\n" + line)


@pytest.mark.parametrize("line", [b"A" * 65_000, b"A=" * 32_000, b'A="' * 21_000, b"A " * 32_000, b"A,=" * 21_000])
def test_a_hostile_attribute_list_takes_no_more_than_linear_time(line: bytes) -> None:
    began = time.process_time()
    parse(b"#EXTM3U\n#EXT-X-TARGETDURATION:1\n" + b"#EXT-X-MEDIA:" + b"\n#EXT-X-MEDIA:".join([line] * 16))
    assert time.process_time() - began < 10


def test_a_million_tags_are_refused_before_they_are_read() -> None:
    with pytest.raises(PlaylistError, match="more than 250000 lines"):
        parse(b"#EXTM3U\n" + b"#EXT-X-GAP\n" * 1_000_001)


def test_a_uri_without_end_is_refused() -> None:
    with pytest.raises(PlaylistError, match="a URI of more than 16384 characters"):
        parse(b"#EXTM3U\n#EXTINF:1,\n" + b"a" * 20_000)


lines = st.one_of(
    st.sampled_from(LIVE.decode().splitlines()),
    st.builds(
        "{}:{}".format,
        st.sampled_from(
            ["#EXTINF", "#EXT-X-KEY", "#EXT-X-MAP", "#EXT-X-BYTERANGE", "#EXT-X-PROGRAM-DATE-TIME", "#EXT-X-STREAM-INF"]
        ),
        st.text(max_size=40),
    ),
    st.text(max_size=20),
)


@given(st.one_of(st.binary(max_size=300), st.lists(lines, max_size=30).map(lambda some: "\n".join(["#EXTM3U", *some]))))
def test_any_input_gives_a_playlist_or_the_typed_error(data: bytes | str) -> None:
    with suppress(PlaylistError):
        assert parse(data if isinstance(data, bytes) else data.encode("utf-8", "surrogatepass"))


MOMENTS = st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1))  # noqa: DTZ001 - the text gets its Z below
segments = st.lists(
    st.tuples(
        st.integers(1, 60_000).map(lambda ms: ms / 1000),
        st.booleans(),
        st.booleans(),
        st.one_of(st.none(), MOMENTS),
        st.one_of(st.none(), st.tuples(st.integers(1, 10**6), st.integers(0, 10**6))),
    ),
    min_size=1,
    max_size=20,
)


@given(segments, st.integers(0, 10**9), st.booleans())
def test_it_reads_what_the_package_m3u8_reads(given_: list[tuple], sequence: int, ended: bool) -> None:  # type: ignore[type-arg]
    text = ["#EXTM3U", "#EXT-X-TARGETDURATION:60", f"#EXT-X-MEDIA-SEQUENCE:{sequence}"]
    for number, (duration, discontinuity, gap, moment, part) in enumerate(given_):
        text += ["#EXT-X-DISCONTINUITY"] * discontinuity + ["#EXT-X-GAP"] * gap
        text += [f"#EXT-X-PROGRAM-DATE-TIME:{moment.isoformat()}Z"] if moment else []
        text += [f"#EXT-X-BYTERANGE:{part[0]}@{part[1]}"] if part else []
        text += [f"#EXTINF:{duration},", f"segment-{number}.ts"]
    body = "\n".join([*text, "#EXT-X-ENDLIST"] if ended else text)
    ours, theirs = media(body.encode()), m3u8.loads(body)
    assert (ours.target_duration, ours.media_sequence, ours.ended) == (60, theirs.media_sequence, theirs.is_endlist)
    dated = False
    for mine, other in zip(ours.segments, theirs.segments, strict=True):
        assert (mine.uri, mine.duration, mine.sequence) == (other.uri, other.duration, other.media_sequence)
        assert (mine.discontinuity, mine.gap) == (other.discontinuity, bool(other.gap_tag))
        assert (f"{mine.byterange.length}@{mine.byterange.offset}" if mine.byterange else None) == other.byterange
        dated = other.program_date_time is not None or (dated and not mine.discontinuity)
        if dated and other.current_program_date_time:
            assert mine.program_time == pytest.approx(other.current_program_date_time.timestamp(), abs=1e-3)
