# SPDX-License-Identifier: Apache-2.0
"""MPEG-TS segments (ISO/IEC 13818-1) to samples. Packets are sorted and joined by numpy, never one by one."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import SegmentError, Unreadable
from .access import is_key, mpeg_layer
from .tracks import Media, Sample, Track

_PACKET = 188
_SYNC = 0x47
_HEADER = 4
_CLOCK = 90_000

_VIDEO = {0x01: "mpeg2video", 0x02: "mpeg2video", 0x10: "mpeg4", 0x1B: "h264", 0x24: "hevc"}
_AUDIO = {0x03: "mp3", 0x04: "mp3", 0x0F: "aac", 0x11: "aac_latm", 0x81: "ac3", 0x87: "eac3"}
_PRIVATE = {0x6A: "ac3", 0x7A: "eac3"}  # descriptors of stream type 6 (DVB)

Rows = NDArray[np.uint8]
Pids = NDArray[np.signedinteger[Any]]


def looks_like_ts(data: bytes) -> bool:
    """Whether packets begin somewhere in the first few hundred bytes."""
    return _sync_offset(data) is not None


def demux_ts(data: bytes) -> Media:
    """Samples of the first video and audio stream of the first programme."""
    start = _sync_offset(data)
    if start is None:
        raise SegmentError("no transport stream packets")
    count = (len(data) - start) // _PACKET
    damage = "it ends within a packet" if (len(data) - start) % _PACKET else None
    rows = np.frombuffer(data, np.uint8, count * _PACKET, start).reshape(count, _PACKET)
    good = (rows[:, 0] == _SYNC) & (rows[:, 1] & 0x80 == 0)
    if not good.all():
        rows = rows[good]
        damage = "packets out of sync"
    pids: Pids = (rows[:, 1] & 0x1F).astype(np.int32) << 8 | rows[:, 2]
    streams = _program(rows, pids)
    video = _track(rows, pids, streams.video, _video_samples)
    audio = _track(rows, pids, streams.audio, _audio_samples)
    return Media(video, audio, damage)


@dataclass(slots=True)
class _Streams:
    video: tuple[int, str] | None = None  # pid, codec
    audio: tuple[int, str] | None = None


@dataclass(frozen=True, slots=True)
class _Pes:
    pts: float | None
    data: bytes
    random_access: bool


def _sync_offset(data: bytes) -> int | None:
    end = min(len(data), 4 * _PACKET)
    for offset in range(min(end, 2 * _PACKET)):
        if data[offset] == _SYNC and all(data[at] == _SYNC for at in range(offset, end, _PACKET)):
            return offset if len(data) - offset >= _PACKET else None
    return None


def _program(rows: Rows, pids: Pids) -> _Streams:
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


def _section(rows: Rows, pids: Pids, pid: int) -> bytes:
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


def _track(
    rows: Rows,
    pids: Pids,
    stream: tuple[int, str] | None,
    samples_of: Callable[[Iterator[_Pes], str], Iterator[Sample]],
) -> Track | None:
    if stream is None:
        return None
    pid, codec = stream
    mine = rows[(pids == pid) & (rows[:, 3] & 0x10 != 0)]
    if not len(mine):
        return None
    if (mine[:, 3] & 0xC0).any():
        raise Unreadable("the transport stream is scrambled")
    samples = tuple(samples_of(_pes(mine), codec))
    if codec == "mp3" and samples:
        codec = mpeg_layer(samples[0].data)
    return Track(codec, samples, framed=samples_of is _video_samples) if samples else None


def _pes(rows: Rows) -> Iterator[_Pes]:
    """Packets of the elementary stream that begin in this segment."""
    adapted = rows[:, 3] & 0x20 != 0
    starts = np.where(adapted, 5 + rows[:, 4].astype(np.int64), _HEADER).clip(max=_PACKET)
    joined = _joined(rows, starts)
    ends = np.cumsum(_PACKET - starts)
    first = np.flatnonzero(rows[:, 1] & 0x40)
    begins = (ends[first] - (_PACKET - starts[first])).tolist()
    access = (adapted & (rows[:, 4] > 0) & (rows[:, 5] & 0x40 != 0))[first].tolist()
    for begin, end, random_access in zip(begins, [*begins[1:], len(joined)], access, strict=True):
        head = joined[begin : begin + 14]
        if len(head) < 9 or head[:3] != b"\0\0\1":
            continue
        has_time = head[7] & 0x80 and len(head) == 14
        payload = joined[begin + 9 + head[8] : end]
        yield _Pes(_timestamp(head[9:14]) if has_time else None, payload, random_access)


def _joined(rows: Rows, starts: NDArray[np.int64]) -> bytes:
    """All payloads in a row. Few packets have more than the plain header: runs between them are copied whole."""
    flat = np.ascontiguousarray(rows[:, _HEADER:]).data.cast("B")
    size = _PACKET - _HEADER
    pieces = []
    at = 0
    for row in np.flatnonzero(starts > _HEADER).tolist():
        pieces.append(flat[at : row * size])
        at = row * size + int(starts[row]) - _HEADER
    return b"".join([*pieces, flat[at:]])


def _timestamp(five: bytes) -> float:
    """33 bits in five bytes with marker bits between (§2.4.3.7)."""
    value = (five[0] >> 1 & 7) << 30 | five[1] << 22 | five[2] >> 1 << 15 | five[3] << 7 | five[4] >> 1
    return value / _CLOCK


def _video_samples(packets: Iterator[_Pes], codec: str) -> Iterator[Sample]:
    """One access unit per timestamp; a packet without one continues the unit before."""
    pending: Sample | None = None
    for pes in packets:
        if pes.pts is None:
            if pending:
                pending = Sample(pending.pts, bytes(pending.data) + pes.data, pending.key)
            continue
        if pending:
            yield pending
        pending = Sample(pes.pts, pes.data, is_key(codec, pes.data, random_access=pes.random_access))
    if pending:
        yield pending


def _audio_samples(packets: Iterator[_Pes], _: str) -> Iterator[Sample]:
    last: float | None = None
    for pes in packets:
        last = pes.pts if pes.pts is not None else last
        if last is not None:
            yield Sample(last, pes.data, key=True)
