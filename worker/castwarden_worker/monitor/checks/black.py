# SPDX-License-Identifier: Apache-2.0
"""Black picture: nearly all of it is at most a little brighter than black (the rule of ffmpeg's blackdetect).

In the rest there is nothing to see: credits are no fault, and a logo is the matter of `black_with_logo`.
"""

from collections.abc import Mapping

from castwarden_model.resources.checks import Checks

from ..episode import Change
from ..seen import Picture
from .base import Check, PictureCheck
from .dark import Darkness, DarkRun, Look


class Black(PictureCheck):
    condition = "black"

    def __init__(self) -> None:
        super().__init__()
        self._run = DarkRun()
        self._twin: Check | None = None
        self._dark = self._luma = 0.0

    def meet(self, others: Mapping[str, Check]) -> None:
        self._twin = others.get("black_with_logo")

    def configure(self, spec: Checks) -> None:
        self._limits(spec.black.enabled, spec.black.raise_after, spec.black.clear_after)
        self._run.darkness = Darkness.of(spec)

    def judge(self, picture: Picture) -> bool:
        return self._bad(self._run.judge(picture))

    def observe(self, picture: Picture) -> Change | None:
        look, _ = self._run.see(picture)
        self._dark, self._luma = picture.dark_area(self._run.darkness.luma), picture.brightness
        return self.episode.observe(picture.at, self._bad(look), since=self._run.since)

    def _bad(self, look: Look) -> bool:
        """A logo that comes does not end what was raised; one dark time is told once."""
        if self._twin and self._twin.alert:
            return False
        return look is Look.BLACK or (self.alert and look is Look.LOGO)

    def measured(self) -> Mapping[str, float | str]:
        return {"dark_area": round(self._dark, 4), "luma": round(self._luma, 4)}
