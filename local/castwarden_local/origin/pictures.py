# SPDX-License-Identifier: Apache-2.0
"""Pictures and sound that look like something to an encoder: a drifting texture, and a tone with noise in it."""

from functools import cache

import numpy as np
from av import AudioFrame, VideoFrame
from numpy.typing import NDArray

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


def picture(width: int, height: int, number: int, *, black: bool = False) -> VideoFrame:
    """The picture with this number; neighbours differ by a little drift."""
    frame = VideoFrame(width, height, "yuv420p")
    luma: NDArray[np.uint8] | int = _BLACK
    if not black:
        phase = number % _PERIOD
        at = min(phase, _PERIOD - phase)  # there and back again
        row, column = at * _DRIFT[0], at * _DRIFT[1]
        luma = _texture(width, height)[row : row + height, column : column + width]
    channels: tuple[NDArray[np.uint8] | int, int, int] = (luma, 128 if black else 118, 128)
    for plane, values in zip(frame.planes, channels, strict=True):
        rows = np.empty((plane.height, plane.line_size), np.uint8)
        rows[:, : plane.width] = values
        plane.update(rows.tobytes())
    return frame


def sound(first: int, *, silent: bool = False) -> AudioFrame:
    """One AAC frame of stereo that begins with sample number `first`: a tone at -14 dBFS, or digital silence."""
    if silent:
        wave = np.zeros((2, FRAME), np.float32)
    else:
        moments = np.arange(first, first + FRAME) / RATE
        noise = np.random.default_rng(first).standard_normal(FRAME) * 0.02
        wave = np.tile((0.28 * np.sin(2 * np.pi * 440 * moments) + noise).astype(np.float32), (2, 1))
    frame = AudioFrame.from_ndarray(wave, format="fltp", layout="stereo")
    frame.sample_rate = RATE
    return frame
