# SPDX-License-Identifier: Apache-2.0
"""What can be seen: scenes over real footage, each of which gives its n-th picture (25 a second, 320 x 180).

Levels are those of limited range: black is 16, white is 235. Nothing here knows how the checks judge.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from typing import Protocol

import numpy as np

from .footage import FPS, HEIGHT, WIDTH, Plane, Yuv, pictures

BLACK = 16


class Scene(Protocol):
    """Anything that can be looked at."""

    def picture(self, n: int) -> Yuv: ...

    def __hash__(self) -> int: ...


@dataclass(frozen=True, slots=True)
class Footage:
    """A clip, forwards and backwards in turn, seen through a window at `left`, `top`."""

    clip: str = "bikes"
    start: int = 0
    speed: float = 1.0
    left: int = 0
    top: int = 0
    mirrored: bool = False

    def picture(self, n: int) -> Yuv:
        known = pictures(self.clip)
        at = int(self.start + n * self.speed) % (2 * len(known) - 2)
        found = known[min(at, 2 * len(known) - 2 - at)].crop(self.left, self.top)
        return Yuv(found.y[:, ::-1], found.u[:, ::-1], found.v[:, ::-1]) if self.mirrored else found


@dataclass(frozen=True, slots=True)
class Plain:
    """One colour."""

    y: int = BLACK
    u: int = 128
    v: int = 128

    def picture(self, n: int) -> Yuv:
        return _plain(self.y, self.u, self.v)


@dataclass(frozen=True, slots=True)
class Held:
    """One picture of a scene, standing still."""

    scene: Scene
    n: int = 0

    def picture(self, n: int) -> Yuv:
        return _held(self.scene, self.n)


@dataclass(frozen=True, slots=True)
class Dimmed:
    """A scene with `gain` times its light, on top of `lift`."""

    scene: Scene
    gain: float
    lift: int = 0

    def picture(self, n: int) -> Yuv:
        return dim(self.scene.picture(n), self.gain, self.lift)


@dataclass(frozen=True, slots=True)
class Fade:
    """A scene whose light changes evenly over `seconds`, and then stays."""

    scene: Scene
    seconds: float
    first: float = 1.0
    last: float = 0.0

    def picture(self, n: int) -> Yuv:
        share = min(1.0, n / (self.seconds * FPS))
        return dim(self.scene.picture(n), self.first + (self.last - self.first) * share)


@dataclass(frozen=True, slots=True)
class Flat:
    """A scene with its contrast reduced to `share`, as in fog."""

    scene: Scene
    share: float
    level: int = 126

    def picture(self, n: int) -> Yuv:
        found = self.scene.picture(n)
        luma = self.level + (found.y.astype(np.float32) - 126) * self.share
        return Yuv(luma.clip(0, 255).astype(np.uint8), _weaker(found.u, self.share), _weaker(found.v, self.share))


@dataclass(frozen=True, slots=True)
class Grain:
    """A scene under noise that is new in every picture, of standard deviation `sigma`."""

    scene: Scene
    sigma: float
    seed: int = 1

    def picture(self, n: int) -> Yuv:
        found = self.scene.picture(n)
        noise = _noise(self.seed)
        row, column = np.random.default_rng((self.seed, n)).integers(0, 64, 2)
        luma = found.y + noise[row : row + HEIGHT, column : column + WIDTH] * self.sigma
        return replace(found, y=(luma + 0.5).clip(0, 255).astype(np.uint8))


@dataclass(frozen=True, slots=True)
class Inlay:
    """A scene with a rectangle of another one on it. All four numbers are even pixels."""

    scene: Scene
    other: Scene
    left: int
    top: int
    width: int
    height: int

    def picture(self, n: int) -> Yuv:
        return laid(self.scene.picture(n), self.other.picture(n), self.left, self.top, self.width, self.height)


@dataclass(frozen=True, slots=True)
class Drawn:
    """A scene with something drawn on it, by the number of the picture. `name` tells one drawing from another."""

    scene: Scene
    draw: Callable[[Plane, int], None]
    name: str

    def picture(self, n: int) -> Yuv:
        found = self.scene.picture(n)
        luma = found.y.copy()
        self.draw(luma, n)
        return replace(found, y=luma)

    def __repr__(self) -> str:
        return f"Drawn({self.scene!r}, {self.name})"


@dataclass(frozen=True, slots=True)
class Pan:
    """A slow pan over a still picture, `speed` pixels a second, fractions of a pixel included."""

    scene: Scene
    speed: float

    def picture(self, n: int) -> Yuv:
        return Yuv(*(_panned(plane, self.speed * n / FPS / step) for plane, step in _wide(self.scene)))


@dataclass(frozen=True, slots=True)
class Turn:
    """Scenes that take turns, `seconds` each, for ever; each goes on where it was left."""

    scenes: tuple[Scene, ...]
    seconds: float

    def picture(self, n: int) -> Yuv:
        length = round(self.seconds * FPS)
        turn, at = divmod(n, length)
        rounds, which = divmod(turn, len(self.scenes))
        return self.scenes[which].picture(rounds * length + at)


def dim(found: Yuv, gain: float, lift: int = 0) -> Yuv:
    """Less light: luma towards black, chroma towards grey."""
    luma = BLACK + lift + (found.y.astype(np.float32) - BLACK) * gain
    return Yuv((luma + 0.5).clip(0, 255).astype(np.uint8), _weaker(found.u, gain), _weaker(found.v, gain))


def laid(below: Yuv, above: Yuv, left: int, top: int, width: int, height: int) -> Yuv:
    """`below` with a rectangle of `above`."""
    whole = np.s_[top : top + height, left : left + width]
    half = np.s_[top // 2 : (top + height) // 2, left // 2 : (left + width) // 2]
    planes = []
    for under, over, place in ((below.y, above.y, whole), (below.u, above.u, half), (below.v, above.v, half)):
        plane = under.copy()
        plane[place] = over[place]
        planes.append(plane)
    return Yuv(*planes)


def _weaker(chroma: Plane, gain: float) -> Plane:
    values: Plane = (128.5 + (chroma.astype(np.float32) - 128) * min(1.0, gain)).astype(np.uint8)
    return values


@cache
def _plain(y: int, u: int, v: int) -> Yuv:
    half = (HEIGHT // 2, WIDTH // 2)
    return Yuv(np.full((HEIGHT, WIDTH), y, np.uint8), np.full(half, u, np.uint8), np.full(half, v, np.uint8))


@cache
def _held(scene: Scene, n: int) -> Yuv:
    return scene.picture(n)


@cache
def _noise(seed: int) -> "np.ndarray[tuple[int, int], np.dtype[np.float32]]":
    return np.random.default_rng(seed).standard_normal((HEIGHT + 64, WIDTH + 64), np.float32)


@cache
def _wide(scene: Scene) -> tuple[tuple[Plane, int], ...]:
    """Each plane beside its mirror image, and the pixels of the canvas that one of its columns is wide."""
    found = scene.picture(0)
    return tuple(
        (np.hstack([plane, plane[:, ::-1]]), step) for plane, step in ((found.y, 1), (found.u, 2), (found.v, 2))
    )


def _panned(plane: Plane, offset: float) -> Plane:
    width = plane.shape[1] // 2
    first, share = int(offset) % plane.shape[1], np.float32(offset % 1)
    columns = np.arange(first, first + width + 1) % plane.shape[1]
    seen = plane[:, columns].astype(np.float32)
    mixed: Plane = (seen[:, :-1] * (1 - share) + seen[:, 1:] * share + 0.5).astype(np.uint8)
    return mixed
