# SPDX-License-Identifier: Apache-2.0
"""What live HLS adds to plain lists of segments: keys, dates, variables, low latency, delta updates."""

from typing import Any

import m3u8
import pytest
from castwarden_worker.monitor.errors import PlaylistError
from castwarden_worker.monitor.follow.playlist import (
    ByteRange,
    Init,
    Key,
    MediaPlaylist,
    MultivariantPlaylist,
    Part,
    PreloadHint,
    RenditionReport,
    ServerControl,
)
from castwarden_worker.monitor.hls.reader import parse, parse_media
from hypothesis import given
from hypothesis import strategies as st

LOW_LATENCY = """#EXTM3U
#EXT-X-TARGETDURATION:4
#EXT-X-VERSION:9
#EXT-X-PART-INF:PART-TARGET=1.00
#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,PART-HOLD-BACK=3.0,CAN-SKIP-UNTIL=24.0,HOLD-BACK=12
#EXT-X-MEDIA-SEQUENCE:266
#EXT-X-MAP:URI="init.mp4"
#EXT-X-PROGRAM-DATE-TIME:2026-11-20T10:00:00Z
#EXTINF:4.0,
s266.mp4
#EXT-X-PART:DURATION=2,URI="s267.mp4",BYTERANGE="1000@0",INDEPENDENT=YES
#EXT-X-PART:DURATION=2,URI="s267.mp4",BYTERANGE="500"
#EXTINF:4.0,
s267.mp4
#EXT-X-PART:DURATION=1.0,URI="p268.0.mp4",INDEPENDENT=YES
#EXT-X-PART:DURATION=1.0,URI="p268.1.mp4",GAP=YES
#EXT-X-PRELOAD-HINT:TYPE=PART,URI="p268.2.mp4",BYTERANGE-START=10,BYTERANGE-LENGTH=20
#EXT-X-PRELOAD-HINT:TYPE=MAP,URI="next.mp4"
#EXT-X-PRELOAD-HINT:TYPE=FUTURE,URI="x"
#EXT-X-RENDITION-REPORT:URI="../hi/live.m3u8",LAST-MSN=268,LAST-PART=1
#EXT-X-RENDITION-REPORT:URI="../lo/live.m3u8",LAST-MSN=267
"""


def media(text: str, **context: Any) -> MediaPlaylist:
    return parse_media(text.encode(), **context)


def one(*tags: str, **context: Any) -> Any:
    """The segment that these tags stand before."""
    return media("\n".join(["#EXTM3U", *tags, "#EXTINF:4,", "a.ts", ""]), **context).segments[-1]


def test_low_latency_parts_belong_to_their_segments_and_hints_are_none() -> None:
    playlist = media(LOW_LATENCY)
    assert [segment.sequence for segment in playlist.segments] == [266, 267]
    assert playlist.next_sequence == 268
    assert playlist.part_target == 1.0
    assert playlist.segments[1].parts == (
        Part("s267.mp4", 2.0, ByteRange(1000, 0), independent=True),
        Part("s267.mp4", 2.0, ByteRange(500, 1000)),
    )
    assert playlist.parts == (Part("p268.0.mp4", 1.0, independent=True), Part("p268.1.mp4", 1.0, gap=True))
    assert playlist.hints == (PreloadHint("PART", "p268.2.mp4", 10, 20), PreloadHint("MAP", "next.mp4"))
    assert playlist.reports == (RenditionReport("../hi/live.m3u8", 268, 1), RenditionReport("../lo/live.m3u8", 267))
    assert playlist.control == ServerControl(True, 24.0, False, 12.0, 3.0)


def test_m3u8_reads_the_same_of_low_latency() -> None:
    ours, theirs = media(LOW_LATENCY), m3u8.loads(LOW_LATENCY)
    control, info = theirs.server_control, theirs.part_inf
    assert ours.control.can_block == (control.can_block_reload == "YES")
    assert (ours.control.can_skip_until, ours.control.part_hold_back) == (
        control.can_skip_until,
        control.part_hold_back,
    )
    assert ours.part_target == info.part_target
    assert [[part.uri for part in segment.parts] for segment in ours.segments] == [
        [part.uri for part in segment.parts] for segment in theirs.segments[:2]
    ]
    reports = [(report.uri, report.last_msn) for report in theirs.rendition_reports]
    assert [(report.uri, report.last_sequence) for report in ours.reports] == reports


def test_a_playlist_that_has_parts_alone_is_a_media_playlist() -> None:
    playlist = media('#EXTM3U\n#EXT-X-PART:DURATION=1,URI="p"\n')
    assert (playlist.segments, len(playlist.parts), playlist.next_sequence) == ((), 1, 0)


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


def test_variables_are_put_in_wherever_they_are_referred_to() -> None:
    tags = [
        '#EXT-X-DEFINE:NAME="host",VALUE="cdn.example"',
        '#EXT-X-DEFINE:QUERYPARAM="token"',
        '#EXT-X-DEFINE:IMPORT="auth"',
        '#EXT-X-MAP:URI="https://{$host}/{$auth}/i.mp4?{$token}"',
    ]
    context = {"url": "https://o.example/l.m3u8?token=a%20b&x=1", "variables": [("auth", "secret")]}
    assert one(*tags, **context).init == Init("https://cdn.example/secret/i.mp4?a b")
    text = "\n".join(["#EXTM3U", *tags, "#EXTINF:1,", "{$host}/{$auth}/{$host}.ts"])
    assert media(text, **context).segments[0].uri == "cdn.example/secret/cdn.example.ts"


