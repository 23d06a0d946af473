# SPDX-License-Identifier: Apache-2.0
"""Pictures and sound that look like something to an encoder: a drifting texture, and a tone with noise in it."""

from functools import cache
from typing import Literal

import numpy as np
from av import AudioFrame, VideoFrame
from numpy.typing import NDArray

Look = Literal["motion", "black", "logo", "blank"]
Heard = Literal["both", "left", "none"]

RATE = 48_000
FRAME = 1024  # samples in one AAC frame
_DRIFT = (2, 4)  # rows and columns per picture
_PERIOD = 512  # pictures after which the texture has come round
_BLACK = 16


@cache
def _texture(width: int, height: int) -> NDArray[np.uint8]:
    """Random blocks of several sizes, large enough to wander over for a whole period."""
    random = np.random.default_rng(7)
    rows, columns = height + _DRIFT[0] * _PERIOD // 2, width + _DRIFT[1] * _PERIOD // 2
    whole = np.full((rows, columns), 20, np.float32)
    for block, depth in ((64, 90), (16, 60), (4, 40)):
        tiles = random.random((rows // block + 1, columns // block + 1), np.float32) * depth
        whole += np.kron(tiles, np.ones((block, block), np.float32))[:rows, :columns]
    return whole.clip(16, 235).astype(np.uint8)


def picture(width: int, height: int, number: int, look: Look = "motion") -> VideoFrame:
    """The picture with this number; neighbours differ by a little drift. A `logo` stands on black."""
    frame = VideoFrame(width, height, "yuv420p")
    for plane, values in zip(frame.planes, _planes(width, height, number, look), strict=True):
        rows = np.empty((plane.height, plane.line_size), np.uint8)
        rows[:, : plane.width] = values
        plane.update(rows.tobytes())
    return frame


def _planes(width: int, height: int, number: int, look: Look) -> tuple[NDArray[np.uint8] | int, int, int]:
    """Luma and chroma."""
    if look == "blank":
        return 41, 240, 110  # the blue of a receiver without a signal
    if look == "motion":
        phase = number % _PERIOD
        at = min(phase, _PERIOD - phase)  # there and back again
        row, column = at * _DRIFT[0], at * _DRIFT[1]
        return _texture(width, height)[row : row + height, column : column + width], 118, 128
    luma = np.full((height, width), _BLACK, np.uint8)
    if look == "logo":
        luma[height // 14 : height // 5, -width // 5 : -width // 14] = 200
    return luma, 128, 128


def sound(first: int, heard: Heard = "both") -> AudioFrame:
    """One AAC frame of stereo that begins with sample number `first`: a tone at -14 dBFS where it is heard."""
    wave = np.zeros((2, FRAME), np.float32)
    if heard != "none":
        moments = np.arange(first, first + FRAME) / RATE
        noise = np.random.default_rng(first).standard_normal(FRAME) * 0.02
        wave[: 1 if heard == "left" else 2] = (0.28 * np.sin(2 * np.pi * 440 * moments) + noise).astype(np.float32)
    frame = AudioFrame.from_ndarray(wave, format="fltp", layout="stereo")
    frame.sample_rate = RATE
    return frame
