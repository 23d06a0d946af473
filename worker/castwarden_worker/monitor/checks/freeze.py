# SPDX-License-Identifier: Apache-2.0
"""Frozen picture: the mean absolute difference to the picture that opened the candidate stays below the noise.

A stream that never moved (a slate, a radio's cover) is not frozen, and a black picture is the other check's matter.
"""

import math
from collections.abc import Mapping

import numpy as np
from castwarden_model.resources.checks import Checks

from ..episode import Change
from ..seen import Picture
from .base import PictureCheck

_SHORTEST = 0.5  # seconds; slow motion stands still from one frame to the next


class Freeze(PictureCheck):
    condition = "freeze"
    lookback = 2  # the first picture that repeats another shows that one was frozen already

    def __init__(self) -> None:
        super().__init__()
        self.noise = 0.0
        self.moved = False
        self.motion_db: float | None = None
        self._opening: Picture | None = None

    def configure(self, spec: Checks) -> None:
        self._limits(spec.freeze.enabled, spec.freeze.raise_after, spec.freeze.clear_after)
        self.noise = 255 * 10 ** (spec.freeze.noise_db / 20)

    def judge(self, picture: Picture) -> bool:
        opening = self._opening
        if opening is None or not (self.moved or self.episode.is_open):
            return False
        return picture.at.media - opening.at.media >= _SHORTEST and not self._differs(picture, opening)

    def observe(self, picture: Picture) -> Change | None:
        opening = self._opening
        if opening is None or picture.at.media < opening.at.media:
            self._opening = picture
            return None
        if self._differs(picture, opening):
            self._opening = picture
            self.moved = self.moved or not (opening.is_dark or picture.is_dark)
            return self.episode.observe(picture.at, bad=False)
        if self.judge(picture):
            return self.episode.observe(picture.at, bad=True, since=opening.at)
        return None

    def _differs(self, picture: Picture, opening: Picture) -> bool:
        if picture.luma.shape != opening.luma.shape:
            return True
        apart = np.maximum(picture.luma, opening.luma) - np.minimum(picture.luma, opening.luma)
        difference = int(apart.sum(dtype=np.int64)) / apart.size
        self.motion_db = 20 * math.log10(max(difference, 0.01) / 255)
        return difference > self.noise or picture.is_dark

    def measured(self) -> Mapping[str, float | str]:
        noise = round(20 * math.log10(self.noise / 255), 1) if self.noise else -100.0
        return {"motion_db": round(self.motion_db or -100.0, 1), "noise_db": noise}
