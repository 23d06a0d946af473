# SPDX-License-Identifier: Apache-2.0
"""Overdriven sound: in every second the true peak (ITU-R BS.1770, annex 2) reaches the limit, or samples stick.

Samples stick when three in a row of one channel are at full scale of 16 bits.
"""

from collections.abc import Mapping

import numpy as np
from castwarden_model.resources.checks import Checks

from ..episode import Change, Moment
from ..seen import Sound, Wave
from .base import SoundCheck
from .loudness import TruePeak, decibels

_WINDOW = 1.0  # seconds within which it must clip again
_FULL = 32767 / 32768


class Clipping(SoundCheck):
    condition = "clipping"
    wants_wave = True

    def __init__(self) -> None:
        super().__init__()
        self._limit = 1.0
        self._meter: TruePeak | None = None
        self._clipped: Moment | None = None  # the end of the last sound that did
        self._peak = 0.0  # of that

    def configure(self, spec: Checks) -> None:
        given = spec.clipping
        self._limits(given.enabled, given.raise_after, given.clear_after)
        self._limit = 10 ** (given.peak_dbtp / 20)

    def judge(self, sound: Sound) -> bool:
        """By what was heard up to now: what sticks out between the samples is not in a level."""
        return bool(self.episode.bad)

    def observe(self, sound: Sound) -> Change | None:
        wave = sound.wave
        if wave is None or not sound.rate or not wave.size:
            return None
        meter = self._meter
        if meter is None or (meter.rate, meter.channels) != (sound.rate, wave.shape[0]):
            meter = self._meter = TruePeak(sound.rate, wave.shape[0])
        peak = meter.add(wave, above=self._limit)
        if peak >= self._limit or _sticks(wave):
            self._clipped, self._peak = sound.at.plus(sound.seconds), peak
            return self.episode.observe(sound.at, bad=True)
        last = self._clipped
        if last and sound.at.media + sound.seconds - last.media < _WINDOW:
            return None
        return self.episode.observe(sound.at, bad=False, since=last)

    def measured(self) -> Mapping[str, float | str]:
        return {"true_peak_dbtp": round(decibels(self._peak), 1)} if self._clipped else {}


def _sticks(wave: Wave) -> bool:
    full = np.abs(wave) >= _FULL
    if not full.any():
        return False
    return bool((full[:, 2:] & full[:, 1:-1] & full[:, :-2]).any())
