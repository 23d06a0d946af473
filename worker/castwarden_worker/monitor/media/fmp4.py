# SPDX-License-Identifier: Apache-2.0
"""Fragmented MP4 segments (ISO/IEC 14496-12, CMAF) to samples: moof boxes are read here, the init section by FFmpeg."""

import io
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice

import av

from ..errors import SegmentError, Unreadable
from .tracks import Media, Sample, Track

_FIRST = (b"styp", b"moof", b"sidx", b"ftyp", b"moov", b"prft", b"emsg", b"mdat", b"free", b"skip")
_ENCRYPTED = (b"encv", b"enca")
_NOT_SYNC = 0x10000
_MAX_SAMPLES = 100_000
_MAX_BOXES = 100_000
_MAX_TRACKS = 32  # of an init section


@dataclass(frozen=True, slots=True)
class InitTrack:
    """One track of the init section, with the defaults for its fragments (trex)."""

    kind: str  # video or audio
    codec: str
    extradata: bytes | None
    timescale: int
    duration: int = 0
    size: int = 0
    flags: int = 0


@dataclass(frozen=True, slots=True)
class Init:
    """An init section that was read."""

    tracks: dict[int, InitTrack] = field(default_factory=dict)


def looks_like_mp4(data: bytes) -> bool:
    return data[4:8] in _FIRST


def read_init(data: bytes) -> Init:
    """The tracks of an init section. SegmentError when it is broken, Unreadable when it is encrypted."""
    if any(kind in data for kind in _ENCRYPTED):
        raise Unreadable("the segments are encrypted (DRM)")
    defaults, timescales = _defaults(data)
    tracks: dict[int, InitTrack] = {}
    try:
        # The demuxer is named, so that nothing in the data can choose another one.
        with av.open(io.BytesIO(data), format="mp4") as container:
            for stream in container.streams:
                context = stream.codec_context
                if stream.type in ("video", "audio") and context is not None:
                    extradata = context.extradata
                    rest = defaults.get(stream.id, (0, 0, 0))
                    scale = timescales.get(stream.id, 0) or 1
                    tracks[stream.id] = InitTrack(stream.type, context.name, extradata, scale, *rest)
    except (av.FFmpegError, ValueError) as error:
        raise SegmentError(f"the init section cannot be read: {error}") from error
    if not tracks:
        raise SegmentError("the init section has no tracks")
    return Init(tracks)


def demux_fmp4(data: bytes, init: Init | None) -> Media:
    """Samples of the first video and audio track; a segment may carry its own init section."""
    boxes = list(islice(_boxes(data, 0, len(data)), _MAX_BOXES + 1))
    if len(boxes) > _MAX_BOXES:
        raise SegmentError("too many boxes in the segment")
    if any(kind == b"moov" for kind, _, _ in boxes):
        init = read_init(data)
    if init is None:
        raise SegmentError("an fMP4 segment without an init section")
    reading = _Reading(memoryview(data), _wanted(init))
    damage = None
    for kind, start, end in boxes:
        if kind != b"moof":
            continue
        for traf in (box for box in _boxes(data, start, end) if box[0] == b"traf"):
            try:
                whole = _fragment(data, start - 8, traf[1], traf[2], reading)
            except (struct.error, IndexError) as error:
                raise SegmentError(f"a movie fragment is malformed: {error}") from error
            if not whole:
                damage = "it ends before its samples do"
    if boxes and boxes[-1][2] > len(data):
        damage = "it ends within a box"
    return Media(reading.track("video"), reading.track("audio"), damage)


def _wanted(init: Init) -> dict[int, InitTrack]:
    """The first picture and the first sound; others are not collected."""
    kinds: dict[str, tuple[int, InitTrack]] = {}
    for number, track in init.tracks.items():
        kinds.setdefault(track.kind, (number, track))
    return dict(kinds.values())


@dataclass(slots=True)
class _Reading:
    """What was collected of a segment so far."""

    view: memoryview
    tracks: dict[int, InitTrack]
    samples: dict[int, list[Sample]] = field(default_factory=dict)
    clocks: dict[int, int] = field(default_factory=dict)  # decoding time of each track's next sample
    size: int = 0

    def add(self, number: int, offset: int, size: int, pts: float, key: bool) -> None:
        """Samples that take more bytes than the segment has overlap, which no packager makes."""
        taken = self.samples.setdefault(number, [])
        self.size += size
        if size <= 0 or offset < 0:
            raise SegmentError("a sample without a byte" if size <= 0 else "a sample outside of the segment")
        if self.size > len(self.view):
            raise SegmentError("the samples claim more than the segment holds")
        if len(taken) >= _MAX_SAMPLES:
            raise SegmentError("too many samples in the segment")
        taken.append(Sample(pts, self.view[offset : offset + size], key))

    def track(self, kind: str) -> Track | None:
        for number, track in self.tracks.items():
            if track.kind == kind and self.samples.get(number):
                return Track(track.codec, tuple(self.samples[number]), track.extradata)
        return None


