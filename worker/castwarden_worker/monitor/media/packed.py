# SPDX-License-Identifier: Apache-2.0
"""Packed audio segments (RFC 8216 §3.4): an elementary stream behind an ID3 tag that carries its first timestamp."""

from .access import mpeg_layer
from .tracks import Media, Sample, Track

_OWNER = b"com.apple.streaming.transportStreamTimestamp\0"


def demux_packed(data: bytes) -> Media | None:
    """The sound of a packed segment, or None when the bytes are of no kind that HLS allows."""
    pts, body = _without_id3(data)
    codec = _codec(body)
    return None if codec is None else Media(audio=Track(codec, (Sample(pts, body, key=True),), framed=False))


def _without_id3(data: bytes) -> tuple[float, bytes]:
    pts = 0.0
    while data[:3] == b"ID3" and len(data) > 10:
        size = 10 + sum((byte & 0x7F) << shift for byte, shift in zip(data[6:10], (21, 14, 7, 0), strict=True))
        tag = data[:size]
        at = tag.find(_OWNER)
        if at >= 0:
            pts = (int.from_bytes(tag[at + len(_OWNER) : at + len(_OWNER) + 8]) & (1 << 33) - 1) / 90_000
        data = data[size:]
    return pts, data


def _codec(body: bytes) -> str | None:
    if len(body) < 8:
        return None
    if body[0] == 0xFF and body[1] & 0xF6 == 0xF0:
        return "aac"
    if body[0] == 0xFF and body[1] & 0xE0 == 0xE0 and body[1] & 0x06:
        return mpeg_layer(body)
    if body[:2] == b"\x0b\x77":
        return "ac3" if body[5] >> 3 <= 10 else "eac3"
    return None
