# SPDX-License-Identifier: Apache-2.0
"""How a child that reads a stream with FFmpeg hands on what it reads. Imports nothing: the child is to stay small.

Records of a kind (one byte) and a length (four bytes): T announces a track (JSON), P is an access unit: which track,
whether it is a key, its time in seconds, its bytes.
"""

import json
import struct
from collections.abc import Iterator

TRACK, PACKET = b"T", b"P"
LARGEST = 16 * 2**20
_HEAD = struct.Struct(">cI")
_UNIT = struct.Struct(">??d")


def track(kind: str, codec: str, extradata: bytes | None) -> bytes:
    """The record that announces the `video` or the `audio`."""
    body = json.dumps({"kind": kind, "codec": codec, "extradata": (extradata or b"").hex()}).encode()
    return _HEAD.pack(TRACK, len(body)) + body


def packet(*, is_video: bool, is_key: bool, pts: float, data: bytes) -> bytes:
    """The record of one access unit."""
    return _HEAD.pack(PACKET, _UNIT.size + len(data)) + _UNIT.pack(is_video, is_key, pts) + data


def records(buffer: bytearray) -> Iterator[tuple[bytes, bytes]]:
    """Takes the complete records (kind, body) out of `buffer`. ValueError for one that is too large."""
    while len(buffer) >= _HEAD.size:
        kind, length = _HEAD.unpack_from(buffer)
        if length > LARGEST:
            raise ValueError(f"a record of {length} bytes")
        if len(buffer) < _HEAD.size + length:
            return
        body = bytes(buffer[_HEAD.size : _HEAD.size + length])
        del buffer[: _HEAD.size + length]
        yield kind, body


def read_track(body: bytes) -> tuple[str, str, bytes | None]:
    """(kind, codec, extradata)."""
    given = json.loads(body)
    return given["kind"], given["codec"], bytes.fromhex(given["extradata"]) or None


def read_packet(body: bytes) -> tuple[bool, bool, float, bytes]:
    """(is it video, is it a key, seconds, bytes)."""
    is_video, is_key, pts = _UNIT.unpack_from(body)
    return is_video, is_key, pts, body[_UNIT.size :]
