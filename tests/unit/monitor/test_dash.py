# SPDX-License-Identifier: Apache-2.0
"""The MPD parser: what it reads, what it refuses, and noise."""

import time
from contextlib import suppress

import pytest
from castwarden_worker.monitor.dash import looks_like_dash
from castwarden_worker.monitor.dash.addressing import Listed, Run
from castwarden_worker.monitor.dash.manifest import Manifest, parse
from castwarden_worker.monitor.dash.segments import announced, choose
from castwarden_worker.monitor.errors import PlaylistError
from castwarden_worker.monitor.playlist import ByteRange
from hypothesis import given
from hypothesis import strategies as st

URL = "https://origin.example/live/a/manifest.mpd?sig=1"
HEAD = '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011"'
LIVE = (
    HEAD
    + """ type="dynamic" availabilityStartTime="2026-11-20T10:00:00Z" minimumUpdatePeriod="PT2S"
 timeShiftBufferDepth="PT1M30.5S" maxSegmentDuration="PT4S">
 <Location>/elsewhere/manifest.mpd</Location>
 <UTCTiming schemeIdUri="urn:mpeg:dash:utc:http-head:2014" value="/time"/>
 <UTCTiming schemeIdUri="urn:mpeg:dash:utc:direct:2014" value="2026-11-20T10:00:09Z"/>
 <BaseURL>media/</BaseURL>
 <BaseURL>https://other.example/</BaseURL>
 <Period id="p0" start="PT0S">
  <BaseURL availabilityTimeOffset="1.5">p/</BaseURL>
  <AdaptationSet contentType="video" mimeType="video/mp4">
   <SegmentTemplate timescale="1000" media="$RepresentationID$/$Time$.m4s" initialization="$RepresentationID$.mp4"
     startNumber="7" presentationTimeOffset="500"/>
   <Representation id="big" bandwidth="3000000" width="1280" height="720" codecs="avc1.64001f"/>
   <Representation id="small" bandwidth="400000" width="640" height="360" codecs="avc1.64001e">
    <BaseURL>s/</BaseURL>
    <SegmentTemplate duration="4000"><SegmentTimeline>
     <S t="500" d="4000" r="2"/><S d="2000"/><S t="20000" d="4000" r="-1"/>
    </SegmentTimeline></SegmentTemplate>
   </Representation>
  </AdaptationSet>
  <AdaptationSet contentType="video"><EssentialProperty schemeIdUri="http://dashif.org/guidelines/trickmode" value="1"/>
   <Representation id="trick" height="90" bandwidth="9"/></AdaptationSet>
  <AdaptationSet mimeType="image/jpeg"><Representation id="tiles" width="10" height="10"/></AdaptationSet>
  <AdaptationSet lang="de" mimeType="audio/mp4"><Role value="dub"/>
   <Representation id="dub" bandwidth="32000"/></AdaptationSet>
  <AdaptationSet mimeType="audio/mp4"><Role value="main"/>
   <ContentProtection schemeIdUri="urn:mpeg:dash:mp4protection:2011" value="cenc"/>
   <Representation id="main" bandwidth="64000"/></AdaptationSet>
 </Period>
</MPD>"""
)


def read(text: str) -> Manifest:
    return parse(text.encode(), URL)


def mpd(inner: str, more: str = "") -> str:
    return f'{HEAD} type="dynamic" availabilityStartTime="2026-01-01T00:00:00Z" {more}>{inner}</MPD>'


def representation(inner: str) -> str:
    return (
        f'<Period><AdaptationSet contentType="video"><Representation id="v">{inner}</Representation></AdaptationSet>'
        "</Period>"
    )


def test_a_live_manifest_is_read_with_all_that_matters_at_the_edge() -> None:
    found = read(LIVE)
    assert found.dynamic
    assert (found.update_period, found.time_shift, found.max_segment, found.duration) == (2.0, 90.5, 4.0, None)
    assert found.availability_start == 1795168800.0
    assert found.location == "https://origin.example/elsewhere/manifest.mpd"
    assert found.timing == (
        ("urn:mpeg:dash:utc:http-head:2014", "https://origin.example/time"),
        ("urn:mpeg:dash:utc:direct:2014", "2026-11-20T10:00:09Z"),
    )


