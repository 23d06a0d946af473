# SPDX-License-Identifier: Apache-2.0
"""What demuxing gives: a picture track and a sound track of samples in decoding order."""

from dataclasses import dataclass


class Sample:
    """One access unit, or, in a track that is not `framed`, a piece of an elementary stream. `pts` in seconds."""

    __slots__ = ("_data", "key", "pts", "size")

    def __init__(
        self, pts: float, data: bytes | memoryview = b"", key: bool = False, *, size: int | None = None
    ) -> None:
        self.pts = pts
        self.key = key
        self.size = len(data) if size is None else size  # bytes
        self._data = data

    @property
    def data(self) -> bytes | memoryview:
        """The bytes. They may be put together only now, anew at every call."""
        return self._data


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

    @property
    def size(self) -> int:
        """Bytes of all samples; none is put together for it."""
        return sum(sample.size for sample in self.samples)


@dataclass(frozen=True, slots=True)
class Media:
    """The first picture track and the first sound track of a segment; `damage` says what is wrong with it."""

    video: Track | None = None
    audio: Track | None = None
    damage: str | None = None
