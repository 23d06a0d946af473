# SPDX-License-Identifier: Apache-2.0
"""What a cutter gives, and when a stretch of samples is long enough."""

from dataclasses import dataclass, field
from typing import Literal, Protocol

from ...media.tracks import Media, Sample, Track

SECONDS = 2.0
_SLACK = 1.0  # seconds that the main track may lag before the other one decides
_LEAP, _FALL = 10.0, -2.0  # seconds between neighbouring samples that are a break; pictures may be out of order
_MOST = 48 * 2**20  # bytes of one stretch
_MOST_SAMPLES = 20_000


@dataclass(frozen=True, slots=True)
class Stretch:
    """Media of `seconds`. After a `discontinuity`, timestamps and decoders begin anew."""

    media: Media
    seconds: float
    size: int
    discontinuity: bool = False


class Cutter(Protocol):
    """Takes bytes, gives stretches. Never raises for broken bytes: they are a stretch's damage.

    `title` is what the media says of itself, for people.
    """

    title: str | None

    def feed(self, data: bytes) -> list[Stretch]: ...

    def finish(self) -> list[Stretch]:
        """What is left when no more comes."""


Kind = Literal["video", "audio"]


@dataclass(slots=True)
class _Row:
    codec: str
    extradata: bytes | None
    samples: list[Sample] = field(default_factory=list)
    first: float = 0.0
    latest: float = 0.0

    @property
    def track(self) -> Track | None:
        return Track(self.codec, tuple(self.samples), self.extradata) if self.samples else None


class Gatherer:
    """Collects the samples of at most one picture and one sound, and cuts when the main one has enough."""

    def __init__(self) -> None:
        self._rows: dict[Kind, _Row] = {}
        self._damage: str | None = None
        self._size = 0
        self._broken = False  # the next stretch does not follow from the one before

    def set_track(self, kind: Kind, codec: str, extradata: bytes | None) -> list[Stretch]:
        """What the samples to come are of. What was collected in another codec is cut off first."""
        known = self._rows.get(kind)
        if known and (known.codec, known.extradata) == (codec, extradata):
            return []
        cut = self.cut()
        self._rows[kind] = _Row(codec, extradata)
        return cut

    def add(self, kind: Kind, sample: Sample) -> list[Stretch]:
        """`sample` comes after those of its kind before it, in decoding order."""
        row = self._rows[kind]
        done: list[Stretch] = []
        if row.samples and not _FALL <= sample.pts - row.latest <= _LEAP:
            done = self.cut()
            self._broken = True
        elif self._is_enough(kind, row, sample.pts) or self._size > _MOST or len(row.samples) >= _MOST_SAMPLES:
            done = self.cut(sample.pts - row.first)
        if not row.samples:
            row.first = row.latest = sample.pts
        row.samples.append(sample)
        row.latest = max(row.latest, sample.pts)
        self._size += len(sample.data)
        return done

    def damage(self, what: str) -> None:
        """Something is wrong with the stretch that is being collected."""
        self._damage = self._damage or what

    def breaks(self) -> list[Stretch]:
        """What comes next does not follow."""
        done = self.cut()
        self._broken = True
        return done

    def cut(self, seconds: float | None = None) -> list[Stretch]:
        """All that was collected, as one stretch; nothing when there is nothing."""
        video, audio = (self._track(kind) for kind in ("video", "audio"))
        if not video and not audio:
            return []
        media = Media(video, audio, self._damage)
        long = self._length() if seconds is None or seconds <= 0 else seconds
        done = Stretch(media, long, self._size, self._broken)
        for row in self._rows.values():
            row.samples = []
        self._damage, self._size, self._broken = None, 0, False
        return [done]

    def _track(self, kind: Kind) -> Track | None:
        row = self._rows.get(kind)
        return row.track if row else None

    def _is_enough(self, kind: Kind, row: _Row, pts: float) -> bool:
        if not row.samples:
            return False
        main = kind == "video" or "video" not in self._rows
        return pts - row.first >= (SECONDS if main else SECONDS + _SLACK)

    def _length(self) -> float:
        """Of what is left over at an end: the last sample is as long as the others are on average."""
        longest = 0.0
        for row in self._rows.values():
            if len(row.samples) > 1:
                span = row.latest - row.first
                longest = max(longest, span * len(row.samples) / (len(row.samples) - 1))
        return longest or 0.02
