# SPDX-License-Identifier: Apache-2.0
"""Low-latency HLS: parts, what the server can do, delta updates."""

import m3u8
import pytest
from castwarden_worker.monitor.errors import PlaylistError
from castwarden_worker.monitor.playlist import (
    ByteRange,
    Part,
    PreloadHint,
    RenditionReport,
    ServerControl,
)
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.monitor.read_hls import media

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
