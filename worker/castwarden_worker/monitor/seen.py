# SPDX-License-Identifier: Apache-2.0
"""What the checks are shown: pictures, sound, segments, playlists, other renditions, the clock. No verdicts."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from .episode import Moment

Plane = NDArray[np.uint8]
Luma = Plane
Wave = NDArray[np.float32]
Kind = Literal["video", "audio"]
BOTH: frozenset[Kind] = frozenset(("video", "audio"))

BLACK_LUMA = 0.10
BLACK_AREA = 0.98
WRAP = 2**33 / 90_000
"""Seconds after which MPEG-TS timestamps begin anew: 26.5 hours."""


@dataclass(frozen=True, slots=True)
class Picture:
    """One decoded picture, thinned out to about 160 x 90 samples of 8 bits. `u` and `v` are None for a grey one."""

    at: Moment
    luma: Luma
    full_range: bool = False  # 0..255 instead of the nominal 16..235
    u: Plane | None = None
    v: Plane | None = None

    @property
    def is_dark(self) -> bool:
        """Black by the usual measure, whatever the black check is set to."""
        return self.dark_area(BLACK_LUMA) >= BLACK_AREA

    def dark_area(self, luma: float) -> float:
        """Share of the picture that is at most `luma` of the nominal range bright."""
        return float(np.count_nonzero(self.luma <= self.level(luma)) / self.luma.size)

    @property
    def detail(self) -> float:
        """How much there is to see: the mean difference of neighbours, as a share of full scale.

        Coarser coding hardly alters it: the samples lie too far apart.
        """
        left, right = self.luma[:, :-1], self.luma[:, 1:]
        apart = np.maximum(left, right) - np.minimum(left, right)
        return float(apart.mean()) / 255 if apart.size else 0.0

    def level(self, luma: float) -> int:
        """The sample value of `luma`, a share of the nominal range."""
        return int(255 * luma if self.full_range else 16 + 219 * luma)

    @property
    def brightness(self) -> float:
        """Mean luma as a share of the nominal range."""
        mean = float(self.luma.mean())
        return mean / 255 if self.full_range else (mean - 16) / 219


@dataclass(frozen=True, slots=True)
class Sound:
    """A short stretch of decoded sound: RMS of its loudest channel and its peak, in dBFS.

    `channels_db` is the RMS of every channel. `wave` (float of full scale 1, channels x samples, at `rate` Hz) is there
    when a check asked for it with `wants_wave`.
    """

    at: Moment
    seconds: float
    level_db: float
    peak_db: float
    channels_db: tuple[float, ...] = ()
    wave: Wave | None = None
    rate: int = 0


@dataclass(frozen=True, slots=True)
class TrackSeen:
    """One track of a segment. What only decoding tells (`height`, `rate` …) is as last decoded, None before.

    `key_size` is the mean size of its keyframes in bytes, `detail` that of `Picture`.
    """

    codec: str
    size: int  # bytes
    first_pts: float  # seconds, as in the container
    last_pts: float
    width: int | None = None
    height: int | None = None
    rate: int | None = None
    channels: int | None = None
    key_size: float | None = None
    detail: float | None = None


@dataclass(frozen=True, slots=True)
class SegmentSeen:
    """One segment as accounted for.

    `error`: it is broken or could not be had; `remark`: it cannot be read, and that is nobody's fault. `took` and
    `ttfb` are the seconds of its download in all and to the first byte. `shallow`: it was not examined as it should
    have been, because we are behind. `sought` are the tracks that this rendition is watched for, `announced` those of
    them that the multivariant playlist promises.
    """

    at: Moment
    seconds: float
    rendition: Literal["main", "audio"] = "main"
    sequence: int = 0
    video: TrackSeen | None = None
    audio: TrackSeen | None = None
    error: str | None = None
    remark: str | None = None
    discontinuity: bool = False
    gap: bool = False
    program_time: float | None = None
    size: int = 0
    took: float | None = None
    ttfb: float | None = None
    shallow: bool = False
    arrived: float | None = None  # Unix time of the load that announced it
    waited: float = 0.0  # seconds from its announcement until it was analysed
    sought: frozenset[Kind] = BOTH
    announced: frozenset[Kind] = frozenset()


@dataclass(frozen=True, slots=True)
class PlaylistSeen:
    """One load of a playlist or manifest, or the failure of one.

    `at` is the edge of media and the present time. `behind` counts the sequence numbers that its newest segment lies
    behind the newest ever seen. `latency` is the age, in seconds, of the newest media by its programme date-time.
    """

    at: Moment
    rendition: Literal["main", "audio"] = "main"
    error: str | None = None
    target_duration: float = 0.0
    new: int = 0
    added: float = 0.0  # seconds of media that are new
    missed: float = 0.0  # seconds of media that were gone before we saw them
    last_sequence: int | None = None
    behind: int = 0
    epoch_changed: bool = False
    latency: float | None = None


@dataclass(frozen=True, slots=True)
class RenditionSeen:
    """One probe of a rendition that is not watched. `lag` is in seconds behind the one that is, None if not known."""

    at: Moment
    name: str
    error: str | None = None
    lag: float | None = None
    advanced: bool = False


@dataclass(frozen=True, slots=True)
class ClockSeen:
    """The clock: `idle` seconds have passed since the newest of `segments` segments arrived.

    `part_target` is the longest part of a low-latency playlist, which then counts as a segment.
    """

    at: Moment
    idle: float
    target_duration: float
    segments: int
    part_target: float | None = None
