# SPDX-License-Identifier: Apache-2.0
"""MPEG-TS segments (ISO/IEC 13818-1) to samples. Headers are read by numpy, payload only when it is decoded."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ..errors import SegmentError, Unreadable
from .access import is_key, mpeg_layer
from .tracks import Media, Sample, Track
from .ts_packets import PACKET, Headers, Numbers, Packets, Pes, Rows, Scattered

_SYNC = 0x47

_VIDEO = {0x01: "mpeg2video", 0x02: "mpeg2video", 0x10: "mpeg4", 0x1B: "h264", 0x24: "hevc"}
_AUDIO = {0x03: "mp3", 0x04: "mp3", 0x0F: "aac", 0x11: "aac_latm", 0x81: "ac3", 0x87: "eac3"}
_PRIVATE = {0x6A: "ac3", 0x7A: "eac3"}  # descriptors of stream type 6 (DVB)


def looks_like_ts(data: bytes) -> bool:
    """Whether packets begin somewhere in the first few hundred bytes."""
    return _sync_offset(data) is not None


def demux_ts(data: bytes) -> Media:
    """Samples of the first video and audio stream of the first programme."""
    start = _sync_offset(data)
    if start is None:
        raise SegmentError("no transport stream packets")
    count = (len(data) - start) // PACKET
    damage = "it ends within a packet" if (len(data) - start) % PACKET else None
    rows = np.frombuffer(data, np.uint8, count * PACKET, start).reshape(count, PACKET)
    heads = np.ascontiguousarray(rows[:, :4])
    good = (heads[:, 0] == _SYNC) & (heads[:, 1] & 0x80 == 0)
    if not good.all():
        rows, heads = rows[good], heads[good]
        damage = "packets out of sync"
    pids: Numbers = (heads[:, 1] & 0x1F).astype(np.int32) << 8 | heads[:, 2]
    pids[heads[:, 3] & 0x10 == 0] = -1  # no payload
    streams = _program(rows, pids)
    video, audio = (_headers(rows, pids, stream) for stream in (streams.video, streams.audio))
    if any(found and found.lost for found in (video, audio)):
        damage = damage or "packets are missing"
    return Media(_video(video, streams.video), _audio(audio, streams.audio), damage)


Stream = tuple[int, str]  # pid, codec


@dataclass(slots=True)
class _Streams:
    video: Stream | None = None
    audio: Stream | None = None


def _sync_offset(data: bytes) -> int | None:
    end = min(len(data), 4 * PACKET)
    for offset in range(min(end, 2 * PACKET)):
        if data[offset] == _SYNC and all(data[at] == _SYNC for at in range(offset, end, PACKET)):
            return offset if len(data) - offset >= PACKET else None
    return None


def _program(rows: Rows, pids: Numbers) -> _Streams:
    pat = _section(rows, pids, 0)
    programs = [pat[at : at + 4] for at in range(8, len(pat) - 3, 4)]
    tables = [int.from_bytes(entry[2:]) & 0x1FFF for entry in programs if entry[:2] != b"\0\0"]
    if not tables:
        raise SegmentError("no programme association table")
    pmt = _section(rows, pids, tables[0])
    if len(pmt) < 12:
        raise SegmentError("no programme map table")
    found = _Streams()
    at = 12 + (int.from_bytes(pmt[10:12]) & 0xFFF)
    while at + 5 <= len(pmt):
        kind, pid = pmt[at], int.from_bytes(pmt[at + 1 : at + 3]) & 0x1FFF
        length = int.from_bytes(pmt[at + 3 : at + 5]) & 0xFFF
        descriptors = pmt[at + 5 : at + 5 + length]
        at += 5 + length
        if kind in _VIDEO and found.video is None:
            found.video = (pid, _VIDEO[kind])
        elif (codec := _AUDIO.get(kind) or _private(kind, descriptors)) and found.audio is None:
            found.audio = (pid, codec)
    return found


def _private(kind: int, descriptors: bytes) -> str | None:
    at = 0
    while kind == 0x06 and at + 2 <= len(descriptors):
        if codec := _PRIVATE.get(descriptors[at]):
            return codec
        at += 2 + descriptors[at + 1]
    return None


def _section(rows: Rows, pids: Numbers, pid: int) -> bytes:
    """The first table section of a pid without its checksum; empty when there is none."""
    collected = b""
    for row in rows[pids == pid][:64]:
        payload = _payload(row)
        if row[1] & 0x40:
            if collected:
                break
            payload = payload[1 + payload[0] :] if payload else b""
        elif not collected:
            continue
        collected += payload
        if len(collected) >= 3 and len(collected) >= (length := 3 + (int.from_bytes(collected[1:3]) & 0xFFF)):
            return collected[: length - 4]
    return b""


def _payload(row: Rows) -> bytes:
    start = 5 + int(row[4]) if row[3] & 0x20 else 4
    return row[start:].tobytes() if row[3] & 0x10 else b""


def _headers(rows: Rows, pids: Numbers, stream: Stream | None) -> Headers | None:
    if stream is None or not len(at := np.flatnonzero(pids == stream[0])):
        return None
    headers = Headers(rows, at)
    if headers.scrambled:
        raise Unreadable("the transport stream is scrambled")
    return headers


def _video(headers: Headers | None, stream: Stream | None) -> Track | None:
    """One access unit per timestamp; a unit without one continues the unit before."""
    if headers is None or stream is None:
        return None
    codec = stream[1]
    samples: list[Scattered] = []
    for unit in headers.units():
        if unit.pts is not None:
            samples.append(Scattered(unit.pts, headers.packets, unit, key=_begins(headers.packets, unit, codec)))
        elif samples:
            samples[-1].extend(unit)
    return Track(codec, tuple(samples)) if samples else None


def _begins(packets: Packets, unit: Pes, codec: str) -> bool:
    """Whether decoding can begin at the unit. How it begins tells, as a rule."""
    key = is_key(codec, unit.head, unit.random_access)
    return bool(is_key(codec, packets.payload(unit.span), unit.random_access)) if key is None else key


def _audio(headers: Headers | None, stream: Stream | None) -> Track | None:
    if headers is None or stream is None:
        return None
    codec = stream[1]
    samples = tuple(_sounds(headers))
    if codec == "mp3" and samples:
        codec = mpeg_layer(samples[0].data)
    return Track(codec, samples, framed=False) if samples else None


def _sounds(headers: Headers) -> Iterator[Sample]:
    last: float | None = None
    for unit in headers.units():
        last = unit.pts if unit.pts is not None else last
        if last is not None:
            yield Scattered(last, headers.packets, unit, key=True)
