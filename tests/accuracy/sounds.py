# SPDX-License-Identifier: Apache-2.0
"""What can be heard: real music, speech of formants and pauses, hiss, tones. Levels are RMS in dBFS unless said."""

from dataclasses import dataclass
from functools import cache
from typing import Protocol

import numpy as np

from .footage import RATE, Wave, music, rms

_VOWELS = ((730, 1090, 2440), (270, 2290, 3010), (300, 870, 2240), (530, 1840, 2480), (570, 840, 2410))


class Sound(Protocol):
    """Anything that can be heard; `wave` gives its first `seconds`, channels x samples at 48 kHz."""

    def wave(self, seconds: float, channels: int) -> Wave: ...


@dataclass(frozen=True, slots=True)
class Hush:
    """Digital silence."""

    def wave(self, seconds: float, channels: int) -> Wave:
        return np.zeros((channels, round(seconds * RATE)), np.float32)


@dataclass(frozen=True, slots=True)
class Hiss:
    """White noise below 8 kHz, another one in each channel."""

    level_db: float
    seed: int = 3

    def wave(self, seconds: float, channels: int) -> Wave:
        count = round(seconds * RATE)
        return np.stack([_levelled(_hiss(self.seed + one, count), self.level_db) for one in range(channels)])


@dataclass(frozen=True, slots=True)
class Tone:
    """A sine of `peak_db` dBFS; `phase` in degrees, the same in all channels."""

    hertz: float
    peak_db: float
    phase: float = 0.0

    def wave(self, seconds: float, channels: int) -> Wave:
        moments = np.arange(round(seconds * RATE)) / RATE
        one = 10 ** (self.peak_db / 20) * np.sin(2 * np.pi * self.hertz * moments + np.radians(self.phase))
        return np.tile(one.astype(np.float32), (channels, 1))


@dataclass(frozen=True, slots=True)
class Music:
    """The sound of real footage, over and over; soft passages reach 18 dB below its level."""

    level_db: float = -24.0

    def wave(self, seconds: float, channels: int) -> Wave:
        count = round(seconds * RATE)
        known = music()
        one = np.tile(known, count // len(known) + 1)[:count] * np.float32(10 ** ((self.level_db + 20) / 20))
        return np.tile(one, (channels, 1))


@dataclass(frozen=True, slots=True)
class Speech:
    """Somebody talks: syllables four times a second, short pauses between words, up to 0.9 s between sentences.

    The level is that of the words; between them there is nothing but a faint room, 40 dB below.
    """

    level_db: float = -22.0
    seed: int = 5

    def wave(self, seconds: float, channels: int) -> Wave:
        count = round(seconds * RATE)
        one = _speech(self.seed, count) * np.float32(10 ** (self.level_db / 20))
        room = _levelled(_hiss(self.seed, count), self.level_db - 40)
        return np.tile(one + room, (channels, 1))


@dataclass(frozen=True, slots=True)
class Spread:
    """A sound with a gain of its own in each channel, in dB; None turns a channel off."""

    sound: Sound
    gains_db: tuple[float | None, ...]

    def wave(self, seconds: float, channels: int) -> Wave:
        whole = self.sound.wave(seconds, channels).copy()
        for channel, gain in zip(whole, self.gains_db, strict=True):
            channel *= 0.0 if gain is None else np.float32(10 ** (gain / 20))
        return whole


@dataclass(frozen=True, slots=True)
class Mixed:
    """Two sounds at once."""

    first: Sound
    second: Sound

    def wave(self, seconds: float, channels: int) -> Wave:
        both: Wave = self.first.wave(seconds, channels) + self.second.wave(seconds, channels)
        return both


@dataclass(frozen=True, slots=True)
class Overdriven:
    """A sound made `gain_db` louder and cut off at full scale, as by an input that is turned up too far."""

    sound: Sound
    gain_db: float

    def wave(self, seconds: float, channels: int) -> Wave:
        louder = self.sound.wave(seconds, channels) * np.float32(10 ** (self.gain_db / 20))
        return np.asarray(np.clip(louder, -1.0, 1.0), np.float32)


def _levelled(wave: Wave, level_db: float) -> Wave:
    return np.asarray(wave * np.float32(10 ** (level_db / 20) / max(rms(wave), 1e-9)), np.float32)


def _hiss(seed: int, count: int) -> Wave:
    noise = np.random.default_rng(seed).standard_normal(count + 4, np.float32)
    return np.asarray(noise[:count] + noise[1 : count + 1] + noise[2 : count + 2] + noise[3 : count + 3], np.float32)


@cache
def _speech(seed: int, count: int) -> Wave:
    """Words at 0 dBFS RMS, silence between them."""
    random = np.random.default_rng(seed)
    whole = np.zeros(count, np.float32)
    at = 0
    while at < count:
        for _ in range(int(random.integers(3, 8))):  # words of one sentence
            for _ in range(int(random.integers(1, 5))):
                sound = _syllable(random)
                end = min(count, at + len(sound))
                whole[at:end] = sound[: max(0, end - at)]
                at = end
            at += int(random.uniform(0.04, 0.15) * RATE)
        at += int(random.uniform(0.3, 0.9) * RATE)
    last = _syllable(random)[:count]
    whole[count - len(last) :] = last  # so that it is known where the talking ends
    return whole


def _syllable(random: np.random.Generator) -> Wave:
    """0.12 s to 0.28 s of a voice: harmonics of a falling pitch, shaped by the formants of a vowel."""
    count = int(random.uniform(0.12, 0.28) * RATE)
    moments = np.arange(count) / RATE
    pitch = random.uniform(95, 150)
    phase = 2 * np.pi * (pitch * moments - 30 * moments**2)
    formants = _VOWELS[int(random.integers(len(_VOWELS)))]
    voice = np.zeros(count)
    for harmonic in range(1, int(3600 / pitch)):
        weight = sum(np.exp(-(((harmonic * pitch - formant) / 130) ** 2)) for formant in formants)
        voice += (weight + 0.02) / harmonic**0.3 * np.sin(harmonic * phase)
    voice *= np.sin(np.pi * np.arange(count) / count) ** 0.5
    return _levelled(voice.astype(np.float32), 0.0)
