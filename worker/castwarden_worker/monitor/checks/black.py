# SPDX-License-Identifier: Apache-2.0
"""Black picture: nearly all of it is at most a little brighter than black (the rule of ffmpeg's blackdetect).

In the rest there is nothing to see: credits are no fault, and a logo is the matter of `black_with_logo`.
"""

from collections.abc import Mapping

from castwarden_model.resources.checks import Checks

from ..episode import Change
from ..seen import Picture
from .base import PictureCheck
from .dark import Darkness, Scene


class Black(PictureCheck):
    condition = "black"

    def __init__(self) -> None:
        super().__init__()
        self._darkness = Darkness()
        self._dark = self._luma = 0.0

    def configure(self, spec: Checks) -> None:
        self._limits(spec.black.enabled, spec.black.raise_after, spec.black.clear_after)
        self._darkness = Darkness.of(spec)

    def judge(self, picture: Picture) -> bool:
        return self._darkness.see(picture).scene is Scene.BLACK

    def observe(self, picture: Picture) -> Change | None:
        self._dark, self._luma = picture.dark_area(self._darkness.luma), picture.brightness
        return self.episode.observe(picture.at, self.judge(picture))

    def measured(self) -> Mapping[str, float | str]:
        return {"dark_area": round(self._dark, 4), "luma": round(self._luma, 4)}
