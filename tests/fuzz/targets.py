# SPDX-License-Identifier: Apache-2.0
"""What is fuzzed: all that parses what strangers send. A target takes bytes and may raise only what it promises."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

from castwarden_gateway.outbound.answer import BODY_LIMIT, AnswerReader, Malformed
from castwarden_local.origin.encode import Encoded, Recipe, Stretch, encode
from castwarden_local.origin.streams import air
from castwarden_worker.monitor.dash import manifest as dash
from castwarden_worker.monitor.dash import segments as dash_segments
from castwarden_worker.monitor.dash.manifest import Kind
from castwarden_worker.monitor.endless.stretches import SNIFF, cutter_for
from castwarden_worker.monitor.errors import StreamError
from castwarden_worker.monitor.follow.tracker import Tracker
from castwarden_worker.monitor.hls.reader import parse
from castwarden_worker.monitor.hls.renditions import choose
from castwarden_worker.monitor.media import demux, read_init
from castwarden_worker.monitor.playlist import MediaPlaylist
from castwarden_worker.poll.feed import NotAFeed, read_feed
from castwarden_worker.rtsp_gate import NotAllowed, RtspGate

NOW = 1_795_000_000.0
PLAYLIST = b"""#EXTM3U
#EXT-X-VERSION:9
#EXT-X-TARGETDURATION:4
#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,PART-HOLD-BACK=1.0,CAN-SKIP-UNTIL=24.0
#EXT-X-PART-INF:PART-TARGET=0.33334
#EXT-X-MEDIA-SEQUENCE:266
#EXT-X-DISCONTINUITY-SEQUENCE:2
#EXT-X-DEFINE:NAME="path",VALUE="a"
#EXT-X-MAP:URI="init.mp4",BYTERANGE="720@0"
#EXT-X-KEY:METHOD=AES-128,URI="key",IV=0x00000000000000000000000000000001
#EXT-X-PROGRAM-DATE-TIME:2026-11-20T02:14:00.106+0000
#EXTINF:4.00008,title
{$path}/fileSequence266.mp4
#EXT-X-DISCONTINUITY
#EXT-X-GAP
#EXT-X-BYTERANGE:1000@0
#EXTINF:4.00008,
fileSequence267.mp4
#EXT-X-PART:DURATION=0.33334,URI="filePart268.0.mp4",INDEPENDENT=YES
#EXT-X-PRELOAD-HINT:TYPE=PART,URI="filePart268.1.mp4"
#EXT-X-RENDITION-REPORT:URI="../1M/waitForMSN.php",LAST-MSN=268,LAST-PART=1
"""
DELTA = PLAYLIST.replace(b"SEQUENCE:266\n", b"SEQUENCE:267\n#EXT-X-SKIP:SKIPPED-SEGMENTS=1\n")
MULTIVARIANT = b"""#EXTM3U
#EXT-X-DEFINE:NAME="v",VALUE="1"
#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="a",NAME="en",DEFAULT=YES,URI="a.m3u8"
#EXT-X-STREAM-INF:BANDWIDTH=1280000,RESOLUTION=640x360,CODECS="avc1.4d401e,mp4a.40.2",AUDIO="a"
low.m3u8
"""
MANIFEST = b"""<MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="dynamic" availabilityStartTime="2026-11-20T00:00:00Z"
 minimumUpdatePeriod="PT2S" timeShiftBufferDepth="PT30S" suggestedPresentationDelay="PT6S">
 <UTCTiming schemeIdUri="urn:mpeg:dash:utc:direct:2014" value="2026-11-20T10:00:00Z"/>
 <Period id="1" start="PT0S"><AdaptationSet contentType="video" mimeType="video/mp4">
 <SegmentTemplate timescale="90000" media="v-$Time$-$Number%05d$.m4s" initialization="v.mp4" startNumber="1">
 <SegmentTimeline><S t="0" d="180000" r="-1"/></SegmentTimeline></SegmentTemplate>
 <Representation id="v" bandwidth="1" width="640" height="360" codecs="avc1.4d401e"/></AdaptationSet>
 <AdaptationSet contentType="audio" mimeType="audio/mp4"><BaseURL>a/</BaseURL>
 <SegmentTemplate timescale="48000" duration="96000" media="a-$Number$.m4s" initialization="a.mp4"/>
 <Representation id="a" bandwidth="1" codecs="mp4a.40.2"/></AdaptationSet></Period></MPD>"""
ATOM = b"""<?xml version="1.0"?><feed xmlns="http://www.w3.org/2005/Atom" xmlns:yt="http://www.youtube.com/xml/schemas/2015">
<entry><yt:videoId>dQw4w9WgXcQ</yt:videoId><title>News</title><link rel="alternate" href="https://e.example/"/>
<published>2026-11-20T10:00:00+00:00</published></entry></feed>"""


ANSWER = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 3\r\n\r\n\xfeabc"
CHUNKED = b"HTTP/1.0 429 No\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nab\xfec\r\n0\r\nA: b\r\n\r\nHTTP"
RTSP = b"RTSP/1.0 200 OK\r\nCSeq: 3\r\nContent-Length: 5\r\n\r\nv=0\r\n$\0\0\4abcdRTSP/1.0 404 Not Found\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Target:
    """`run` raises nothing but `allowed`, whatever the bytes. `seeds` are where fuzzing begins."""

    run: Callable[[bytes], object]
    allowed: tuple[type[Exception], ...]
    seeds: Callable[[], list[bytes]]


def playlists(data: bytes) -> None:
    """One playlist after the other, as a stream that goes on serves them."""
    tracker, last = Tracker(), None
    variables: tuple[tuple[str, str], ...] = ()
    for number, part in enumerate(data.split(b"\0", 7)):
        found = parse(part, url="https://origin.example/live.m3u8?a=b", variables=variables, previous=last)
        if isinstance(found, MediaPlaylist):
            last = found
            update = tracker.update(found, 4.0 * number)
            if any(later.segment.sequence <= earlier.segment.sequence for earlier, later in pairwise(update.new)):
                raise AssertionError("segments are not in order")
        else:
            variables = found.variables
            choose(found)


def manifest(data: bytes) -> None:
    found = dash.parse(data, "https://origin.example/live.mpd")
    kinds: tuple[Kind, ...] = ("video", "audio")
    for kind in kinds:
        if len(dash_segments.announced(found, kind, NOW).segments) > dash_segments.MOST_OF_STATIC:
            raise AssertionError("more segments than memory should hold")


def fragment(data: bytes) -> None:
    demux(data, read_init(_init()))


@cache
def _media(container: Literal["ts", "fmp4"]) -> tuple[Encoded, TemporaryDirectory[str]]:
    folder = TemporaryDirectory()
    recipe = Recipe(width=64, height=36, segment_seconds=0.4, gop_seconds=0.4, container=container, bitrate=60_000)
    return encode([Stretch(0.4)], recipe, Path(folder.name)), folder


def _segment(container: Literal["ts", "fmp4"]) -> bytes:
    encoded, _ = _media(container)
    return (encoded.folder / encoded.main.segments[0].uri).read_bytes()


def endless(data: bytes) -> None:
    """A stream without a playlist, in pieces."""
    cutter = cutter_for(data[:SNIFF])
    found = [stretch for at in range(0, len(data), 700) for stretch in cutter.feed(data[at : at + 700])]
    if not all(stretch.seconds > 0 for stretch in [*found, *cutter.finish()]):
        raise AssertionError("a stretch without length")


def rtsp(data: bytes) -> None:
    """What passes begins with media or with an answer that is no redirect."""
    gate = RtspGate()
    passed = b"".join(gate.feed(data[at : at + 100]) for at in range(0, len(data), 100))
    while passed.startswith(b"$"):
        passed = passed[4 + int.from_bytes(passed[2:4]) :]
    if passed and (not passed.startswith(b"RTSP/1.0 ") or passed.startswith(b"RTSP/1.0 3")):
        raise AssertionError("a redirect got through")


def _sound(kind: Literal["mp3", "aac", "opus", "vorbis", "flac", "ts"]) -> bytes:
    return b"".join(piece.data for piece in air([Stretch(0.5)], kind, Recipe(width=64, height=36)))


def _sounds() -> list[bytes]:
    return [_sound("mp3"), _sound("aac"), _sound("opus"), _sound("vorbis"), _sound("flac"), _sound("ts")]


@cache
def _init() -> bytes:
    encoded, _ = _media("fmp4")
    section = encoded.main.segments[0].init
    if section is None:
        raise TypeError("fragmented MP4 has an init section")
    return (encoded.folder / section.uri).read_bytes()


def answer(data: bytes) -> None:
    """What a webhook receiver sends, in pieces cut where the bytes say."""
    reader = AnswerReader()
    for piece in data.split(b"\xfe"):
        reader.feed(piece)
    reader.closed()
    if len(reader.body) > BODY_LIMIT or reader.done != reader.head_read:
        raise AssertionError(reader.status)


TARGETS: dict[str, Target] = {
    "playlist": Target(
        playlists,
        (StreamError,),
        lambda: [PLAYLIST, MULTIVARIANT, PLAYLIST + b"\0" + DELTA, MULTIVARIANT + b"\0" + PLAYLIST],
    ),
    "dash": Target(manifest, (StreamError,), lambda: [MANIFEST]),
    "segment": Target(demux, (StreamError,), lambda: [_segment("ts"), b"ID3\4\0\0\0\0\0\0\xff\xf1\x50\x80"]),
    "fragment": Target(fragment, (StreamError,), lambda: [_segment("fmp4")]),
    "init": Target(read_init, (StreamError,), lambda: [_init()]),
    "endless": Target(endless, (StreamError,), _sounds),
    "answer": Target(answer, (Malformed,), lambda: [ANSWER, CHUNKED]),
    "rtsp": Target(rtsp, (NotAllowed,), lambda: [RTSP]),
    "feed": Target(lambda data: read_feed(data, "https://e.example/"), (NotAFeed,), lambda: [ATOM]),
}
