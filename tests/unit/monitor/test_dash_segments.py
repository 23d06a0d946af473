# SPDX-License-Identifier: Apache-2.0
"""From manifest to segments: what is available when, under which names and numbers."""

import time
from datetime import UTC, datetime

import pytest
from castwarden_worker.monitor.dash.manifest import parse
from castwarden_worker.monitor.dash.numbers import Numbering
from castwarden_worker.monitor.dash.segments import MOST, Announced, announced, has_separate_sound, main_kind
from castwarden_worker.monitor.errors import PlaylistError
from castwarden_worker.monitor.playlist import ByteRange, Init, Segment
from hypothesis import given
from hypothesis import strategies as st

URL = "https://o.example/live/m.mpd"
BEGAN = datetime(2026, 1, 1, tzinfo=UTC).timestamp()
NUMBERS = (
    '<SegmentTemplate timescale="10" duration="40" startNumber="5" media="$Number%05d$.m4s" initialization="i.mp4"/>'
)


def mpd(*periods: str, more: str = "", kind: str = "dynamic") -> str:
    return (
        f'<MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="{kind}" availabilityStartTime="2026-01-01T00:00:00Z" {more}>'
        f"{''.join(periods)}</MPD>"
    )


def period(addressing: str, more: str = "", attributes: str = "") -> str:
    return (
        f'<Period {attributes}><AdaptationSet contentType="video">{more}<Representation id="v" bandwidth="9">'
        f"{addressing}</Representation></AdaptationSet></Period>"
    )


def timeline(inner: str, more: str = "", media: str = "$Time$.m4s") -> str:
    return (
        f'<SegmentTemplate timescale="10" media="{media}" {more}>'
        f"<SegmentTimeline>{inner}</SegmentTimeline></SegmentTemplate>"
    )


def at(text: str, elapsed: float) -> Announced:
    return announced(parse(text.encode(), URL), "video", BEGAN + elapsed)


def segments(text: str, elapsed: float) -> list[Segment]:
    return [segment for _, segment in at(text, elapsed).segments]


def names(text: str, elapsed: float) -> list[str]:
    return [segment.uri.rpartition("/")[2] for segment in segments(text, elapsed)]


def test_a_numbered_segment_is_there_when_its_last_picture_was_shown() -> None:
    text = mpd(period(NUMBERS))
    assert names(text, 3.9) == []
    assert names(text, 4) == ["00005.m4s"]
    assert names(text, 11.99) == ["00005.m4s", "00006.m4s"]
    first, second = segments(text, 11)
    assert first.uri == "https://o.example/live/00005.m4s"
    assert first.init == Init("https://o.example/live/i.mp4")
    assert (first.sequence, first.duration, first.program_time) == (5, 4.0, BEGAN)
    assert second.program_time == BEGAN + 4


@pytest.mark.parametrize(("offset", "there"), [("1.5", 1), ("INF", 0), ("0", 0)])
def test_an_offset_makes_segments_available_earlier_but_never_without_end(offset: str, there: int) -> None:
    text = mpd(period(NUMBERS.replace("duration", f'availabilityTimeOffset="{offset}" duration')))
    assert len(names(text, 2.6)) == there


def test_all_of_a_prepared_period_is_there_at_once_when_the_offset_says_so() -> None:
    text = mpd(
        period(NUMBERS.replace("duration=", 'availabilityTimeOffset="INF" duration='), attributes='duration="PT9S"')
    )
    assert [segment.duration for segment in segments(text, 1)] == [4, 4, 1]


def test_nothing_is_there_before_the_stream_begins() -> None:
    assert names(mpd(period(NUMBERS)), -5) == []
    assert names(mpd(period(timeline('<S t="0" d="40" r="9"/>'))), -5) == []


def test_only_what_the_time_shift_buffer_holds_is_named() -> None:
    text = mpd(period(NUMBERS), more='timeShiftBufferDepth="PT10S"')
    assert names(text, 100) == ["00026.m4s", "00027.m4s", "00028.m4s", "00029.m4s"]


def test_a_timeline_names_segments_by_time_and_keeps_their_own_durations() -> None:
    text = mpd(period(timeline('<S t="100" d="40" r="1"/><S d="20"/>', 'presentationTimeOffset="100"')))
    assert [(segment.uri[-8:], segment.duration) for segment in segments(text, 10)] == [
        ("/100.m4s", 4),
        ("/140.m4s", 4),
        ("/180.m4s", 2),
    ]
    assert [segment.program_time for segment in segments(text, 10)] == [BEGAN, BEGAN + 4, BEGAN + 8]


def test_a_listed_segment_that_is_not_complete_yet_is_not_asked_for() -> None:
    assert names(mpd(period(timeline('<S t="0" d="40" r="4"/>'))), 9) == ["0.m4s", "40.m4s"]


def test_a_timeline_far_ahead_of_the_clock_is_believed_more_than_the_clock() -> None:
    assert names(mpd(period(timeline('<S t="36000" d="40" r="1"/>'))), 9) == ["36000.m4s", "36040.m4s"]


