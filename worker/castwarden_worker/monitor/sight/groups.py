# SPDX-License-Identifier: Apache-2.0
"""Compressed groups of pictures that are kept because they may still have to be examined. Used by `eyes.py`."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import overload

from ..checks.base import PictureCheck
from ..episode import Change, Moment
from ..media.tracks import Sample, Track
from ..seen import Picture

_MAX_KEPT = 16 * 2**20  # bytes of compressed pictures
_MAX_GROUPS = 1000  # of them, when timestamps hardly move: more than two examinations apart at 60 keyframes a second
_BEFORE = 2  # groups that are kept although they were examined …
_SPAN = 1.0  # … and seconds, when groups are short: a picture must stand for a while to count as standing …
_MAX_BEFORE = 250  # … which takes no more groups than this

Place = Callable[[float], Moment]


@dataclass(slots=True)
class Group:
    """A keyframe and what hangs on it, until the next keyframe. `track` says how to decode it."""

    track: Track
    samples: list[Sample]
    place: Place
    start: Moment
    key: Picture | None = None
    examined: bool = False
    running: bool = False  # decoded as it comes; its samples are not kept
    fed: dict[str, float] = field(default_factory=dict)  # per check: media time up to which frames were shown to it
    frames: list[Picture] | None = None

    size: int = 0  # bytes of the samples

    def __post_init__(self) -> None:
        self.size = sum(sample.size for sample in self.samples)

    def append(self, sample: Sample) -> None:
        self.samples.append(sample)
        self.size += sample.size

    def show(self, check: PictureCheck) -> list[Change]:
        """Shows the decoded frames to one check, each once."""
        fed = self.fed.get(check.condition, float("-inf"))
        unseen = [picture for picture in self.frames or () if picture.at.media > fed]
        if unseen:
            self.fed[check.condition] = unseen[-1].at.media
        return [change for picture in unseen if (change := check.observe(picture))]


class Groups(Sequence[Group]):
    """In order of decoding. The last one may still grow."""

    def __init__(self) -> None:
        self._groups: list[Group] = []
        self.size = 0  # bytes of the groups' samples
        self._torn = False  # what comes before the next keyframe hangs on something that is gone

    @overload
    def __getitem__(self, at: int) -> Group: ...
    @overload
    def __getitem__(self, at: slice) -> list[Group]: ...
    def __getitem__(self, at: int | slice) -> Group | list[Group]:
        return self._groups[at]

    def __len__(self) -> int:
        return len(self._groups)

    @property
    def full(self) -> bool:
        return self.size > _MAX_KEPT or len(self._groups) > _MAX_GROUPS

    @property
    def running(self) -> bool:
        return bool(self._groups) and self._groups[-1].running

    def split(self, track: Track, place: Place) -> list[Group]:
        """New groups; what comes before the first keyframe belongs to the last group that we have."""
        groups: list[Group] = []
        kind = replace(track, samples=())
        if self._groups and self._groups[-1].track != kind:
            self.tear()
        for sample in track.samples:
            if sample.key:
                groups.append(Group(kind, [sample], place, place(sample.pts)))
            elif groups:
                groups[-1].append(sample)
            elif self._groups and not self._torn:
                self._groups[-1].append(sample)
                self.size += sample.size
                self._groups[-1].frames = None
        self._torn = self._torn and not groups
        return groups

    def add(self, group: Group) -> None:
        self._groups.append(group)
        self.size += group.size

    def take(self, track: Track, place: Place) -> None:
        for group in self.split(track, place):
            self.add(group)

    def hand_over(self) -> list[Sample]:
        """The samples of the last group, which are not kept any more."""
        last = self._groups[-1]
        samples, last.samples = last.samples, []
        self.size -= last.size
        last.size = 0
        return samples

    def pass_through(self, track: Track) -> Iterator[Sample]:
        """Samples that are decoded as they come and not kept; from a keyframe on, when something is missing."""
        self._drop(len(self._groups))
        for sample in track.samples:
            self._torn = self._torn and not sample.key
            if not self._torn:
                yield sample

    def set_examined(self) -> None:
        for group in self._groups:
            group.examined = True

    def examine_again(self, after: float) -> None:
        """All that begin after this media time."""
        for group in self._groups:
            if group.start.media > after:
                group.examined = False

    def before(self, index: int, count: int) -> int:
        """Where to begin, to have `count` groups before the one at `index`, and if it is more than one, some time."""
        first = max(0, index - count)
        edge = self._groups[min(index, len(self) - 1)].start.media - _SPAN if count > 1 and self._groups else math.inf
        least = max(0, first - _MAX_BEFORE)
        while first > least and self._groups[first].start.media > edge:
            first -= 1
        return first

    def forget(self, since: float | None) -> None:
        """Keeps what may still be examined: all that was let pass, two groups before it, and all from `since` on."""
        unseen = next((at for at, group in enumerate(self._groups) if not group.examined), len(self._groups))
        first = self.before(unseen, _BEFORE)
        if since is not None and not self.full:
            first = min(first, next((at for at, one in enumerate(self._groups) if one.start.media >= since), first))
        self._drop(first)

    def shrink(self) -> None:
        """Lets the oldest go while there is too much."""
        while len(self._groups) > 1 and self.full:
            self._drop(1)

    def _drop(self, count: int) -> None:
        self.size -= sum(group.size for group in self._groups[:count])
        del self._groups[:count]

    def tear(self) -> None:
        """What comes does not hang on what is here."""
        self._torn = True
        if self.running:
            self._groups[-1].running = False

    def drop_frames(self, before: int | None = None) -> None:
        """Of all groups, or of those `before` one."""
        for group in self._groups[: before if before is None else max(0, before)]:
            group.frames = None
