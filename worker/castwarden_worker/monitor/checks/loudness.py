# SPDX-License-Identifier: Apache-2.0
"""Loudness and true peak by ITU-R BS.1770-4: waves in, LUFS and peaks out. For the checks that hear all sound.

K-weighting is done as a finite response by FFT: its tail has died away after a sixteenth of a second.
"""

import math
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from ..seen import Wave

FLOOR = -120.0  # LUFS and dBTP of nothing at all

Powers = NDArray[np.float64]
Spectrum = NDArray[np.complex128]

_OFFSET = -0.691  # dB: a sine of 997 Hz at 0 dBFS in one channel has -3.01 LUFS (annex 1)
_ABSOLUTE_GATE = -70.0  # LUFS
_RELATIVE_GATE = -10.0  # LU under the loudness of what passes the absolute gate
_MOMENTARY, _SHORT_TERM = 4, 30  # tenths of a second
_MEMORY = 6000  # tenths of a second for the integrated loudness: ten minutes
_TAIL = 0.0625  # seconds of the filter's response; the rest is 100 dB down
_TAPS = 24  # per phase of the oversampling filter; annex 2 has 12 and allows better

# Weights of channels in the order of FFmpeg's usual layouts (table 3, and annex 3 for 7.1): surround at the side counts
# more, low-frequency effects not at all.
_WEIGHTS: dict[int, tuple[float, ...]] = {
    5: (1, 1, 1, 1.41, 1.41),
    6: (1, 1, 1, 0, 1.41, 1.41),
    7: (1, 1, 1, 0, 1, 1.41, 1.41),
    8: (1, 1, 1, 0, 1, 1, 1.41, 1.41),
}


class Loudness:
    """The meter of one programme of one sample rate and number of channels. Results are in LUFS."""

    def __init__(self, rate: int, channels: int) -> None:
        self.rate = rate
        self.channels = channels
        self._weights = np.array(_WEIGHTS.get(channels, (1,) * channels), np.float64)
        self._before = np.zeros((channels, len(_response(rate)) - 1), np.float32)
        self._energy = 0.0  # of the tenth of a second that is not complete
        self._heard = 0  # samples
        self._tenths = 0
        self._powers = np.zeros(_SHORT_TERM)  # of the last tenths, newest last
        self._blocks = np.zeros(_MEMORY)  # of 0.4 s, a tenth of a second apart, as a ring
        self._count = 0

    def add(self, wave: Wave) -> None:
        """Takes what follows (channels x samples, full scale 1)."""
        if not wave.shape[1]:
            return
        weighted = self._filtered(wave)
        energy: Powers = self._weights @ np.square(weighted, dtype=np.float64)
        begin = 0
        while (end := self._end_of_tenth() - self._heard) <= energy.size:
            begin_sample = self._end_of_tenth(-1)
            self._energy += float(energy[begin:end].sum())
            self._tenth(self._energy / (self._end_of_tenth() - begin_sample))
            self._energy, begin = 0.0, end
        self._energy += float(energy[begin:].sum())
        self._heard += energy.size

    @property
    def momentary(self) -> float | None:
        """Over the last 0.4 s; None before there are so many."""
        return _lufs(float(self._powers[-_MOMENTARY:].mean())) if self._tenths >= _MOMENTARY else None

    @property
    def short_term(self) -> float | None:
        """Over the last 3 s; None before there are so many."""
        return _lufs(float(self._powers.mean())) if self._tenths >= _SHORT_TERM else None

    @property
    def integrated(self) -> float | None:
        """Over the last ten minutes, without what is far quieter than the rest (the two gates); None before 0.4 s."""
        if not self._count:
            return None
        blocks = self._blocks[: min(self._count, _MEMORY)]
        loud = blocks[blocks > _power(_ABSOLUTE_GATE)]
        if not loud.size:
            return FLOOR
        gate = _power(_lufs(float(loud.mean())) + _RELATIVE_GATE)
        return _lufs(float(loud[loud > gate].mean()))

    def _end_of_tenth(self, ahead: int = 0) -> int:
        """The sample with which the tenth of a second under way ends, counted from the beginning."""
        return round((self._tenths + 1 + ahead) * self.rate / 10)

    def _tenth(self, power: float) -> None:
        self._tenths += 1
        self._powers = np.append(self._powers[1:], power)
        if self._tenths >= _MOMENTARY:
            self._blocks[self._count % _MEMORY] = self._powers[-_MOMENTARY:].mean()
            self._count += 1

    def _filtered(self, wave: Wave) -> Wave:
        """The K-weighted wave, by overlap and save."""
        known = np.concatenate((self._before, wave), axis=1)
        keep = self._before.shape[1]
        self._before = known[:, known.shape[1] - keep :]
        size = _easy(known.shape[1])
        spectrum = np.fft.rfft(known, size) * _spectrum(self.rate, size)
        return np.fft.irfft(spectrum, size).astype(np.float32, copy=False)[:, keep : known.shape[1]]


