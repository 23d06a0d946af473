# SPDX-License-Identifier: Apache-2.0
"""Blank picture: one colour, whichever it is. Black is not this check's matter; a blue screen is, dark as it is."""

from collections.abc import Mapping

import numpy as np
from castwarden_model.resources.checks import Checks

from ..episode import Change
from ..seen import Picture, Plane
from .base import PictureCheck
from .dark import Darkness

_GRAIN = 3.0  # single samples may lie this many times further off than the means of 4 x 4 may
_BLOCK = 4


class Blank(PictureCheck):
    condition = "blank"

    def __init__(self) -> None:
        super().__init__()
        self._darkness = Darkness()
        self._spread = 0.02
        self._area = 0.98
        self._last: Picture | None = None

    def configure(self, spec: Checks) -> None:
        self._limits(spec.blank.enabled, spec.blank.raise_after, spec.blank.clear_after)
        self._spread, self._area = spec.blank.spread, spec.blank.area
        self._darkness = Darkness.of(spec)

    def judge(self, picture: Picture) -> bool:
        return uniform(picture, self._spread, self._area) and not self._darkness.dark(picture)

    def observe(self, picture: Picture) -> Change | None:
        self._last = picture
        return self.episode.observe(picture.at, self.judge(picture))

    def measured(self) -> Mapping[str, float | str]:
        if self._last is None:
            return {}
        luma = self._last.luma
        off = np.abs(luma.astype(np.int16) - _middle(luma))
        spread = float(np.quantile(off, self._area)) / 255
        return {"luma": round(self._last.brightness, 4), "spread": round(spread, 4), "colour": colour(self._last)}


def uniform(picture: Picture, spread: float, area: float) -> bool:
    """Whether luma and chroma are the same over `area` of it.

    `spread`: share of full scale that means of 4 x 4 samples may be off; noise is allowed on top, a pattern is not.
    Something small touches more blocks than it covers, so twice as many may be off.
    """
    planes = (plane for plane in (picture.luma, picture.u, picture.v) if plane is not None)
    return all(_even(plane, 255 * spread, area) for plane in planes)


def colour(picture: Picture) -> str:
    """The usual colour as #rrggbb, by BT.709."""
    y, u, v = (float(_middle(plane)) if plane is not None else 128.0 for plane in (picture.luma, picture.u, picture.v))
    if picture.full_range:
        luma, blue, red = y / 255, (u - 128) / 255, (v - 128) / 255
    else:
        luma, blue, red = (y - 16) / 219, (u - 128) / 224, (v - 128) / 224
    rgb = (luma + 1.5748 * red, luma - 0.1873 * blue - 0.4681 * red, luma + 1.8556 * blue)
    return "#" + "".join(f"{round(255 * min(1.0, max(0.0, share))):02x}" for share in rgb)


def _even(plane: Plane, spread: float, area: float) -> bool:
    middle = _middle(plane)
    if not _within(plane, middle, _GRAIN * spread, area):
        return False
    height, width = plane.shape
    if height < _BLOCK or width < _BLOCK:
        return _within(plane, middle, spread, area)
    cut = plane[: height - height % _BLOCK, : width - width % _BLOCK]
    sums = cut.reshape(height // _BLOCK, _BLOCK, -1).sum(axis=1, dtype=np.int32)
    means = sums.reshape(sums.shape[0], -1, _BLOCK).sum(axis=2)
    return bool(_share(np.abs(means - middle * _BLOCK**2) <= spread * _BLOCK**2) >= 1 - 2 * (1 - area))


def _within(plane: Plane, middle: int, spread: float, area: float) -> bool:
    return bool(_share((plane >= middle - spread) & (plane <= middle + spread)) >= area)


def _share(those: "np.ndarray[tuple[int, ...], np.dtype[np.bool_]]") -> float:
    return np.count_nonzero(those) / those.size


def _middle(plane: Plane) -> int:
    """The median of some of the samples."""
    some = np.sort(plane[:: max(1, plane.shape[0] // 12), :: max(1, plane.shape[1] // 20)], axis=None)
    return int(some[some.size // 2])