def test_a_playlist_without_variables_may_have_any_characters_in_its_uris() -> None:
    assert media("#EXTM3U\n#EXTINF:1,\n{$a}.ts\n").segments[0].uri == "{$a}.ts"


def test_a_multivariant_playlist_hands_its_variables_on() -> None:
    playlist = parse(
        b'#EXTM3U\n#EXT-X-DEFINE:NAME="a",VALUE="1"\n#EXT-X-DEFINE:NAME="b",VALUE="{$a}2"\n'
        b"#EXT-X-STREAM-INF:BANDWIDTH=1\nv{$b}\n"
    )
    assert isinstance(playlist, MultivariantPlaylist)
    assert playlist.variables == (("a", "1"), ("b", "12"))
    assert playlist.variants[0].uri == "v12"


@pytest.mark.parametrize(
    ("tags", "message"),
    [
        (['#EXT-X-DEFINE:NAME="a",VALUE="1"', "#EXTINF:1,", "{$b}"], "the variable b is not defined"),
        (['#EXT-X-DEFINE:QUERYPARAM="t"'], "the variable t has no value"),
        (['#EXT-X-DEFINE:IMPORT="t"'], "the variable t has no value"),
        (['#EXT-X-DEFINE:NAME="a"'], "the variable a has no value"),
        (['#EXT-X-DEFINE:NAME="a b",VALUE="1"'], "'a b' is not the name of a variable"),
        (["#EXT-X-DEFINE:"], "EXT-X-DEFINE without a name"),
        ([f'#EXT-X-DEFINE:NAME="a{n}",VALUE="1"' for n in range(1001)], "more than 1000 variables"),
    ],
)
def test_a_variable_that_means_nothing_is_refused(tags: list[str], message: str) -> None:
    with pytest.raises(PlaylistError, match=message):
        one(*tags)


def test_variables_that_double_each_other_do_not_fill_the_memory() -> None:
    tags = ['#EXT-X-DEFINE:NAME="a0",VALUE="aaaaaaaa"']
    tags += [f'#EXT-X-DEFINE:NAME="a{n + 1}",VALUE="{{$a{n}}}{{$a{n}}}"' for n in range(60)]
    with pytest.raises(PlaylistError, match="variables of more than 16384 characters"):
        one(*tags)


FULL = ["#EXTM3U", "#EXT-X-TARGETDURATION:4", "#EXT-X-SERVER-CONTROL:CAN-SKIP-UNTIL=24"]
SEGMENT_TAGS = st.lists(
    st.sampled_from(
        [
            "#EXT-X-DISCONTINUITY",
            "#EXT-X-GAP",
            '#EXT-X-KEY:METHOD=AES-128,URI="k1"',
            '#EXT-X-KEY:METHOD=AES-128,URI="k2",IV=0x7',
            "#EXT-X-KEY:METHOD=NONE",
            '#EXT-X-MAP:URI="m1"',
            '#EXT-X-MAP:URI="m2"',
            "#EXT-X-PROGRAM-DATE-TIME:2026-11-20T10:00:00Z",
            "#EXT-X-BYTERANGE:100",
            "#EXT-X-BYTERANGE:100@7",
        ]
    ),
    max_size=3,
    unique_by=lambda tag: tag.partition(":")[0],
)


def written(first: int, numbers: list[int], stretches: list[list[str]], skip: int = 0) -> str:
    head = [*FULL, f"#EXT-X-MEDIA-SEQUENCE:{first}"]
    removed = sum("#EXT-X-DISCONTINUITY" in tags for tags in stretches[:first])
    head.append(f"#EXT-X-DISCONTINUITY-SEQUENCE:{removed}")
    if skip:
        head.append(f'#EXT-X-SKIP:SKIPPED-SEGMENTS={skip},RECENTLY-REMOVED-DATERANGES="a\tb"')
    lines = [line for number in numbers for line in (*stretches[number], "#EXTINF:4,", f"{number // 4}.ts")]
    return "\n".join([*head, *lines, ""])


@given(st.lists(SEGMENT_TAGS, min_size=4, max_size=14), st.data())
def test_a_delta_update_gives_what_the_whole_playlist_would(stretches: list[list[str]], data: st.DataObject) -> None:
    """Other than that a full playlist may have lost the tag that a key, a map or a date came from."""
    known = data.draw(st.integers(2, len(stretches)), "how many there were")
    skip = data.draw(st.integers(1, known), "how many are skipped")
    previous = media(written(0, list(range(known)), stretches))
    whole = media(written(0, list(range(len(stretches))), stretches))
    delta = media(written(0, list(range(skip, len(stretches))), stretches, skip), previous=previous)
    assert delta.skipped == skip
    assert [segment.sequence for segment in delta.segments] == [segment.sequence for segment in whole.segments]
    for one_, other in zip(delta.segments, whole.segments, strict=True):
        assert (one_.uri, one_.init, one_.key, one_.byterange) == (other.uri, other.init, other.key, other.byterange)
        assert one_.discontinuity_number == other.discontinuity_number
        assert one_.program_time == other.program_time or other.program_time is None or one_.program_time is None


@pytest.mark.parametrize("first", [0, 1, 9, 14])
def test_a_delta_update_to_what_we_do_not_have_is_refused(first: int) -> None:
    stretches: list[list[str]] = [[] for _ in range(20)]
    previous = media(written(2, list(range(2, 10)), stretches))
    with pytest.raises(PlaylistError, match="a delta update to a playlist that we do not have"):
        media(written(first, list(range(first + 5, 20)), stretches, 5), previous=previous)
    assert media(written(4, list(range(9, 20)), stretches, 5), previous=previous).segments[0].sequence == 4


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