class TruePeak:
    """The highest values that a wave reaches between its samples too (annex 2): four times as many are looked at."""

    def __init__(self, rate: int, channels: int) -> None:
        self.rate = rate
        self.channels = channels
        self._phases = _phases(1 if rate >= 192_000 else 2 if rate >= 96_000 else 4)
        self._most = max((float(np.abs(phase).sum()) for phase in self._phases), default=1.0)
        self._before = np.zeros((channels, _TAPS - 1), np.float32)

    def add(self, wave: Wave, above: float = 0.0) -> float:
        """The peak of what follows, full scale 1. Where it cannot reach `above` only samples are looked at."""
        known = np.concatenate((self._before, wave), axis=1)
        self._before = known[:, known.shape[1] - _TAPS + 1 :]
        peak = float(np.abs(known).max(initial=0.0))
        if peak * self._most < above:
            return peak
        between = (np.convolve(channel, phase, "valid") for channel in known for phase in self._phases)
        return max([peak, *(float(np.abs(values).max()) for values in between if values.size)])


def decibels(value: float) -> float:
    """A peak in dBTP."""
    return max(FLOOR, 20 * math.log10(value)) if value > 0 else FLOOR


def _lufs(power: float) -> float:
    return max(FLOOR, _OFFSET + 10 * math.log10(power)) if power > 0 else FLOOR


def _power(lufs: float) -> float:
    return float(10 ** ((lufs - _OFFSET) / 10))


def _weighting(rate: int, points: Spectrum) -> Spectrum:
    """K-weighting at points 1/z of the unit circle: the shelf for the head, and the high-pass.

    BS.1770 gives coefficients at 48 kHz only; these are the analogue filters behind them, by bilinear transform.
    """
    gain, corner, quality = 10 ** (3.999843853973347 / 20), 1681.974450955533, 0.7071752369554196
    k = math.tan(math.pi * corner / rate)
    middle = gain**0.4996667741545416
    z1, z2 = points, points**2
    shelf = (gain + middle * k / quality + k * k) + 2 * (k * k - gain) * z1 + (gain - middle * k / quality + k * k) * z2
    shelf = shelf / ((1 + k / quality + k * k) + 2 * (k * k - 1) * z1 + (1 - k / quality + k * k) * z2)
    corner, quality = 38.13547087602444, 0.5003270373238773
    k = math.tan(math.pi * corner / rate)
    over = 1 + k / quality + k * k
    high = (1 - 2 * z1 + z2) / (1 + 2 * (k * k - 1) / over * z1 + (1 - k / quality + k * k) / over * z2)
    weighting: Spectrum = shelf * high
    return weighting


@lru_cache(maxsize=4)
def _response(rate: int) -> Wave:
    """The filter's response to one sample, cut where it has died away."""
    size = 2 ** math.ceil(math.log2(rate / 4))
    points = np.exp(-2j * np.pi * np.arange(size // 2 + 1) / size)
    return np.fft.irfft(_weighting(rate, points), size)[: round(rate * _TAIL)].astype(np.float32)


@lru_cache(maxsize=8)
def _spectrum(rate: int, size: int) -> Spectrum:
    return np.fft.rfft(_response(rate), size)


@lru_cache(maxsize=64)
def _easy(size: int) -> int:
    """The next size that has no prime factor above 5."""
    while True:
        rest = size
        for factor in (2, 3, 5):
            while rest % factor == 0:
                rest //= factor
        if rest == 1:
            return size
        size += 1


@lru_cache(maxsize=4)
def _phases(times: int) -> tuple[Wave, ...]:
    """Filters for the values between two samples: an ideal low-pass under a Kaiser window."""
    away = np.arange(_TAPS) - _TAPS // 2 + 1
    window = np.kaiser(_TAPS * times + 1, 8.0)
    filters = []
    for phase in range(1, times):
        ideal = np.sinc(away - phase / times)
        places = (away + _TAPS // 2) * times - phase
        filters.append((ideal * window[places])[::-1].astype(np.float32))
    return tuple(filters)
