# SPDX-License-Identifier: Apache-2.0
"""What a dark picture shows: nothing, a logo, or something that makes it a picture. For the checks of pictures.

Dark is what ffmpeg's blackdetect calls black, unless it is coloured: a blue screen has the luma of black. Dark alone is
not black: credits and a torch in the night take less than 2 % of a picture, and there is something to see.
"""

from dataclasses import dataclass
from enum import Enum

import numpy as np
from castwarden_model.resources.checks import Checks
from numpy.typing import NDArray

from ..seen import BLACK_AREA, BLACK_LUMA, Picture, Plane

Mask = NDArray[np.bool_]

_LEAST = 0.0004  # share of the picture: what is smaller is noise, not a thing
_MARGIN = 0.2  # share of width or height: a logo begins this near to the border
_COLOURED = 32  # difference of chroma to grey, of 255, from which on a dark colour is seen as one
_NEIGHBOURS = 4  # bright samples in 3 x 3, itself included: a thing is no speck and no line at the picture's edge


class Scene(Enum):
    """What there is to see."""

    BLACK = "black"
    LOGO = "logo"
    LIT = "lit"


@dataclass(frozen=True, slots=True)
class Impression:
    """What one picture shows. `thing` is where the logo is; `logo_area` the share that it takes with its box."""

    scene: Scene
    thing: Mask | None = None
    logo_area: float = 0.0


_LIT = Impression(Scene.LIT)


@dataclass(frozen=True, slots=True)
class Darkness:
    """What counts as dark: the settings of `black` and `black_with_logo`."""

    luma: float = BLACK_LUMA
    area: float = BLACK_AREA
    logo: bool = True  # whether logos are told apart
    logo_luma: float = BLACK_LUMA
    logo_area: float = 0.10

    @classmethod
    def of(cls, spec: Checks) -> "Darkness":
        black, logo = spec.black, spec.black_with_logo
        return cls(black.luma, black.area, logo.enabled, logo.luma, logo.logo_area)

    def dark(self, picture: Picture) -> bool:
        """Whether it is black but for what may be seen in the rest."""
        return picture.dark_area(self.luma) >= self.area and not self._coloured(picture)

    def see(self, picture: Picture) -> Impression:
        """What there is to see. About a comparison of the plane with a level, unless the picture is mostly dark."""
        dark_area = picture.dark_area(max(self.luma, self.logo_luma))
        if dark_area < self.area - self.logo_area or self._coloured(picture):
            return _LIT
        dark = picture.dark_area(self.luma) >= self.area
        thing = _thing(picture.luma > picture.level(self.logo_luma))
        least = max(2.0, _LEAST * picture.luma.size)
        shining = picture.level(max(2 * self.luma, self.luma + 0.1))
        if dark and np.count_nonzero(thing & (picture.luma > shining)) < least:
            return Impression(Scene.BLACK)
        logo = self._logo(picture, thing) if np.count_nonzero(thing) >= least else None
        if logo is None:
            return _LIT
        return logo if self.logo else Impression(Scene.BLACK if dark else Scene.LIT)

    def _coloured(self, picture: Picture) -> bool:
        """Whether more of it is in colour than a logo may be."""
        limit = max(self.logo_area, 1 - self.area)
        return any(_off_grey(plane) > limit * plane.size for plane in (picture.u, picture.v) if plane is not None)

    def _logo(self, picture: Picture, thing: Mask) -> Impression | None:
        """The thing is a logo when it is bounded and near the border; there may be one in every corner."""
        height, width = thing.shape
        boxes = 0
        outside = np.count_nonzero(picture.luma > picture.level(self.logo_luma))
        for top, bottom in ((0, height // 2), (height // 2, height)):
            for left, right in ((0, width // 2), (width // 2, width)):
                corner = thing[top:bottom, left:right]
                rows, columns = np.flatnonzero(corner.any(axis=1)), np.flatnonzero(corner.any(axis=0))
                if not rows.size:
                    continue
                y, x = int(rows[0]) + top, int(columns[0]) + left
                y_end, x_end = int(rows[-1]) + top + 1, int(columns[-1]) + left + 1
                if min(y, height - y_end) > _MARGIN * height and min(x, width - x_end) > _MARGIN * width:
                    return None
                boxes += (y_end - y) * (x_end - x)
                bright = picture.luma[y:y_end, x:x_end] > picture.level(self.logo_luma)
                outside -= np.count_nonzero(bright)
        area = boxes / thing.size
        if area > self.logo_area or outside > (1 - self.area) * thing.size:
            return None
        return Impression(Scene.LOGO, thing, area)


def _off_grey(plane: Plane) -> int:
    return int(np.count_nonzero((plane < 128 - _COLOURED) | (plane > 128 + _COLOURED)))


def _thing(bright: Mask) -> Mask:
    """The bright samples that have neighbours."""
    height, width = bright.shape
    wide = np.zeros((height + 2, width + 2), np.uint8)
    wide[1:-1, 1:-1] = bright
    rows = wide[:-2] + wide[1:-1] + wide[2:]
    around: Plane = rows[:, :-2] + rows[:, 1:-1] + rows[:, 2:]
    return bright & (around >= _NEIGHBOURS)