def test_base_urls_nest_and_attributes_are_inherited() -> None:
    (period,) = read(LIVE).periods
    big, small = (next(it for it in period.representations if it.id == name) for name in ("big", "small"))
    assert big.base == "https://origin.example/live/a/media/p/"
    assert small.base == "https://origin.example/live/a/media/p/s/"
    assert small.offset == 1.5
    assert small.addressing
    assert big.addressing
    assert (small.addressing.timescale, small.addressing.start_number, small.addressing.shift) == (1000, 7, 500)
    assert small.addressing.media == big.addressing.media == "$RepresentationID$/$Time$.m4s"
    assert small.addressing.runs == (Run(500, 4000, 3), Run(12500, 2000, 1), Run(20000, 4000, None))
    assert big.addressing.runs is None


def test_the_smallest_picture_and_readable_sound_are_chosen_and_tricks_are_not() -> None:
    (period,) = read(LIVE).periods
    picture, sound = choose(period, "video"), choose(period, "audio")
    assert picture
    assert sound
    assert (picture.id, sound.id) == ("small", "dub")
    assert {it.id: it.kind for it in period.representations} == {
        "big": "video",
        "small": "video",
        "tiles": "other",
        "dub": "audio",
        "main": "audio",
    }
    assert {it.id: it.protection for it in period.representations}["main"] == "cenc"


def test_sound_inside_the_pictures_segments_is_known_by_its_codec() -> None:
    inner = (
        '<AdaptationSet mimeType="video/mp4"><Representation id="v" codecs="avc1.64001e, mp4a.40.2"/></AdaptationSet>'
    )
    assert read(mpd(f"<Period>{inner}</Period>")).periods[0].representations[0].has_sound


@pytest.mark.parametrize(("codecs", "kind"), [("alac", "audio"), ("mp4a.40.2, wvtt", "audio"), ("wvtt", "other")])
def test_a_set_that_does_not_say_what_it_is_is_known_by_its_codecs(codecs: str, kind: str) -> None:
    inner = f'<AdaptationSet mimeType="application/mp4"><Representation id="r" codecs="{codecs}"/></AdaptationSet>'
    assert read(mpd(f"<Period>{inner}</Period>")).periods[0].representations[0].kind == kind


def test_periods_follow_each_other_unless_they_say_when_they_start() -> None:
    text = mpd('<Period duration="PT10S"/><Period/><Period start="PT1M"/>', 'mediaPresentationDuration="PT90S"')
    assert [(period.start, period.duration) for period in read(text).periods] == [(0, 10), (10, 50), (60, 30)]


def test_a_list_of_urls_and_ranges_is_read() -> None:
    inner = (
        '<SegmentList duration="2"><Initialization sourceURL="i.mp4" range="0-99"/>'
        '<SegmentURL media="a.mp4" mediaRange="100-149"/><SegmentURL media="b.mp4"/></SegmentList>'
    )
    found = read(mpd(representation(inner))).periods[0].representations[0].addressing
    assert found
    assert (found.initialization, found.init_range) == ("i.mp4", ByteRange(100, 0))
    assert found.listed == (Listed("a.mp4", ByteRange(50, 100)), Listed("b.mp4"))


def test_segments_that_are_there_before_they_are_complete_are_asked_for_when_they_are() -> None:
    inner = '<SegmentTemplate duration="2" availabilityTimeOffset="1.5" availabilityTimeComplete="false" media="a"/>'
    found = read(mpd(representation(inner))).periods[0].representations[0].addressing
    assert found
    assert found.offset == 0


