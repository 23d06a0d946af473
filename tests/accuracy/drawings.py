# SPDX-License-Identifier: Apache-2.0
"""What stations lay over their pictures, and what they show instead: logos, clocks, credits, slides, stage lights."""

from functools import cache

import numpy as np
from numpy.typing import NDArray

from .footage import FPS, HEIGHT, WIDTH, Plane
from .scenes import Drawn, Plain, Scene

# Segments a to g of a digit: left, top, width, height in a cell of 10 x 18 pixels.
_BARS = ((2, 0, 6, 2), (8, 2, 2, 6), (8, 10, 2, 6), (2, 16, 6, 2), (0, 10, 2, 6), (0, 2, 2, 6), (2, 8, 6, 2))
_LIT = ("abcdef", "bc", "abdeg", "abcdg", "bcfg", "acdfg", "acdefg", "abc", "abcdefg", "abcdfg")
_CELL = 14


def logo(scene: Scene, *, left: int = 268, top: int = 12, width: int = 36, height: int = 24, luma: int = 200) -> Drawn:
    """A station's mark: a ring in a box, brighter than what is around it."""

    def draw(plane: Plane, _: int) -> None:
        rows, columns = np.ogrid[:height, :width]
        away = np.hypot((rows - height / 2) / (height / 2), (columns - width / 2) / (width / 2))
        plane[top : top + height, left : left + width][(away < 1) & (away > 0.35)] = luma

    return Drawn(scene, draw, f"logo {left} {top} {width} {height} {luma}")


def clock(scene: Scene, *, left: int = 216, top: int = 8, tenths: bool = False) -> Drawn:
    """Hours, minutes and seconds in white on black, 96 x 26 pixels; `tenths` shows minutes, seconds and tenths."""

    def draw(plane: Plane, n: int) -> None:
        plane[top : top + 26, left : left + 96] = 16
        seconds = 43_210 + n // FPS
        text = f"{seconds // 3600:02}{seconds // 60 % 60:02}{seconds % 60:02}"
        if tenths:
            text = f"{text[2:]}{n % FPS * 10 // FPS}0"
        for place, digit in enumerate(text):
            at = left + 4 + place * _CELL + place // 2 * 2
            for bar in _LIT[int(digit)]:
                x, y, width, height = _BARS["abcdefg".index(bar)]
                plane[top + 4 + y : top + 4 + y + height, at + x : at + x + width] = 230

    return Drawn(scene, draw, f"clock {left} {top} {tenths}")


def letterbox(scene: Scene, bar: int) -> Drawn:
    """Black bars above and below."""

    def draw(plane: Plane, _: int) -> None:
        plane[:bar] = plane[HEIGHT - bar :] = 16

    return Drawn(scene, draw, f"letterbox {bar}")


def credits_roll(*, speed: float = 30.0, lines: int = 5) -> Drawn:
    """White names on black that roll upwards, `speed` pixels a second, `lines` of them in view."""
    pitch = HEIGHT // lines

    def draw(plane: Plane, n: int) -> None:
        offset = round(n * speed / FPS)
        first = offset // pitch
        for number in range(first, first + lines + 2):
            top = number * pitch - offset
            if 0 <= top <= HEIGHT - 10:
                _text(plane, number, top)

    return Drawn(Plain(), draw, f"credits {speed} {lines}")


def slide(seed: int = 1) -> Drawn:
    """A card with a headline, a box and lines of text, on a background that darkens downwards."""

    def draw(plane: Plane, _: int) -> None:
        plane[:] = np.linspace(150, 90, HEIGHT).astype(np.uint8)[:, None]
        random = np.random.default_rng(seed)
        plane[20:44, 30 : 30 + int(random.integers(120, 240))] = 220
        left, top = random.integers(20, 180), random.integers(60, 90)
        plane[top : top + 60, left : left + 90] = random.integers(30, 80)
        for row in range(64, 160, 14):
            plane[row : row + 4, 200 : 200 + int(random.integers(20, 100))] = 200

    return Drawn(Plain(120, 140, 110), draw, f"slide {seed}")


def lights(scene: Scene, *, size: int = 22, luma: int = 190, count: int = 3) -> Drawn:
    """Spots that wander over a dark stage."""

    def draw(plane: Plane, n: int) -> None:
        rows, columns = np.ogrid[:HEIGHT, :WIDTH]
        for spot in range(count):
            row = HEIGHT / 2 + 60 * np.sin(n / 31 + 2 * spot)
            column = WIDTH / 2 + 130 * np.sin(n / 47 + 1.3 * spot)
            near = np.hypot(rows - row, columns - column) < size
            plane[near] = np.maximum(plane[near], luma)

    return Drawn(scene, draw, f"lights {size} {luma} {count}")


def bars() -> Drawn:
    """Colour bars in grey: eight steps from white to black."""

    def draw(plane: Plane, _: int) -> None:
        plane[:] = np.repeat(np.linspace(235, 16, 8).astype(np.uint8), WIDTH // 8)[None, :]

    return Drawn(Plain(), draw, "bars")


def _text(plane: Plane, number: int, top: int) -> None:
    shape = _word(number)
    left = (WIDTH - shape.shape[1]) // 2
    part = plane[top : top + 10, left : left + shape.shape[1]]
    part[shape] = 230


@cache
def _word(number: int) -> NDArray[np.bool_]:
    """Something like a name: strokes of letters, 10 pixels high."""
    random = np.random.default_rng(number)
    letters = random.random((10, int(random.integers(90, 200)))) < 0.35
    letters[:, ::8] = False
    return letters
