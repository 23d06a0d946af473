# SPDX-License-Identifier: Apache-2.0
"""What a case is: a script for picture and sound, how it is packaged, how the Monitor is set, and what is true of it.

Labels come from the script, in seconds since the stream went on air, and are written down by hand. They say when a
state of the medium begins and ends, never what a check would make of it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from .scenes import Scene
from .sounds import Sound

Settings = Mapping[str, Mapping[str, Any]]
"""Checks and their parameters, named as in YAML."""


@dataclass(frozen=True, slots=True)
class Label:
    """`condition` holds from `begin` to `end` (None: until the stream ends), long enough to be an alert.

    `exact`: how exactly, in seconds, that can be known from the medium; None is the condition's usual.
    `due`: when the alert is due, where that is not `begin` plus the raise time.
    `clear_due`: when the recovery is due, where that is not `end` plus the clear time.
    `late`: how late both may be told, in seconds, where that is not 2 x max(group of pictures, segment).
    """

    condition: str
    begin: float
    end: float | None = None
    exact: float | None = None
    due: float | None = None
    clear_due: float | None = None
    late: float | None = None


@dataclass(frozen=True, slots=True)
class Packaging:
    """How the medium is cut up. A group of pictures may be longer than a segment."""

    segment: float = 2.0
    gop: float = 2.0
    container: Literal["ts", "fmp4"] = "ts"
    separate: bool = False


@dataclass(frozen=True, slots=True)
class Format:
    """How picture and sound are encoded. None: there is no such track, and nothing announces one.

    `every`: only each n-th picture is sent. `coding`: further parameters of the encoder x264.
    """

    video: str | None = "libx264"
    width: int = 320
    height: int = 180
    bitrate: int = 300_000
    pixels: Literal["yuv420p", "yuvj420p", "yuv420p10le"] = "yuv420p"
    every: int = 1
    coding: str = ""
    audio: str | None = "aac"
    rate: int = 48_000
    layout: Literal["mono", "stereo", "5.1"] = "stereo"
    audio_bitrate: int = 96_000
    marked: bool = True  # with EXT-X-DISCONTINUITY where it takes over from another

    @property
    def channels(self) -> int:
        return {"mono": 1, "stereo": 2, "5.1": 6}[self.layout]


@dataclass(frozen=True, slots=True)
class Shift:
    """From `begin` to `end` the stamps of the sound are off by `first` seconds, evenly changing to `last`."""

    begin: float
    end: float
    first: float
    last: float


@dataclass(frozen=True, slots=True)
class Medium:
    """All that decides what the segments hold. Two cases with equal media share them."""

    video: tuple[tuple[float, Scene], ...]
    sound: tuple[tuple[float, Sound], ...]
    packaging: Packaging = Packaging()
    formats: tuple[tuple[float, Format], ...] = ()  # seconds of each; none: one format throughout
    shifts: tuple[Shift, ...] = ()
    deaf: tuple[tuple[float, float], ...] = ()  # from, to: the audio track is announced and nothing comes

    @property
    def seconds(self) -> float:
        return sum(seconds for seconds, _ in self.video)

    @property
    def parts(self) -> tuple[tuple[float, Format], ...]:
        return self.formats or ((self.seconds, Format()),)


@dataclass(frozen=True, slots=True)
class Case:
    """One labelled case. `checks` changes the settings that all cases share."""

    name: str
    medium: Medium
    labels: tuple[Label, ...] = ()
    checks: Settings = field(default_factory=dict)

    @property
    def leeway(self) -> float:
        """Seconds after an alert is due within which it must be told."""
        return 2 * max(self.medium.packaging.segment, self.medium.packaging.gop)
