# SPDX-License-Identifier: Apache-2.0
"""What demuxing gives: a picture track and a sound track of samples in decoding order."""

from dataclasses import dataclass

NO_TIME = float("nan")


@dataclass(frozen=True, slots=True)
class Sample:
    """One access unit, or, in a track that is not `framed`, a piece of an elementary stream. `pts` in seconds."""

    pts: float
    data: bytes | memoryview
    key: bool = False


@dataclass(frozen=True, slots=True)
class Track:
    """Samples of one codec, named as FFmpeg names its decoder."""

    codec: str
    samples: tuple[Sample, ...]
    extradata: bytes | None = None
    framed: bool = True

    @property
    def first_pts(self) -> float:
        return min(sample.pts for sample in self.samples)

    @property
    def last_pts(self) -> float:
        return max(sample.pts for sample in self.samples)


@dataclass(frozen=True, slots=True)
class Media:
    """The first picture track and the first sound track of a segment; `damage` says what is wrong with it."""

    video: Track | None = None
    audio: Track | None = None
    damage: str | None = None
