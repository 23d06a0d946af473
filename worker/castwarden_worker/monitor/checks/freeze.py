# SPDX-License-Identifier: Apache-2.0
"""Frozen picture: it stays the one that opened the candidate, as a whole and in every part, but for noise.

Means of blocks are compared: grain and coding noise average out in them, a clock or a mouth does not. A stream that
never moved (a slate, a radio's covers) is not frozen; black, a logo on black and one colour are other checks' matters.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from castwarden_model.resources.checks import Checks, Region
from numpy.typing import NDArray

from ..episode import Change, Moment
from ..seen import Picture, Plane
from .base import LULL, PictureCheck
from .blank import Blank
from .dark import Darkness, Scene

Blocks = NDArray[np.float32]

_SHORTEST = 0.5  # seconds; slow motion stands still from one frame to the next
_ROWS = 22  # of blocks: 4 x 4 samples of 90 lines
_LOCAL = 6.0  # a single block may differ this many times more than the mean of all: coding is coarse at edges
_MOTION = 5.0  # seconds of changes that are motion; a cut or a fade from one still to the next is over sooner
_CHANGES = 4  # in that time
_REST = 3.0  # seconds without a change; what comes after them is not the same motion


@dataclass(frozen=True, slots=True)
class _Still:
    """A picture as it is compared. `blocks` is None when there is nothing in it that could stand still."""

    at: Moment
    blocks: Blocks | None


class Freeze(PictureCheck):
    condition = "freeze"
    lookback = 2  # the first picture that repeats another shows that one was frozen already

    def __init__(self) -> None:
        super().__init__()
        self.moved = False
        self.motion_db: float | None = None  # of the newest picture; None of one that is not compared, such as black
        self._noise_db = -42.0
        self._ignored: Sequence[Region] = ()
        self._darkness = Darkness()
        self._blank = Blank()  # only asked what it thinks of a picture
        self._opening: _Still | None = None
        self._newest: tuple[Picture, _Still] | None = None
        self._counts: NDArray[np.bool_] | None = None  # the blocks that are not ignored
        self._changes: list[Moment] = []  # of the present motion: the first, and as many as are needed

    def configure(self, spec: Checks) -> None:
        self._limits(spec.freeze.enabled, spec.freeze.raise_after, spec.freeze.clear_after)
        self.episode.lull = LULL * self.episode.clear_after
        self._noise_db = spec.freeze.noise_db
        self._ignored, self._darkness = spec.freeze.ignore, Darkness.of(spec)
        self._blank.configure(spec)
        self._newest = self._counts = None

    def judge(self, picture: Picture) -> bool:
        opening = self._opening
        if opening is None or not (self.moved or self.alert):
            return False
        return picture.at.media - opening.at.media >= _SHORTEST and not self._differs(opening, self._still(picture))

    def flips(self, picture: Picture) -> bool:
        """Also where keyframes differ and no motion is known: the frames between tell whether it was a cut."""
        if not self.moved and self._opening and self._differs(self._opening, self._still(picture)):
            return True
        return super().flips(picture)

    def observe(self, picture: Picture) -> Change | None:
        opening, seen = self._opening, self._still(picture)
        if opening is None or seen.at.media < opening.at.media:
            self._opening = seen
            self._changes.clear()
            return None
        if self._differs(opening, seen):
            self._opening = seen
            self._follow(opening, seen)
            return self.episode.observe(picture.at, bad=False)
        if self.judge(picture):
            return self.episode.observe(picture.at, bad=True, since=opening.at)
        return None

    def _follow(self, before: _Still, seen: _Still) -> None:
        """Takes note of a change, until it is known that the stream moves."""
        if self.moved:
            return
        if before.blocks is None or seen.blocks is None:
            self._changes.clear()
            return
        if self._changes and seen.at.media - self._changes[-1].media > _REST:
            self._changes.clear()
        self._changes.append(seen.at)
        self.moved = len(self._changes) >= _CHANGES and seen.at.media - self._changes[0].media >= _MOTION
        if len(self._changes) > _CHANGES:
            del self._changes[1]

    def _differs(self, opening: _Still, seen: _Still) -> bool:
        before, now = opening.blocks, seen.blocks
        if before is None or now is None or before.shape != now.shape:
            self.motion_db = None
            return True
        if self._counts is None or self._counts.shape != now.shape:
            self._counts = _counted(self._ignored, now.shape)
        apart = np.abs(now - before)[self._counts]
        if not apart.size:
            return True
        mean = float(apart.mean())
        self.motion_db = 20 * math.log10(max(mean, 0.01) / 255)
        limit = 255 * 10 ** (self._noise_db / 20)
        return mean > limit or float(apart.max()) > _LOCAL * limit

    def _still(self, picture: Picture) -> _Still:
        if self._newest is None or self._newest[0] is not picture:
            plain = self._darkness.see(picture).scene is not Scene.LIT or self._blank.judge(picture)
            self._newest = picture, _Still(picture.at, None if plain else _blocks(picture.luma))
        return self._newest[1]

    def measured(self) -> Mapping[str, float | str]:
        return {"motion_db": round(self.motion_db or -100.0, 1), "noise_db": round(self._noise_db, 1)}


def _blocks(luma: Plane) -> Blocks:
    """Means of square blocks, about 22 rows of them. Rows and columns that are left over do not count."""
    height, width = luma.shape
    side = max(1, min(height // _ROWS, width))
    rows, columns = height // side, width // side
    cut = luma[: rows * side, : columns * side]
    lines = cut.reshape(rows, side, -1).sum(axis=1, dtype=np.uint16)
    means: Blocks = lines.reshape(rows, columns, side).sum(axis=2, dtype=np.float32) / np.float32(side * side)
    return means


def _counted(ignored: Sequence[Region], shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """The blocks that no ignored region touches."""
    counted = np.ones(shape, np.bool_)
    rows, columns = shape
    for region in ignored:
        top, bottom = int(region.y * rows), math.ceil((region.y + region.height) * rows)
        left, right = int(region.x * columns), math.ceil((region.x + region.width) * columns)
        counted[top:bottom, left:right] = False
    return counted
