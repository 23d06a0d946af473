# SPDX-License-Identifier: Apache-2.0
"""Black picture: nearly all of it is at most a little brighter than black (the rule of ffmpeg's blackdetect)."""

from castwarden_model.resources.checks import Checks

from ..episode import Change
from .base import BLACK_AREA, BLACK_LUMA, Picture, PictureCheck


class Black(PictureCheck):
    condition = "black"

    def __init__(self) -> None:
        super().__init__()
        self.luma = BLACK_LUMA
        self.area = BLACK_AREA

    def configure(self, spec: Checks) -> None:
        self._limits(spec.black.enabled, spec.black.raise_after, spec.black.clear_after)
        self.luma, self.area = spec.black.luma, spec.black.area

    def judge(self, picture: Picture) -> bool:
        return picture.dark_area(self.luma) >= self.area

    def observe(self, picture: Picture) -> Change | None:
        return self.episode.observe(picture.at, self.judge(picture))
