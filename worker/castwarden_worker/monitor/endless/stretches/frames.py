# SPDX-License-Identifier: Apache-2.0
"""MP3 and AAC (ADTS) without a container, as Icecast and Shoutcast send them: every frame says how long it is.

Sources: ISO/IEC 11172-3 §2.4.1.3 and 13818-3 (headers of MPEG audio), 13818-7 §6.2 (ADTS).
"""

from collections.abc import Callable

from ...media.tracks import Sample
from .cut import Gatherer, Stretch

_KBPS = {
    (1, 1): (0, 32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (1, 2): (0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (1, 3): (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (2, 1): (0, 32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (2, 2): (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (2, 3): (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
_MPEG_RATES = {3: (44_100, 48_000, 32_000), 2: (22_050, 24_000, 16_000), 0: (11_025, 12_000, 8_000)}
_AAC_RATES = (96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8_000, 7_350)
_HEADER = 7
_LOCK = 3  # frames in a row that prove that they are frames
_TAG = 10  # bytes of the header of an ID3v2 tag
_LARGEST_TAG = 2**20  # a picture of the cover may be in it

Frame = tuple[int, float]  # bytes, seconds
Reader = Callable[[bytes | bytearray, int], Frame | None]


def looks_like_frames(head: bytes) -> str | None:
    """`mp3`, `mp2` or `aac` when frames follow each other from somewhere in `head` on."""
    at = _after_id3(head, 0)
    if at > len(head) - _HEADER:
        return "mp3" if at else None  # behind a tag that is longer than what was read
    for codec, read in (("aac", adts_frame), ("mp3", mpeg_frame)):
        if (found := _locked(head, at, read)) is not None:
            return "mp2" if codec == "mp3" and head[found + 1] >> 1 & 3 != 1 else codec
    return None


class FrameCutter:
    """Time is counted in frames: nothing in the stream says it."""

    def __init__(self, codec: str) -> None:
        self.title: str | None = None
        self._read: Reader = adts_frame if codec == "aac" else mpeg_frame
        self._gathered = Gatherer()
        self._gathered.set_track("audio", codec, None)
        self._buffer = bytearray()
        self._locked = False
        self._needed = 0  # bytes in the buffer before it is worth looking on
        self._pts = 0.0

    def feed(self, data: bytes) -> list[Stretch]:
        self._buffer += data
        done: list[Stretch] = []
        if len(self._buffer) < self._needed:
            return done
        self._needed = 0
        at = 0
        while at + _HEADER <= len(self._buffer):
            if (behind := _after_id3(self._buffer, at)) > at:
                if behind > len(self._buffer):
                    break
                at = behind
                continue
            if self._buffer[at : at + 3] == b"ID3" and len(self._buffer) < at + _TAG:
                break
            frame = self._read(self._buffer, at) if self._locked else None
            if frame is None:
                at = self._search(at)
                if not self._locked:
                    break
            elif at + frame[0] > len(self._buffer):
                break
            else:
                done += self._gathered.add(
                    "audio", Sample(self._pts, bytes(self._buffer[at : at + frame[0]]), key=True)
                )
                self._pts += frame[1]
                at += frame[0]
        del self._buffer[:at]
        return done

    def finish(self) -> list[Stretch]:
        return self._gathered.cut()

    def _search(self, at: int) -> int:
        """Where frames begin again, or may: then more bytes are needed to tell, and all before is no sound."""
        if self._locked:
            self._gathered.damage("bytes that are no sound")
            self._locked = False
        while 0 <= (at := self._buffer.find(b"\xff", at)) <= len(self._buffer) - _HEADER:
            proven, needed = _follow(self._buffer, at, self._read)
            if proven is not False:
                self._locked = proven is True
                self._needed = 0 if proven else needed - at
                return at
            at += 1
        return at if at >= 0 else len(self._buffer)


def mpeg_frame(data: bytes | bytearray, at: int) -> Frame | None:
    """Size and length of the MPEG audio frame whose header is at `at`; None when there is none."""
    if data[at] != 0xFF or data[at + 1] & 0xE0 != 0xE0:
        return None
    version, layer = data[at + 1] >> 3 & 3, 4 - (data[at + 1] >> 1 & 3)
    rate_index, bits = data[at + 2] >> 2 & 3, data[at + 2] >> 4
    if version == 1 or layer == 4 or rate_index == 3 or bits in (0, 15):
        return None
    rate = _MPEG_RATES[version][rate_index]
    kbps = _KBPS[1 if version == 3 else 2, layer][bits]
    padding = data[at + 2] >> 1 & 1
    if layer == 1:
        return (12_000 * kbps // rate + padding) * 4, 384 / rate
    samples = 576 if layer == 3 and version != 3 else 1152
    return samples // 8 * 1000 * kbps // rate + padding, samples / rate


def adts_frame(data: bytes | bytearray, at: int) -> Frame | None:
    """Size and length of the ADTS frame whose header is at `at`; None when there is none."""
    if data[at] != 0xFF or data[at + 1] & 0xF6 != 0xF0:
        return None
    rate_index = data[at + 2] >> 2 & 15
    size = (data[at + 3] & 3) << 11 | data[at + 4] << 3 | data[at + 5] >> 5
    if rate_index >= len(_AAC_RATES) or size <= _HEADER:
        return None
    return size, 1024 * ((data[at + 6] & 3) + 1) / _AAC_RATES[rate_index]


def _locked(data: bytes | bytearray, at: int, read: Reader) -> int | None:
    """The first place from which frames follow each other, as far as the data goes; at least two."""
    while 0 <= (at := data.find(b"\xff", at)) <= len(data) - _HEADER:
        if _follow(data, at, read)[0]:
            return at
        at += 1
    return None


def _follow(data: bytes | bytearray, at: int, read: Reader) -> tuple[bool | None, int]:
    """Whether frames follow each other from `at` on; None when that takes as many bytes of `data` as are said."""
    position, count = at, 0
    while count < _LOCK and position <= len(data) - _HEADER and (frame := read(data, position)):
        position += frame[0]
        count += 1
    over = position > len(data) - _HEADER
    if count == _LOCK or (count >= 2 and over):
        return True, position
    return None if count and over else False, position + _HEADER


def _after_id3(data: bytes | bytearray, at: int) -> int:
    """Where the ID3v2 tag at `at` ends; `at` itself when there is none, or one that nobody would wait for."""
    if data[at : at + 3] != b"ID3" or len(data) < at + _TAG:
        return at
    size = sum((byte & 0x7F) << shift for byte, shift in zip(data[at + 6 : at + 10], (21, 14, 7, 0), strict=True))
    return at + _TAG + size if size <= _LARGEST_TAG else at
