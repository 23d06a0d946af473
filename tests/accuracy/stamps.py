# SPDX-License-Identifier: Apache-2.0
"""Changes the timestamps of the sound in finished segments, as an encoder with a fault of its clocks writes them.

The bytes stay where they are: only what is written in PES headers (ISO/IEC 13818-1 §2.4.3.7) and in `tfdt` boxes
(ISO/IEC 14496-12 §8.8.12) moves.
"""

import struct
from collections.abc import Iterator, Sequence
from pathlib import Path

from .cases import Shift

_PACKET = 188
_CLOCK = 90_000
_AUDIO_IDS = range(0xC0, 0xE0)  # PES stream ids of sound


def shift_file(file: Path, init: Path | None, shifts: Sequence[Shift]) -> None:
    """Moves the sound's timestamps in one segment; those of the picture stay."""
    data = bytearray(file.read_bytes())
    if init is None:
        _shift_ts(data, shifts)
    else:
        _shift_fmp4(data, init.read_bytes(), shifts)
    file.write_bytes(data)


def offset_at(at: float, shifts: Sequence[Shift]) -> float:
    """Seconds by which the sound is off at this moment."""
    for shift in shifts:
        if shift.begin <= at < shift.end:
            return shift.first + (shift.last - shift.first) * (at - shift.begin) / (shift.end - shift.begin)
    return 0.0


def _shift_ts(data: bytearray, shifts: Sequence[Shift]) -> None:
    for at in range(0, len(data), _PACKET):
        starts = data[at + 1] & 0x40
        head = at + 4 + (1 + data[at + 4] if data[at + 3] & 0x20 else 0)
        if not starts or data[head : head + 3] != b"\0\0\1" or data[head + 3] not in _AUDIO_IDS:
            continue
        place = head + 9
        old = _stamp(data, place)
        new = round(old + offset_at(old / _CLOCK - _MUXER_DELAY, shifts) * _CLOCK)
        _write(data, place, new)


_MUXER_DELAY = 1.4  # seconds that FFmpeg adds to all timestamps of a transport stream


def _stamp(data: bytearray, at: int) -> int:
    five = data[at : at + 5]
    return (five[0] >> 1 & 7) << 30 | five[1] << 22 | five[2] >> 1 << 15 | five[3] << 7 | five[4] >> 1


def _write(data: bytearray, at: int, value: int) -> None:
    data[at] = data[at] & 0xF1 | value >> 30 << 1
    data[at + 1] = value >> 22 & 0xFF
    data[at + 2] = 1 | (value >> 15 & 0x7F) << 1
    data[at + 3] = value >> 7 & 0xFF
    data[at + 4] = 1 | (value & 0x7F) << 1


def _shift_fmp4(data: bytearray, init: bytes, shifts: Sequence[Shift]) -> None:
    scales = dict(_sound_tracks(init))
    for _, moof, moof_end in _boxes(data, 0, len(data), b"moof"):
        for _, traf, traf_end in _boxes(data, moof, moof_end, b"traf"):
            (_, header, _) = next(_boxes(data, traf, traf_end, b"tfhd"))
            (track,) = struct.unpack_from(">I", data, header + 4)
            if track in scales:
                (_, place, _) = next(_boxes(data, traf, traf_end, b"tfdt"))
                form = ">Q" if data[place] == 1 else ">I"
                (old,) = struct.unpack_from(form, data, place + 4)
                scale = scales[track]
                struct.pack_into(form, data, place + 4, round(old + offset_at(old / scale, shifts) * scale))


def _sound_tracks(init: bytes) -> Iterator[tuple[int, int]]:
    """Numbers of the tracks that are sound, and their ticks per second."""
    for _, moov, moov_end in _boxes(init, 0, len(init), b"moov"):
        for _, trak, trak_end in _boxes(init, moov, moov_end, b"trak"):
            (_, header, _) = next(_boxes(init, trak, trak_end, b"tkhd"))
            (track,) = struct.unpack_from(">I", init, header + (20 if init[header] == 1 else 12))
            (_, mdia, mdia_end) = next(_boxes(init, trak, trak_end, b"mdia"))
            (_, handler, _) = next(_boxes(init, mdia, mdia_end, b"hdlr"))
            (_, media, _) = next(_boxes(init, mdia, mdia_end, b"mdhd"))
            (scale,) = struct.unpack_from(">I", init, media + (20 if init[media] == 1 else 12))
            if init[handler + 8 : handler + 12] == b"soun":
                yield track, scale


def _boxes(data: bytes | bytearray, at: int, end: int, wanted: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Name, first byte after the header and end of each box of that name."""
    while at + 8 <= end:
        (size,) = struct.unpack_from(">I", data, at)
        name = bytes(data[at + 4 : at + 8])
        if name == wanted:
            yield name, at + 8, at + size
        at += max(8, size)
