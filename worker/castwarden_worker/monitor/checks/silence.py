# SPDX-License-Identifier: Apache-2.0
"""Silent sound: the loudest channel stays at or below the level."""

from castwarden_model.resources.checks import Checks

from .base import Sound, SoundCheck


class Silence(SoundCheck):
    condition = "silence"

    def __init__(self) -> None:
        super().__init__()
        self.level_db = -50.0

    def configure(self, spec: Checks) -> None:
        self._limits(spec.silence.enabled, spec.silence.raise_after, spec.silence.clear_after)
        self.level_db = spec.silence.level_db

    def judge(self, sound: Sound) -> bool:
        return sound.level_db <= self.level_db
