# SPDX-License-Identifier: Apache-2.0
"""An endless MPEG transport stream (ISO/IEC 13818-1) to stretches that hold whole access units.

Packets stay packets: what belongs to a stretch is demuxed as a segment of HLS is. A packetized unit that is not
complete moves to the next stretch, and the tables that say what is what are repeated there.
"""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ...errors import SegmentError, Unreadable
from ...media import demux
from ...media.tracks import Media
from .cut import SECONDS, Stretch

_PACKET = 188
_SYNC = 0x47
_CLOCK = 90_000
_WRAP = 2**33
_LEAP, _FALL = 10 * _CLOCK, -_CLOCK  # steps of the decoding time that are a break
_MOST = 48 * 2**20
_PROOF = 3  # packets in a row that prove where they begin

Rows = NDArray[np.uint8]


def looks_like_ts_stream(head: bytes) -> bool:
    """Whether packets follow each other from somewhere in `head` on."""
    return _sync(head, 0) is not None


class TsCutter:
    """Cut by the decoding times of the picture, or of the sound when there is no picture."""

    def __init__(self) -> None:
        self.title: str | None = None
        self._bytes = bytearray()  # not yet whole packets
        self._rows: list[Rows] = []  # of the stretch that is being collected
        self._size = 0
        self._clock: int | None = None  # the PID whose time counts
        self._has_picture = False
        self._first = self._latest = 0
        self._damage: str | None = None
        self._broken = False

    def feed(self, data: bytes) -> list[Stretch]:
        self._bytes += data
        done: list[Stretch] = []
        while (rows := self._take()) is not None:
            done += self._collect(rows)
        return done

    def finish(self) -> list[Stretch]:
        rest = len(self._bytes) // _PACKET * _PACKET
        rows = np.frombuffer(bytes(self._bytes[:rest]), np.uint8).reshape(-1, _PACKET)
        self._bytes.clear()
        done = self._collect(rows[rows[:, 0] == _SYNC])
        return done + self._cut(self._elapsed(self._latest) or SECONDS / 2, whole=True)

    def _take(self) -> Rows | None:
        """Packets up to the first that is out of step; None when more bytes are needed."""
        if len(self._bytes) < _PROOF * _PACKET:
            return None
        if self._bytes[0] != _SYNC:
            found = _sync(self._bytes, 0)
            if self._size:
                self._damage = "packets out of sync"
            del self._bytes[: len(self._bytes) - _PROOF * _PACKET + 1 if found is None else found]
            if found is None:
                return None
        count = len(self._bytes) // _PACKET
        rows = np.frombuffer(bytes(self._bytes[: count * _PACKET]), np.uint8).reshape(count, _PACKET)
        bad = np.flatnonzero(rows[:, 0] != _SYNC)
        if len(bad):
            rows = rows[: int(bad[0])]
        del self._bytes[: len(rows) * _PACKET]
        return rows

    def _collect(self, rows: Rows) -> list[Stretch]:
        done: list[Stretch] = []
        begin = 0
        for at in np.flatnonzero(rows[:, 1] & 0x40).tolist():
            if (found := _timed(rows[at])) is None:
                continue
            pid, is_picture, time = found
            if self._clock is None or (is_picture and not self._has_picture):
                self._clock, self._has_picture = pid, is_picture
                self._first = self._latest = time
            if pid != self._clock:
                continue
            step = (time - self._latest + _WRAP // 2) % _WRAP - _WRAP // 2
            self._keep(rows[begin:at])
            begin = at
            if not _FALL <= step <= _LEAP:
                done += self._cut(self._elapsed(self._latest), whole=True)
                self._broken = True
                self._first = time
            elif self._elapsed(time) >= SECONDS:
                done += self._cut(self._elapsed(time))
                self._first = time
            self._latest = time
        self._keep(rows[begin:])
        if self._size > _MOST:
            done += self._cut(self._elapsed(self._latest) or SECONDS, whole=True)
        return done

    def _keep(self, rows: Rows) -> None:
        if len(rows):
            self._rows.append(rows)
            self._size += rows.size

    def _elapsed(self, time: int) -> float:
        """Seconds since the stretch began; none when time has fallen a little."""
        ticks = (time - self._first) % _WRAP
        return ticks / _CLOCK if ticks < _WRAP // 2 else 0.0

    def _cut(self, seconds: float, *, whole: bool = False) -> list[Stretch]:
        """`whole`: what is not complete will never be."""
        if not self._rows:
            return []
        rows = np.concatenate(self._rows)
        moved, repeated = _carried(rows, self._clock)
        self._rows = [rows[repeated]] if whole else [rows[moved | repeated]]
        self._rows = [kept for kept in self._rows if len(kept)]
        given = rows if whole else rows[~moved]
        self._size = sum(kept.size for kept in self._rows)
        damage, self._damage = self._damage, None
        broken, self._broken = self._broken, False
        stretch = Stretch(_media(given, damage), max(seconds, 0.02), given.size, broken)
        return [stretch] if stretch.media.video or stretch.media.audio or stretch.media.damage else []


def _media(rows: Rows, damage: str | None) -> Media:
    try:
        media = demux(rows.tobytes())
    except (SegmentError, Unreadable) as error:
        return Media(damage=str(error))
    return replace(media, damage=media.damage or damage)


def _carried(rows: Rows, clock: int | None) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Which packets belong to units that have not ended (those of `clock` have), and which to the newest tables."""
    pids = (rows[:, 1] & 0x1F).astype(np.int32) << 8 | rows[:, 2]
    starts = np.flatnonzero(rows[:, 1] & 0x40)
    moved = np.zeros(len(rows), np.bool_)
    repeated = np.zeros(len(rows), np.bool_)
    newest = {int(pids[at]): at for at in starts.tolist()}
    for pid, at in newest.items():
        mine = pids == pid
        mine[:at] = False
        if _is_unit(rows[at]):
            moved |= mine & (pid != clock)
        else:
            repeated |= mine
    return moved, repeated


def _payload(row: Rows) -> bytes:
    start = 5 + int(row[4]) if row[3] & 0x20 else 4
    return row[start:].tobytes() if row[3] & 0x10 else b""


def _is_unit(row: Rows) -> bool:
    return _payload(row)[:3] == b"\0\0\1"


def _timed(row: Rows) -> tuple[int, bool, int] | None:
    """(PID, whether it is a picture, decoding time) of the unit that begins in this packet, when it says one."""
    head = _payload(row)[:19]
    if len(head) < 14 or head[:3] != b"\0\0\1" or not head[7] & 0x80:
        return None
    is_picture = 0xE0 <= head[3] <= 0xEF
    if not is_picture and not (0xC0 <= head[3] <= 0xDF or head[3] == 0xBD):
        return None
    five = head[14:19] if head[7] & 0x40 and len(head) == 19 else head[9:14]
    time = (five[0] >> 1 & 7) << 30 | five[1] << 22 | five[2] >> 1 << 15 | five[3] << 7 | five[4] >> 1
    return int(row[1] & 0x1F) << 8 | int(row[2]), is_picture, time


def _sync(data: bytes | bytearray, at: int) -> int | None:
    """The first place from which packets follow each other."""
    while 0 <= (at := data.find(bytes([_SYNC]), at)) <= len(data) - _PROOF * _PACKET:
        if all(data[at + count * _PACKET] == _SYNC for count in range(_PROOF)):
            return at
        at += 1
    return None