def test_an_open_run_goes_to_the_next_one_to_the_periods_end_or_to_now() -> None:
    until_next = '<S t="0" d="40" r="-1"/><S t="120" d="20"/>'
    assert names(mpd(period(timeline(until_next))), 60) == ["0.m4s", "40.m4s", "80.m4s", "120.m4s"]
    assert names(mpd(period(timeline('<S t="0" d="40" r="-1"/>'), attributes='duration="PT10S"')), 60) == [
        "0.m4s",
        "40.m4s",
        "80.m4s",
    ]
    assert names(mpd(period(timeline('<S t="0" d="40" r="-1"/>'))), 9) == ["0.m4s", "40.m4s"]


def test_a_hole_in_a_timeline_is_an_announced_gap() -> None:
    found = segments(mpd(period(timeline('<S t="0" d="40"/><S t="60" d="40"/>'))), 60)
    assert [(segment.gap, segment.duration, segment.program_time) for segment in found] == [
        (False, 4, BEGAN),
        (True, 2, BEGAN + 4),
        (False, 4, BEGAN + 6),
    ]


def test_a_timeline_can_be_addressed_by_numbers() -> None:
    text = mpd(period(timeline('<S t="0" d="40" r="1"/><S d="20"/>', 'startNumber="8"', "$RepresentationID$-$Number$")))
    assert names(text, 60) == ["v-8", "v-9", "v-10"]


def test_a_new_period_is_a_discontinuity_unless_it_says_that_it_continues() -> None:
    first = period(NUMBERS, attributes='duration="PT8S"')
    continues = '<SupplementalProperty schemeIdUri="urn:mpeg:dash:period-continuity:2015" value="x"/>'
    cut = segments(mpd(first, period(NUMBERS)), 13)
    assert [(segment.uri[-9:], segment.discontinuity) for segment in cut] == [
        ("00005.m4s", False),
        ("00006.m4s", False),
        ("00005.m4s", True),
    ]
    assert not any(segment.discontinuity for segment in segments(mpd(first, period(NUMBERS, continues)), 13))


def test_the_last_segment_of_a_period_ends_with_it() -> None:
    text = mpd(period(NUMBERS, attributes='duration="PT9S"'))
    assert [segment.duration for segment in segments(text, 60)] == [4, 4, 1]


def test_a_list_of_urls_is_followed() -> None:
    inner = (
        '<SegmentList timescale="10" duration="40"><Initialization range="0-9"/>'
        '<SegmentURL media="a" mediaRange="10-29"/><SegmentURL media="b"/></SegmentList>'
    )
    first, second = segments(mpd(period(f"<BaseURL>all.mp4</BaseURL>{inner}")), 60)
    assert (first.uri[-2:], first.byterange) == ("/a", ByteRange(20, 10))
    assert first.init == second.init == Init("https://o.example/live/all.mp4", ByteRange(10, 0))


@pytest.mark.parametrize(
    ("text", "elapsed", "ended"),
    [
        (mpd(period(NUMBERS), kind="static", more='mediaPresentationDuration="PT8S"'), -100.0, True),
        (mpd(period(NUMBERS), more='mediaPresentationDuration="PT8S"'), 7.0, False),
        (mpd(period(NUMBERS), more='mediaPresentationDuration="PT8S"'), 8.0, True),
        (mpd(period(NUMBERS), more='mediaPresentationDuration="PT8S" minimumUpdatePeriod="PT2S"'), 99.0, False),
        (mpd(period(NUMBERS)), 99.0, False),
    ],
)
def test_it_has_ended_when_it_is_static_or_past_an_end_that_is_final(text: str, elapsed: float, ended: bool) -> None:
    assert at(text, elapsed).ended is ended


def test_a_static_presentation_is_there_as_a_whole() -> None:
    text = mpd(period(NUMBERS), kind="static", more='mediaPresentationDuration="PT10M"')
    assert len(names(text, 0)) == 150


def test_encrypted_segments_carry_a_key_that_nobody_can_read() -> None:
    protected = '<ContentProtection schemeIdUri="urn:mpeg:dash:mp4protection:2011" value="cbcs"/>'
    (segment,) = segments(mpd(period(NUMBERS, protected)), 4)
    assert segment.key
    assert segment.key.method == "cbcs"
    assert segment.key.keyformat != "identity"