def test_remote_elements_are_never_fetched_and_those_that_resolve_to_nothing_are_gone() -> None:
    xlink = 'xmlns:x="http://www.w3.org/1999/xlink" x:href'
    text = mpd(
        f'<Period id="gone" {xlink}="urn:mpeg:dash:resolve-to-zero:2013"/>'
        f'<Period id="far" start="PT0S" {xlink}="file:///etc/passwd"/>'
    )
    found = read(text)
    assert [period.id for period in found.periods] == ["far"]
    assert found.periods[0].representations == ()


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "not an MPD"),
        ("<html><body>Please log in</body></html>", "another kind"),
        ("#EXTM3U", "not an MPD"),
        (f'{HEAD} type="dynamic"/>', "availabilityStartTime"),
        ('<!DOCTYPE a [<!ENTITY b "c">]><MPD/>', "DTDForbidden"),
        ('<!DOCTYPE a SYSTEM "http://127.0.0.1/x.dtd"><MPD/>', "DTDForbidden"),
        ("<MPD>" * 40 + "</MPD>" * 40, "nested"),
        ("<MPD>" + "<a/>" * 100_001 + "</MPD>", "elements"),
        (mpd('<Period start="PT5S"/><Period start="PT1S"/>'), "order"),
        (mpd("<Period/><Period/>"), "when it starts"),
        (mpd("", 'minimumUpdatePeriod="-PT1S"'), "minimumUpdatePeriod: '-PT1S' is negative"),
        (mpd("", 'timeShiftBufferDepth="5 minutes"'), "timeShiftBufferDepth"),
        (mpd("", 'mediaPresentationDuration="P999999Y"'), "century"),
        (mpd(representation("<BaseURL>" + "a" * 9000 + "</BaseURL>")), "URL"),
        (mpd(representation('<SegmentTemplate timescale="0"/>')), "timescale: 0 is not above zero"),
        (mpd(representation('<SegmentTemplate duration="-4"/>')), "duration: -4 is not above zero"),
        (mpd(representation('<SegmentTemplate startNumber="99999999999999999999"/>')), "startNumber"),
        (mpd(representation('<SegmentTemplate duration="1.5"/>')), "whole number"),
        (mpd(representation("<SegmentTemplate><SegmentTimeline><S t='0'/></SegmentTimeline></SegmentTemplate>")), "d"),
        (
            mpd(
                representation(
                    "<SegmentTemplate><SegmentTimeline><S t='-9' d='1'/></SegmentTimeline></SegmentTemplate>"
                )
            ),
            "t: -9 is negative",
        ),
        (
            mpd(representation("<SegmentTemplate><SegmentTimeline><S d='0'/></SegmentTimeline></SegmentTemplate>")),
            "d: 0 is not above zero",
        ),
        (
            mpd(
                representation(
                    "<SegmentTemplate><SegmentTimeline><S t='90' d='9'/><S t='9' d='9'/></SegmentTimeline>"
                    "</SegmentTemplate>"
                )
            ),
            "goes back",
        ),
        (
            mpd(
                representation(
                    "<SegmentTemplate><SegmentTimeline><S d='9' r='-1'/><S d='9'/></SegmentTimeline></SegmentTemplate>"
                )
            ),
            "repeats without end",
        ),
        (mpd(representation("<SegmentList><SegmentURL media='a' mediaRange='9-1'/></SegmentList>")), "range"),
        (
            mpd("<Period><AdaptationSet>" + '<Representation bandwidth="1"/>' * 1001 + "</AdaptationSet></Period>"),
            "1000",
        ),
    ],
)
def test_what_is_no_sound_manifest_is_refused_with_the_reason(text: str, why: str) -> None:
    with pytest.raises(PlaylistError, match=why):
        read(text)


def test_a_billion_laughs_are_refused_before_the_first() -> None:
    entities = '<!ENTITY a0 "ha">' + "".join(f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 10))
    began = time.monotonic()
    with pytest.raises(PlaylistError):
        read(f"<!DOCTYPE MPD [{entities}]><MPD>&a9;</MPD>")
    assert time.monotonic() - began < 5


def test_a_manifest_is_told_from_pages_and_playlists_by_its_first_bytes() -> None:
    assert looks_like_dash(LIVE.encode())
    assert looks_like_dash(b"\xef\xbb\xbf <!-- made by x --><mpd:MPD xmlns:mpd='urn'>")
    assert not looks_like_dash(b"<html>MPD</html>")
    assert not looks_like_dash(b"#EXTM3U")


_PIECES = st.sampled_from([*LIVE.replace(">", ">\0").replace("=", "=\0").split("\0"), '"-1"', '"1000000000"', '"INF"'])


def _anything(data: bytes) -> None:
    with suppress(PlaylistError):
        found = parse(data, URL)
        for kind in ("video", "audio"):
            assert len(announced(found, kind, 1795168900.0).segments) <= 50_001


@given(st.lists(_PIECES, max_size=60).map("".join))
def test_any_mixture_of_parts_gives_a_manifest_or_a_playlist_error(text: str) -> None:
    _anything(text.encode())


@given(st.integers(0, len(LIVE) - 1), st.binary(max_size=8))
def test_any_change_of_a_manifest_gives_a_manifest_or_a_playlist_error(at: int, noise: bytes) -> None:
    data = LIVE.encode()
    _anything(data[:at] + noise + data[at + len(noise) :])


@given(st.binary(max_size=300))
def test_any_bytes_give_a_manifest_or_a_playlist_error(data: bytes) -> None:
    _anything(data)
