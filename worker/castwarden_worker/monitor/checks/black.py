# SPDX-License-Identifier: Apache-2.0
"""Black picture: nearly all of it is at most a little brighter than black (the rule of ffmpeg's blackdetect)."""

from collections.abc import Mapping

from castwarden_model.resources.checks import Checks

from ..episode import Change
from ..seen import BLACK_AREA, BLACK_LUMA, Picture
from .base import PictureCheck


class Black(PictureCheck):
    condition = "black"

    def __init__(self) -> None:
        super().__init__()
        self.luma = BLACK_LUMA
        self.area = BLACK_AREA
        self._dark = self._luma = 0.0

    def configure(self, spec: Checks) -> None:
        self._limits(spec.black.enabled, spec.black.raise_after, spec.black.clear_after)
        self.luma, self.area = spec.black.luma, spec.black.area

    def judge(self, picture: Picture) -> bool:
        return picture.dark_area(self.luma) >= self.area

    def observe(self, picture: Picture) -> Change | None:
        self._dark, self._luma = picture.dark_area(self.luma), picture.brightness
        return self.episode.observe(picture.at, self._dark >= self.area)

    def measured(self) -> Mapping[str, float | str]:
        return {"dark_area": round(self._dark, 4), "luma": round(self._luma, 4)}
