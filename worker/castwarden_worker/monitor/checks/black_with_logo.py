# SPDX-License-Identifier: Apache-2.0
"""Black but for a logo: all is dark but a small bright thing near the border that stands still.

Credits, subtitles and a torch in the night change, so they are none. One dark time is told once: as black, or as this.
"""

from collections.abc import Mapping

from castwarden_model.resources.checks import Checks

from ..episode import Change
from ..seen import Picture
from .base import LULL, Check, PictureCheck
from .dark import Darkness, DarkRun, Look


class BlackWithLogo(PictureCheck):
    condition = "black_with_logo"

    def __init__(self) -> None:
        super().__init__()
        self._run = DarkRun()
        self._twin: Check | None = None
        self._dark = self._logo = 0.0

    def meet(self, others: Mapping[str, Check]) -> None:
        self._twin = others.get("black")

    def configure(self, spec: Checks) -> None:
        given = spec.black_with_logo
        self._limits(given.enabled, given.raise_after, given.clear_after)
        self.episode.lull = LULL * self.episode.clear_after
        self._run.darkness = Darkness.of(spec)

    def judge(self, picture: Picture) -> bool:
        return self._bad(self._run.judge(picture))

    def observe(self, picture: Picture) -> Change | None:
        look, seen = self._run.see(picture)
        if look is Look.LOGO:
            self._dark, self._logo = picture.dark_area(self._run.darkness.logo_luma), seen.logo_area
        return self.episode.observe(picture.at, self._bad(look), since=self._run.since)

    def _bad(self, look: Look) -> bool:
        """A logo that goes does not end what was raised."""
        if self._twin and self._twin.alert:
            return False
        return look is Look.LOGO or (self.alert and look is Look.BLACK)

    def measured(self) -> Mapping[str, float | str]:
        return {"dark_area": round(self._dark, 4), "logo_area": round(self._logo, 4)}
