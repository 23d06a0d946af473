# SPDX-License-Identifier: Apache-2.0
"""Whether bytes are a JPEG, and how large its picture is. What a worker sends is passed on to browsers. Pure."""

_START, _END = b"\xff\xd8\xff", b"\xff\xd9"
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}  # markers SOF0 to SOF15; the others are tables


class NotAJpeg(ValueError):
    """The bytes are something else, or broken."""


def dimensions(data: bytes) -> tuple[int, int]:
    """Width and height in pixels, from the frame header. Source: ITU-T T.81, annex B."""
    if not data.startswith(_START) or not data.endswith(_END):
        raise NotAJpeg("it does not begin and end as a JPEG does")
    at = 2
    while at + 4 <= len(data) and data[at] == 0xFF:
        marker, length = data[at + 1], int.from_bytes(data[at + 2 : at + 4], "big")
        if marker in _FRAMES and at + 9 <= len(data):
            height, width = int.from_bytes(data[at + 5 : at + 7], "big"), int.from_bytes(data[at + 7 : at + 9], "big")
            if width and height:
                return width, height
            break
        if length < 2:
            break
        at += 2 + length
    raise NotAJpeg("it has no frame header")
