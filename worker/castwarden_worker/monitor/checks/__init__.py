# SPDX-License-Identifier: Apache-2.0
"""The checks: one small class per file, and this registry. A check sees pictures, sound or the delivery of segments."""

from collections.abc import Iterator
from dataclasses import dataclass

from castwarden_model.resources.checks import Checks

from .base import Check, PictureCheck, SoundCheck
from .black import Black
from .freeze import Freeze
from .segment_errors import SegmentErrors
from .silence import Silence
from .stall import Stall

__all__ = ["Black", "Check", "CheckSet", "Freeze", "PictureCheck", "SegmentErrors", "Silence", "SoundCheck", "Stall"]


@dataclass(frozen=True, slots=True)
class CheckSet:
    """All checks of one stream."""

    pictures: tuple[PictureCheck, ...]
    sounds: tuple[SoundCheck, ...]
    segment_errors: SegmentErrors
    stall: Stall

    @classmethod
    def of(cls, spec: Checks) -> "CheckSet":
        made = cls((Black(), Freeze()), (Silence(),), SegmentErrors(), Stall())
        made.configure(spec)
        return made

    def configure(self, spec: Checks) -> None:
        """Takes new settings; what the checks remember stays."""
        for check in self:
            check.configure(spec)

    def __iter__(self) -> Iterator[Check]:
        yield from (*self.pictures, *self.sounds, self.segment_errors, self.stall)

    def named(self, condition: str) -> Check | None:
        return next((check for check in self if check.condition == condition), None)
