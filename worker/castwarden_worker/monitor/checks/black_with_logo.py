# SPDX-License-Identifier: Apache-2.0
"""Black but for a logo: all is dark but a small bright thing near the border that stands still.

Credits, subtitles and a torch in the night change, so they are none. A logo that blinks is one all the time.
"""

from collections.abc import Mapping

import numpy as np
from castwarden_model.resources.checks import Checks

from ..episode import Change, Moment
from ..seen import Picture
from .base import LULL, PictureCheck
from .dark import Darkness, Impression, Mask, Scene

_BLINK = 3.0  # seconds for which it may be gone
_SAME = 0.6  # overlap over union of two masks of the same thing


class BlackWithLogo(PictureCheck):
    condition = "black_with_logo"

    def __init__(self) -> None:
        super().__init__()
        self._darkness = Darkness()
        self._thing: Mask | None = None  # where it was first seen in the present run
        self._since: Moment | None = None  # where that was
        self._gone: Moment | None = None
        self._dark = self._logo = 0.0

    def configure(self, spec: Checks) -> None:
        given = spec.black_with_logo
        self._limits(given.enabled, given.raise_after, given.clear_after)
        self.episode.lull = LULL * self.episode.clear_after
        self._darkness = Darkness.of(spec)

    def judge(self, picture: Picture) -> bool:
        return self._goes_on(picture, self._darkness.see(picture))

    def observe(self, picture: Picture) -> Change | None:
        seen = self._darkness.see(picture)
        bad = self._goes_on(picture, seen)
        gone, self._gone = self._gone, None
        if seen.scene is Scene.LOGO:
            if self._thing is None or not bad:
                self._thing, self._since = seen.thing, picture.at
            self._dark, self._logo = picture.dark_area(self._darkness.logo_luma), seen.logo_area
        elif bad:
            self._gone = gone or picture.at
        else:
            self._thing = self._since = None
        return self.episode.observe(picture.at, bad, since=self._since if bad else gone)

    def _goes_on(self, picture: Picture, seen: Impression) -> bool:
        """Whether there is a logo, and the same as before, or it is gone for a moment."""
        if self._thing is None or seen.scene is not Scene.BLACK:
            return seen.scene is Scene.LOGO and (self._thing is None or _same(self._thing, seen.thing))
        return self._gone is None or picture.at.media - self._gone.media < _BLINK

    def measured(self) -> Mapping[str, float | str]:
        return {"dark_area": round(self._dark, 4), "logo_area": round(self._logo, 4)}


def _same(before: Mask, now: Mask | None) -> bool:
    if now is None or before.shape != now.shape:
        return False
    return int(np.count_nonzero(before & now)) >= _SAME * int(np.count_nonzero(before | now))
