# SPDX-License-Identifier: Apache-2.0
"""Too quiet a programme by ITU-R BS.1770: momentary, short-term or integrated loudness stays below the level.

A verdict holds at the end of the time that was measured over. Silence longer than a pause is another check's matter.
"""

from collections.abc import Mapping

from castwarden_model.resources.checks import Checks

from ..episode import Change
from ..seen import Sound
from .base import SoundCheck
from .loudness import Loudness
from .pause import Pause


class LowLoudness(SoundCheck):
    condition = "low_loudness"
    wants_wave = True

    def __init__(self) -> None:
        super().__init__()
        self._spec = Checks()
        self._meter: Loudness | None = None
        self._pause = Pause()

    def configure(self, spec: Checks) -> None:
        given = spec.low_loudness
        self._limits(given.enabled, given.raise_after, given.clear_after)
        self._spec = spec
        if not given.enabled:
            self._meter = None

    def renewed(self) -> None:
        self._meter = None

    def judge(self, sound: Sound) -> bool:
        """By what was heard up to now: a level says nothing about loudness."""
        return bool(self.episode.bad)

    def observe(self, sound: Sound) -> Change | None:
        if sound.wave is None or not sound.rate:
            return None
        meter = self._meter
        if meter is None or (meter.rate, meter.channels) != (sound.rate, sound.wave.shape[0]):
            meter = self._meter = Loudness(sound.rate, sound.wave.shape[0])
        meter.add(sound.wave)
        silence = self._spec.silence
        silent = silence.enabled and sound.level_db <= silence.level_db
        if (since := self._pause.too_long(sound, silent=silent)) and not self.alert:
            return self.episode.observe(sound.at, bad=False, since=since)
        loudness = self._measured(meter)
        if loudness is None:
            return None
        return self.episode.observe(sound.at.plus(sound.seconds), bad=loudness < self._spec.low_loudness.level_lufs)

    def _measured(self, meter: Loudness) -> float | None:
        match self._spec.low_loudness.measure:
            case "Momentary":
                return meter.momentary
            case "ShortTerm":
                return meter.short_term
            case "Integrated":
                return meter.integrated

    def measured(self) -> Mapping[str, float | str]:
        meter = self._meter
        if meter is None:
            return {}
        found = {
            "momentary_lufs": meter.momentary,
            "short_term_lufs": meter.short_term,
            "integrated_lufs": meter.integrated,
        }
        return {name: round(value, 1) for name, value in found.items() if value is not None}
