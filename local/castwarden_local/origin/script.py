# SPDX-License-Identifier: Apache-2.0
"""What an origin shows, and what goes wrong meanwhile, in the order in which it goes on air."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from castwarden_local.origin.encode import Stretch
from castwarden_local.origin.pictures import Heard, Look

Kind = Literal[
    "motion", "black", "logo", "blank", "frozen", "silent", "left", "stall", "missing", "truncated", "restart", "html",
    "forbidden", "gone",
]  # fmt: skip
Script = Sequence[tuple[float, Kind] | tuple[float, tuple[Kind, ...]]]
_LOOKS: dict[Kind, Look] = {"black": "black", "logo": "logo", "blank": "blank"}
_HEARD: dict[Kind, Heard] = {"silent": "none", "left": "left"}


@dataclass(frozen=True, slots=True)
class Part:
    """One part of the script: when it goes on air, and where in the media it begins. Seconds since the start."""

    kinds: tuple[Kind, ...]
    seconds: float
    on_air: float
    media: float

    @property
    def media_seconds(self) -> float:
        return 0.0 if "stall" in self.kinds else self.seconds

    @property
    def stretch(self) -> Stretch:
        """What to encode for it."""
        look: Look = next((_LOOKS[kind] for kind in self.kinds if kind in _LOOKS), "motion")
        heard: Heard = next((_HEARD[kind] for kind in self.kinds if kind in _HEARD), "both")
        return Stretch(self.seconds, look, heard, "frozen" in self.kinds)


def parts_of(script: Script) -> list[Part]:
    """The parts of a script, each with its place on air and in the media."""
    parts: list[Part] = []
    on_air = media = 0.0
    for seconds, kind in script:
        part = Part((kind,) if isinstance(kind, str) else kind, float(seconds), on_air, media)
        parts.append(part)
        on_air += part.seconds
        media += part.media_seconds
    return parts
