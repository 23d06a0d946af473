# SPDX-License-Identifier: Apache-2.0
"""A finished transport stream played over and over, with timestamps and continuity counters that run on."""

from collections.abc import Callable
from functools import partial

import numpy as np
from numpy.typing import NDArray

from .broadcast import Aired
from .cases import Medium
from .produce import produce

_PACKET = 188
_CLOCK = 90_000
_WRAP = 1 << 33


class Tape:
    """`medium` in TS segments; its length is a whole number of segments, and of AAC frames."""

    def __init__(self, medium: Medium) -> None:
        made = produce(medium)
        self.length = medium.seconds
        self.pieces = [piece for piece in made.main if piece.seconds > 0.1]
        self._data = [(made.folder / piece.file).read_bytes() for piece in self.pieces]
        self._counts = np.zeros(8192, np.int64)
        for data in self._data:
            rows = _rows(data)
            self._counts += np.bincount(_pids(rows)[rows[:, 3] & 0x10 != 0], minlength=8192)

    def segment(self, number: int, ticks: int = 0) -> bytes:
        """The n-th segment of the endless stream; `ticks` of 90 kHz are added to all its timestamps."""
        passes, index = divmod(number, len(self._data))
        later = ticks + round(passes * self.length * _CLOCK)
        return _moved(self._data[index], later, passes * self._counts) if later else self._data[index]

    def aired(
        self,
        seconds: float,
        *,
        name: str = "{}.ts",
        publish: Callable[[float], float] = lambda ends: ends,
        ticks: int = 0,
    ) -> list[Aired]:
        """So much of it on air. `publish` says when a segment is announced whose last picture is on air at `ends`."""
        found: list[Aired] = []
        begins = 0.0
        while begins < seconds - 1e-6:
            number = len(found)
            length = self.pieces[number % len(self.pieces)].seconds
            read = partial(self.segment, number, ticks)
            found.append(Aired(name.format(number), length, begins, read, publish(begins + length)))
            begins += length
        return found


def _moved(data: bytes, ticks: int, counts: "NDArray[np.int64]") -> bytes:
    rows = _rows(data).copy()
    counted = rows[:, 3] & 0x10 != 0
    later = (rows[:, 3] + counts[_pids(rows)]) & 0x0F
    rows[counted, 3] = (rows[counted, 3] & 0xF0) | later[counted].astype(np.uint8)
    for index in np.flatnonzero((rows[:, 3] & 0x20 != 0) & (rows[:, 4] > 6) & (rows[:, 5] & 0x10 != 0)):
        clock = int.from_bytes(rows[index, 6:11].tobytes())
        base = ((clock >> 7) + ticks) % _WRAP
        rows[index, 6:11] = np.frombuffer((base << 7 | clock & 0x7F).to_bytes(5), np.uint8)
    for index in np.flatnonzero(rows[:, 1] & 0x40):
        row = rows[index]
        at = 5 + int(row[4]) if row[3] & 0x20 else 4
        if at < _PACKET - 19 and row[at : at + 3].tobytes() == b"\0\0\1":
            flags = int(row[at + 7]) >> 6
            for place in (at + 9, at + 14)[: flags.bit_count()]:
                _move(row[place : place + 5], ticks)
    return rows.tobytes()


def _move(five: NDArray[np.uint8], ticks: int) -> None:
    old = five.tolist()
    value = (old[0] >> 1 & 7) << 30 | old[1] << 22 | old[2] >> 1 << 15 | old[3] << 7 | old[4] >> 1
    value = (value + ticks) % _WRAP
    five[:] = (
        old[0] & 0xF1 | value >> 30 << 1,
        value >> 22 & 0xFF,
        old[2] & 1 | (value >> 15 & 0x7F) << 1,
        value >> 7 & 0xFF,
        old[4] & 1 | (value & 0x7F) << 1,
    )


def _rows(data: bytes) -> NDArray[np.uint8]:
    return np.frombuffer(data, np.uint8).reshape(-1, _PACKET)


def _pids(rows: NDArray[np.uint8]) -> NDArray[np.int64]:
    return (rows[:, 1] & 0x1F).astype(np.int64) << 8 | rows[:, 2]
