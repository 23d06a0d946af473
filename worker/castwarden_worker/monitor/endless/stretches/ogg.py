# SPDX-License-Identifier: Apache-2.0
"""Ogg (RFC 3533) with Opus, Vorbis or FLAC: pages to packets. A chained stream (a new song) begins with new headers."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from ...media.tracks import Sample
from .cut import Gatherer, Stretch

_PAGE = 27
_CONTINUED, _FIRST = 1, 2
_NO_GRANULE = 2**64 - 1
_MAX_PACKET = 2**20
_COMMENT = re.compile(rb"(?i)(title|artist)=([^\0-\x1f]{1,300})")


@dataclass(slots=True)
class _Logical:
    """The stream of sound that is followed."""

    serial: int
    codec: str
    rate: int
    headers_wanted: int
    headers: list[bytes] = field(default_factory=list)
    partial: bytearray = field(default_factory=bytearray)
    granule: int | None = None  # the end of what came before, in samples

    @property
    def extradata(self) -> bytes | None:
        if self.codec == "vorbis":
            sizes = b"".join(b"\xff" * (len(header) // 255) + bytes([len(header) % 255]) for header in self.headers[:2])
            return bytes([2]) + sizes + b"".join(self.headers[:3])
        return self.headers[0][17:51] if self.codec == "flac" else self.headers[0]


class OggCutter:
    """Follows the first stream of sound."""

    def __init__(self) -> None:
        self.title: str | None = None
        self._gathered = Gatherer()
        self._buffer = bytearray()
        self._stream: _Logical | None = None

    def feed(self, data: bytes) -> list[Stretch]:
        self._buffer += data
        done: list[Stretch] = []
        at = 0
        while (start := self._buffer.find(b"OggS", at)) >= 0:
            if start > at:
                self._gathered.damage("bytes that are no Ogg pages")
            at = start
            lacing = (
                self._buffer[at + _PAGE : at + _PAGE + self._buffer[at + 26]] if len(self._buffer) > at + 26 else b""
            )
            end = at + _PAGE + len(lacing) + sum(lacing)
            if len(self._buffer) < at + _PAGE or len(lacing) < self._buffer[at + 26] or len(self._buffer) < end:
                break
            done += self._page(bytes(self._buffer[at:end]), bytes(lacing))
            at = end
        else:
            at = max(at, len(self._buffer) - 3)
        del self._buffer[:at]
        return done

    def finish(self) -> list[Stretch]:
        return self._gathered.cut()

    def _page(self, page: bytes, lacing: bytes) -> list[Stretch]:
        flags, serial = page[5], int.from_bytes(page[14:18], "little")
        granule = int.from_bytes(page[6:14], "little")
        body = page[_PAGE + len(lacing) :]
        done: list[Stretch] = []
        if flags & _FIRST:
            if (began := _identified(serial, body)) and (self._stream is None or serial != self._stream.serial):
                if self._stream is not None and self._stream.granule is not None:
                    done = self._gathered.breaks()
                self._stream = began
            elif began is None:
                return []
        stream = self._stream
        if stream is None or serial != stream.serial:
            return done
        if not flags & _CONTINUED and stream.partial:
            stream.partial.clear()
            self._gathered.damage("an Ogg packet without its end")
        packets = list(_packets(stream, lacing, body))
        sound = [packet for packet in packets if not self._is_header(stream, packet)]
        return done + self._samples(stream, sound, granule)

    def _is_header(self, stream: _Logical, packet: bytes) -> bool:
        if len(stream.headers) >= stream.headers_wanted and not (stream.codec == "flac" and packet[:1] != b"\xff"):
            return False
        stream.headers.append(packet) if len(stream.headers) < 3 else None
        if len(stream.headers) == 2:
            found = {name.lower(): value.decode("utf-8", "replace") for name, value in _COMMENT.findall(packet)}
            self.title = " - ".join(found[name] for name in (b"artist", b"title") if name in found) or None
        return True

    def _samples(self, stream: _Logical, packets: list[bytes], granule: int) -> list[Stretch]:
        """A page says when its last packet ends; those before share the time since the page before."""
        if not packets or granule == _NO_GRANULE:
            return []
        before, stream.granule = stream.granule, granule
        if before is None:
            before = 0 if granule <= 2 * stream.rate else granule  # joined in the middle: its beginning is not known
        if granule <= before:
            if granule < before:
                self._gathered.damage("Ogg pages that go back in time")
            return []
        done = self._gathered.set_track("audio", stream.codec, stream.extradata)
        step = (granule - before) / len(packets) / stream.rate
        for at, packet in enumerate(packets):
            done += self._gathered.add("audio", Sample(before / stream.rate + at * step, packet, key=True))
        return done


def _packets(stream: _Logical, lacing: bytes, body: bytes) -> Iterator[bytes]:
    at = 0
    for size in lacing:
        if len(stream.partial) + size <= _MAX_PACKET:
            stream.partial += body[at : at + size]
        at += size
        if size < 255:
            packet = bytes(stream.partial)
            stream.partial.clear()
            if packet:
                yield packet


def _identified(serial: int, packet: bytes) -> _Logical | None:
    """From the first packet; None for pictures, subtitles and what we do not know."""
    if packet.startswith(b"OpusHead"):
        return _Logical(serial, "opus", 48_000, 2)
    if packet.startswith(b"\x01vorbis") and (rate := int.from_bytes(packet[12:16], "little")):
        return _Logical(serial, "vorbis", min(rate, 768_000), 3)
    if packet.startswith(b"\x7fFLAC") and len(packet) >= 51:
        rate = int.from_bytes(packet[27:30]) >> 4
        return _Logical(serial, "flac", rate, 2) if rate else None
    return None