def test_sound_comes_apart_when_the_picture_brings_none() -> None:
    sound = '<AdaptationSet contentType="audio"><Representation id="a"/></AdaptationSet>'
    picture = '<AdaptationSet contentType="video"><Representation id="v"/></AdaptationSet>'
    both = parse(mpd(f"<Period>{picture}{sound}</Period>").encode(), URL)
    only = parse(mpd(f"<Period>{sound}</Period>").encode(), URL)
    assert (main_kind(both), has_separate_sound(both)) == ("video", True)
    assert (main_kind(only), has_separate_sound(only)) == ("audio", False)
    with pytest.raises(PlaylistError, match="no picture and no sound"):
        main_kind(parse(mpd("<Period/>").encode(), URL))


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (mpd(period("<SegmentBase indexRange='0-9'/>")), "one file"),
        (mpd(period("<BaseURL>film.mp4</BaseURL>")), "one file"),
        (mpd(period('<SegmentTemplate media="$Number$"/>')), "unknown length"),
        (mpd(period('<SegmentTemplate duration="1"/>')), "without media"),
        (mpd(period('<SegmentTemplate duration="1" media="$Foo$"/>')), "Foo"),
        (mpd(period('<SegmentTemplate duration="1" media="$Number%099d$"/>')), "99"),
        (mpd(period('<SegmentTemplate duration="1" media="$Number$"/>'), kind="static"), "without duration"),
        (mpd(period(timeline('<S d="9" r="-1"/>')), kind="static"), "without duration"),
    ],
)
def test_what_cannot_be_followed_is_refused_with_the_reason(text: str, why: str) -> None:
    with pytest.raises(PlaylistError, match=why):
        at(text, 60)


@pytest.mark.parametrize(
    "addressing",
    [
        '<SegmentTemplate timescale="90000" duration="1" media="$Number$"/>',
        timeline('<S t="0" d="1" r="1000000000"/>' * 1),
        timeline('<S t="0" d="1" r="-1"/>'),
        timeline('<S t="0" d="9223372036854775807" r="1000000000"/>'),
    ],
)
@pytest.mark.parametrize("kind", ["dynamic", "static"])
def test_a_billion_tiny_segments_cost_no_more_than_a_few(addressing: str, kind: str) -> None:
    began = time.monotonic()
    found = at(mpd(period(addressing), kind=kind, more='mediaPresentationDuration="P99Y"'), 10**8)
    assert len(found.segments) <= (MOST if kind == "dynamic" else 50_000)
    assert time.monotonic() - began < 20


def numbered(numbering: Numbering, found: Announced) -> list[int]:
    return numbering.number([(start, segment.sequence, segment.duration) for start, segment in found.segments])


def test_a_window_that_slides_renumbers_nothing() -> None:
    numbering = Numbering()
    before = numbered(numbering, at(mpd(period(timeline('<S t="400" d="40" r="4"/>', 'startNumber="1"'))), 500))
    after = numbered(numbering, at(mpd(period(timeline('<S t="480" d="40" r="4"/>', 'startNumber="1"'))), 500))
    assert before == [1, 2, 3, 4, 5]
    assert after == [3, 4, 5, 6, 7]


def test_numbers_go_on_over_a_period_that_counts_anew() -> None:
    old, new = period(NUMBERS, attributes='duration="PT8S"'), period(NUMBERS, attributes='start="PT8S"')
    numbering = Numbering()
    assert numbered(numbering, at(mpd(old, new), 8)) == [5, 6]
    assert numbered(numbering, at(mpd(old, new), 16)) == [5, 6, 7, 8]
    assert numbered(numbering, at(mpd(new), 20)) == [7, 8, 9]


def test_what_was_missed_is_counted_by_time_when_nothing_in_the_window_is_known() -> None:
    numbering = Numbering()
    numbered(numbering, at(mpd(period(timeline('<S t="0" d="40" r="2"/>'))), 500))
    assert numbered(numbering, at(mpd(period(timeline('<S t="400" d="40" r="1"/>'))), 500)) == [11, 12]


def test_time_that_falls_back_gives_lower_numbers() -> None:
    numbering = Numbering()
    numbered(numbering, at(mpd(period(timeline('<S t="4000" d="40" r="2"/>', 'startNumber="100"'))), 500))
    assert numbered(numbering, at(mpd(period(timeline('<S t="0" d="40" r="1"/>'))), 500)) == [0, 1]


@given(st.lists(st.integers(1, 60), min_size=2, max_size=80), st.data())
def test_every_view_of_one_timeline_gives_each_segment_the_same_number(lengths: list[int], data: st.DataObject) -> None:
    starts = [sum(lengths[:index]) for index in range(len(lengths))]
    numbering = Numbering()
    end = 0
    seen: dict[float, int] = {}
    while end < len(lengths):
        end = data.draw(st.integers(end + 1, min(end + 5, len(lengths))))
        begin = data.draw(st.integers(max(0, end - 12), max(0, end - 6)))
        inner = "".join(f'<S t="{starts[at]}" d="{lengths[at]}"/>' for at in range(begin, end))
        found = at(mpd(period(timeline(inner))), 10_000)
        for (start, _), number in zip(found.segments, numbered(numbering, found), strict=True):
            assert seen.setdefault(start, number) == number
    assert sorted(seen.values()) == list(range(min(seen.values()), min(seen.values()) + len(seen)))


@given(st.floats(0, 1e6), st.floats(0, 100), st.integers(1, 500), st.integers(1, 1000))
def test_no_segment_is_named_before_it_is_complete(elapsed: float, more: float, length: int, scale: int) -> None:
    template = f'<SegmentTemplate timescale="{scale}" duration="{length}" media="$Number$"/>'
    found = at(mpd(period(template)), elapsed + more)
    assert all(start + segment.duration <= elapsed + more + 1e-3 for start, segment in found.segments)
