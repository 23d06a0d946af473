# SPDX-License-Identifier: Apache-2.0
"""Silent sound: the loudest channel stays at or below the level. Pauses between words are no silence that goes on."""

from collections.abc import Mapping

from castwarden_model.resources.checks import Checks

from ..episode import Change
from ..seen import Sound
from .base import LULL, SoundCheck


class Silence(SoundCheck):
    condition = "silence"

    def __init__(self) -> None:
        super().__init__()
        self.level_db = -50.0
        self._last: Sound | None = None

    def configure(self, spec: Checks) -> None:
        self._limits(spec.silence.enabled, spec.silence.raise_after, spec.silence.clear_after)
        self.episode.lull = LULL * self.episode.clear_after
        self.level_db = spec.silence.level_db

    def judge(self, sound: Sound) -> bool:
        return sound.level_db <= self.level_db

    def observe(self, sound: Sound) -> Change | None:
        self._last = sound
        return super().observe(sound)

    def measured(self) -> Mapping[str, float | str]:
        last = self._last
        return {"level_db": round(last.level_db, 1), "peak_db": round(last.peak_db, 1)} if last else {}
