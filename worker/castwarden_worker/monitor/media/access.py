# SPDX-License-Identifier: Apache-2.0
"""Looks into access units: whether decoding can begin at one, and which MPEG layer sound is of."""

from collections.abc import Iterator

_START = b"\0\0\1"
_H264_SLICES = frozenset(range(1, 6))
_H264_SEI = 6
_H264_KEYS = (5, 7)  # an IDR slice, or parameter sets, which come before pictures that can be joined at
_HEVC_KEYS = range(16, 22)
_HEVC_SLICES = range(32)
_RECOVERY_POINT = 6
_MOST_BYTES = 65_536  # in which an access unit has to tell
_MOST_UNITS = 256


def is_key(codec: str, data: bytes, random_access: bool) -> bool | None:
    """Whether decoding can begin here; None when `data`, the beginning of an access unit, does not tell yet.

    `random_access` is what the transport stream says; codecs that are not known here leave it at that.
    """
    if codec == "h264":
        return _is_h264_key(data)
    if codec == "hevc":
        return _is_hevc_key(data)
    if codec == "mpeg2video":
        return data[:4] == b"\0\0\1\xb3" if len(data) >= 4 else None
    return random_access


def mpeg_layer(data: bytes | memoryview) -> str:
    """The decoder for MPEG audio that begins with `data`: layer III has its own."""
    return "mp3" if len(data) > 1 and data[1] >> 1 & 3 == 1 else "mp2"


def _is_h264_key(data: bytes) -> bool | None:
    for at in _units(data):
        kind = data[at] & 0x1F
        if kind in _H264_SLICES:
            return kind in _H264_KEYS
        if kind in _H264_KEYS:
            return True
        if kind == _H264_SEI and _recovers_here(data[at + 1 : _end(data, at)]):
            return True
    return None


def _is_hevc_key(data: bytes) -> bool | None:
    kinds = (data[at] >> 1 & 0x3F for at in _units(data))
    return next((kind in _HEVC_KEYS for kind in kinds if kind in _HEVC_SLICES), None)


def _units(data: bytes) -> Iterator[int]:
    """Where the first NAL units begin, after their start codes. The next is looked for only when it is asked for."""
    limit = min(len(data), _MOST_BYTES)
    at = 0
    for _ in range(_MOST_UNITS):
        at = data.find(_START, at, limit) + 3
        if not 3 <= at < limit:
            return
        yield at


def _end(data: bytes, at: int) -> int:
    """Where the unit ends that begins there."""
    limit = min(len(data), _MOST_BYTES)
    following = data.find(_START, at, limit)
    return following if following >= 0 else limit


def _recovers_here(data: bytes) -> bool:
    """Whether SEI messages hold a recovery point with no frames to wait for (H.264 annex D.1.8): an open group."""
    at = 0
    while at + 2 < len(data) and data[at] != 0x80:
        kind, at = _varying(data, at)
        size, at = _varying(data, at)
        if kind == _RECOVERY_POINT and at < len(data):
            return bool(data[at] & 0x80)
        at += size
    return False


def _varying(data: bytes, at: int) -> tuple[int, int]:
    value = 0
    while at < len(data) and data[at] == 0xFF:
        value, at = value + 255, at + 1
    return value + (data[at] if at < len(data) else 0), at + 1
