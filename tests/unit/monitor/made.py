# SPDX-License-Identifier: Apache-2.0
"""Moments, settings, pictures and sound made by hand, for the tests of the checks."""

from collections.abc import Iterable
from typing import Any

import numpy as np
from castwarden_model.resources.checks import Checks
from castwarden_worker.monitor.checks.base import PictureCheck, SoundCheck
from castwarden_worker.monitor.episode import Change, Moment
from castwarden_worker.monitor.seen import Picture, Plane, Sound

ROWS, COLUMNS = 90, 160
WALL = 1e9
RANDOM = np.random.default_rng(1)
SCENE: Plane = RANDOM.integers(40, 200, (ROWS, COLUMNS)).astype(np.uint8)


def at(media: float) -> Moment:
    return Moment(media, WALL + media)


def settings(**checks: Any) -> Checks:
    return Checks.model_validate(checks)


def flat(level: int, media: float = 0.0, *, full_range: bool = False, noise: float = 0.0) -> Picture:
    luma = np.full((ROWS, COLUMNS), level, np.uint8)
    if noise:
        luma = (luma + RANDOM.normal(0, noise, (ROWS, COLUMNS))).round().clip(0, 255).astype(np.uint8)
    return Picture(at(media), luma, full_range)


def scene(media: float, *, shift: int = 0, noise: int = 0) -> Picture:
    luma = np.roll(SCENE, shift, axis=1).astype(np.int16) + RANDOM.integers(-noise, noise + 1, SCENE.shape)
    return Picture(at(media), luma.clip(0, 255).astype(np.uint8))


def coloured(y: int, u: int, v: int, media: float = 0.0, *, full_range: bool = False, noise: float = 0.0) -> Picture:
    """One colour; chroma has half the resolution."""
    chroma = np.ones((ROWS // 2, COLUMNS // 2), np.uint8)
    luma = flat(y, noise=noise).luma
    return Picture(at(media), luma, full_range, chroma * np.uint8(u), chroma * np.uint8(v))


def sound(media: float, *channels_db: float, seconds: float = 0.1) -> Sound:
    return Sound(at(media), seconds, max(channels_db), max(channels_db) + 3, channels_db)


def shown(check: PictureCheck, pictures: Iterable[Picture]) -> list[Change]:
    return [change for picture in pictures if (change := check.observe(picture))]


def played(check: SoundCheck, sounds: Iterable[Sound]) -> list[Change]:
    return [change for one in sounds if (change := check.observe(one))]


def of(changes: Iterable[Change]) -> list[tuple[bool, float]]:
    """Raised or cleared, and when."""
    return [(change.raised, round(change.at.media, 3)) for change in changes]