def _boxes(data: bytes, start: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """(type, first byte of the content, end) of each box; a box may claim to end after `end`, and after the data."""
    end = min(end, len(data))
    while start + 8 <= end:
        size, kind = struct.unpack_from(">I4s", data, start)
        content = start + 8
        if size == 1 and start + 16 <= end:
            size, content = struct.unpack_from(">Q", data, start + 8)[0], start + 16
        elif size == 0:
            size = end - start
        if size < content - start:
            return
        yield kind, content, start + size
        start += size


def _defaults(data: bytes) -> tuple[dict[int, tuple[int, int, int]], dict[int, int]]:
    """Per track id: (duration, size, flags) of trex, and the timescale of mdhd."""
    defaults: dict[int, tuple[int, int, int]] = {}
    timescales: dict[int, int] = {}
    traks = 0
    try:
        for _, moov, moov_end in (box for box in _boxes(data, 0, len(data)) if box[0] == b"moov"):
            for kind, start, end in _boxes(data, moov, min(moov_end, len(data))):
                if kind == b"mvex":
                    for _, at, _ in (box for box in _boxes(data, start, end) if box[0] == b"trex"):
                        number, _, duration, size, flags = struct.unpack_from(">5I", data, at + 4)
                        defaults[number] = (duration, size, flags)
                elif kind == b"trak":
                    traks += 1
                    if traks > _MAX_TRACKS:
                        raise SegmentError(f"the init section has more than {_MAX_TRACKS} tracks")
                    number, scale = _trak(data, start, end)
                    timescales[number] = scale
    except (struct.error, IndexError) as error:
        raise SegmentError(f"the init section is cut short: {error}") from error
    return defaults, timescales


def _trak(data: bytes, start: int, end: int) -> tuple[int, int]:
    number = scale = 0
    for kind, at, box_end in _boxes(data, start, end):
        if kind == b"tkhd":
            number = struct.unpack_from(">I", data, at + (20 if data[at] else 12))[0]
        elif kind == b"mdia":
            for inner, content, _ in _boxes(data, at, box_end):
                if inner == b"mdhd":
                    scale = struct.unpack_from(">I", data, content + (20 if data[content] else 12))[0]
    return number, scale


@dataclass(slots=True)
class _Header:
    track: int = 0
    base: int = 0
    duration: int = 0
    size: int = 0
    flags: int = 0


def _fragment(data: bytes, moof: int, start: int, end: int, reading: _Reading) -> bool:
    """Takes the samples of one traf; False when the data ends before they do."""
    header = _Header(base=moof)
    whole = True
    position = moof
    for kind, at, _ in _boxes(data, start, min(end, len(data))):
        if kind == b"tfhd":
            header = _tfhd(data, at, moof, reading.tracks)
            position = header.base
        elif kind == b"tfdt":
            reading.clocks[header.track] = struct.unpack_from(">Q" if data[at] else ">I", data, at + 4)[0]
        elif kind == b"trun" and (track := reading.tracks.get(header.track)):
            for offset, length, decode_time, shift, flags in _trun(data, at, header, position, reading.clocks):
                position = offset + length
                if position > len(data):
                    whole = False
                    break
                key = not flags & _NOT_SYNC or flags >> 24 & 3 == 2
                reading.add(header.track, offset, length, (decode_time + shift) / track.timescale, key)
    return whole


def _tfhd(data: bytes, at: int, moof: int, tracks: dict[int, InitTrack]) -> _Header:
    flags, number = struct.unpack_from(">II", data, at)
    track = tracks.get(number)
    header = _Header(number, moof)
    if track:
        header.duration, header.size, header.flags = track.duration, track.size, track.flags
    at += 8
    if flags & 0x1:
        header.base = struct.unpack_from(">Q", data, at)[0]
        at += 8
    if flags & 0x2:
        at += 4
    for bit, name in ((0x8, "duration"), (0x10, "size"), (0x20, "flags")):
        if flags & bit:
            setattr(header, name, struct.unpack_from(">I", data, at)[0])
            at += 4
    return header


def _trun(
    data: bytes, at: int, header: _Header, position: int, clocks: dict[int, int]
) -> Iterator[tuple[int, int, int, int, int]]:
    """(offset, size, decoding time, composition offset, flags) of each sample."""
    version_flags, count = struct.unpack_from(">II", data, at)
    version, flags = version_flags >> 24, version_flags & 0xFFFFFF
    at += 8
    if count > _MAX_SAMPLES:
        raise struct.error(f"{count} samples in one run")
    if flags & 0x1:
        position = header.base + struct.unpack_from(">i", data, at)[0]
        at += 4
    first_flags = None
    if flags & 0x4:
        first_flags = struct.unpack_from(">I", data, at)[0]
        at += 4
    present = [bit for bit in (0x100, 0x200, 0x400, 0x800) if flags & bit]
    layout = struct.Struct(">" + "".join("i" if bit == 0x800 and version else "I" for bit in present))
    clock = clocks.get(header.track, 0)
    for index in range(count):
        given = dict(zip(present, layout.unpack_from(data, at), strict=True))
        at += layout.size
        size = given.get(0x200, header.size)
        sample_flags = first_flags if index == 0 and first_flags is not None else given.get(0x400, header.flags)
        yield position, size, clock, given.get(0x800, 0), sample_flags
        position += size
        clock += given.get(0x100, header.duration)
        clocks[header.track] = clock
