# SPDX-License-Identifier: Apache-2.0
"""The packets of one elementary stream in a transport stream segment (ISO/IEC 13818-1). Used by `ts.py`.

Only headers are read. Payload stays where it is in the segment until somebody wants to decode it.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .tracks import Sample

PACKET = 188
_HEADER = 4
_CLOCK = 90_000
_PES_HEAD = 14  # bytes up to the end of the first timestamp

Rows = NDArray[np.uint8]
Numbers = NDArray[np.signedinteger[Any]]
Span = tuple[int, int, int]  # first packet, packet after the last, bytes of the first that are no payload


@dataclass(slots=True)
class Pes:
    """One packetized unit: its timestamp in seconds, if it has one, where its payload lies and how it begins."""

    pts: float | None
    span: Span
    size: int
    head: bytes
    random_access: bool


class Headers:
    """The headers of those rows of the segment that carry payload of one stream. Needed while it is read."""

    def __init__(self, rows: Rows, at: Numbers) -> None:
        heads = rows[at, :6]
        adapted = heads[:, 3] & 0x20 != 0
        starts = np.where(adapted, 5 + heads[:, 4].astype(np.int16), _HEADER).clip(max=PACKET)
        self._rows, self._at, self._heads = rows, at, heads
        self._adapted = adapted & (heads[:, 4] > 0)
        self._starts = starts
        self.packets = Packets(rows, at.astype(np.int32), starts.astype(np.uint8))

    @property
    def scrambled(self) -> bool:
        return bool((self._heads[:, 3] & 0xC0).any())

    @property
    def lost(self) -> bool:
        """Whether packets are missing within a unit. Counters may begin anew where a unit does: segments are joined."""
        counters = self._heads[:, 3] & 0x0F
        step = (counters[1:] - counters[:-1]) & 0x0F
        announced = (self._adapted & (self._heads[:, 5] & 0x80 != 0))[1:]
        begins = self._heads[1:, 1] & 0x40 != 0
        return bool(((step > 1) & ~announced & ~begins).any())

    def units(self) -> Iterator[Pes]:
        """The units that begin in this segment."""
        first = np.flatnonzero(self._heads[:, 1] & 0x40)
        firsts = self._rows[self._at[first]].tobytes()
        access = (self._adapted & (self._heads[:, 5] & 0x40 != 0))[first].tolist()
        starts = self._starts[first].tolist()
        edges = [*first.tolist(), len(self._at)]
        carried = np.concatenate(([0], np.cumsum(PACKET - self._starts, dtype=np.int64)))[edges].tolist()
        for index, (begin, end) in enumerate(pairwise(edges)):
            head = firsts[index * PACKET + starts[index] : (index + 1) * PACKET]
            if len(head) < _PES_HEAD:  # much stuffing: the header goes on in the next packet
                head = self.packets.joined(begin, end)
            if len(head) < 9 or head[:3] != b"\0\0\1":
                continue
            skipped = 9 + head[8]
            pts = _timestamp(head[9:14]) if head[7] & 0x80 and len(head) >= _PES_HEAD else None
            size = max(0, carried[index + 1] - carried[index] - skipped)
            yield Pes(pts, (begin, end, skipped), size, head[skipped:], access[index])


class Packets:
    """Where the payload of one stream lies in the segment."""

    __slots__ = ("_at", "_rows", "_starts")

    def __init__(self, rows: Rows, at: NDArray[np.int32], starts: NDArray[np.uint8]) -> None:
        self._rows = rows
        self._at = at
        self._starts = starts

    def payload(self, span: Span) -> bytes:
        first, last, skipped = span
        return self.joined(first, last)[skipped:]

    def joined(self, first: int, last: int) -> bytes:
        """What these packets carry. Few have more than the plain header: runs between them are copied whole."""
        flat = np.ascontiguousarray(self._rows[self._at[first:last], _HEADER:]).data.cast("B")
        size = PACKET - _HEADER
        starts = self._starts[first:last]
        pieces = []
        at = 0
        for row in np.flatnonzero(starts > _HEADER).tolist():
            pieces.append(flat[at : row * size])
            at = row * size + int(starts[row]) - _HEADER
        return b"".join([*pieces, flat[at:]])


class Scattered(Sample):
    """A sample whose bytes lie in packets; it keeps the segment in memory, and is put together when asked for."""

    __slots__ = ("_packets", "_spans")

    def __init__(self, pts: float, packets: Packets, unit: Pes, *, key: bool) -> None:
        super().__init__(pts, key=key, size=unit.size)
        self._packets = packets
        self._spans = [unit.span]

    def extend(self, unit: Pes) -> None:
        """A unit without a timestamp continues the one before."""
        self._spans.append(unit.span)
        self.size += unit.size

    @property
    def data(self) -> bytes:
        parts = [self._packets.payload(span) for span in self._spans]
        return parts[0] if len(parts) == 1 else b"".join(parts)


def _timestamp(five: bytes) -> float:
    """33 bits in five bytes with marker bits between (§2.4.3.7)."""
    value = (five[0] >> 1 & 7) << 30 | five[1] << 22 | five[2] >> 1 << 15 | five[3] << 7 | five[4] >> 1
    return value / _CLOCK
