# SPDX-License-Identifier: Apache-2.0
"""Shows pictures to the checks: few while all is well, every keyframe on suspicion, every frame where it matters.

Compressed groups of pictures are kept for a while. The first suspicious keyframe makes it look back at those that were
let pass; where a verdict turns, or is about to raise or clear, the frames between two keyframes are decoded. So an
episode begins and ends on the right frame although hardly any frame is decoded.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from castwarden_model.resources.monitor import Depth

from .checks.base import PictureCheck
from .decode import PictureDecoder, Raw
from .episode import Change, Moment
from .media.tracks import Sample, Track
from .seen import Picture

_LONGEST_INTERVAL = 10.0  # seconds between looks while all is well
_LONG = 20.0  # seconds; a group that goes on longer is decoded as it comes
_DELAY = 32  # pictures that a decoder may keep inside
_MAX_KEPT = 16 * 2**20  # bytes of compressed pictures

Place = Callable[[float], Moment]


@dataclass(slots=True)
class Group:
    """A keyframe and what hangs on it, until the next keyframe."""

    samples: list[Sample]
    place: Place
    start: Moment
    key: Picture | None = None
    looked: bool = False
    running: bool = False  # decoded as it comes; its samples are not kept
    fed: dict[str, float] = field(default_factory=dict)  # per check: media time up to which frames were shown to it
    frames: list[Picture] | None = None

    @property
    def size(self) -> int:
        return sum(sample.size for sample in self.samples)


class Eyes:
    """One rendition's pictures."""

    def __init__(self, checks: Sequence[PictureCheck], depth: Depth = "Adaptive") -> None:
        self.depth: Depth = depth
        self.last: Picture | None = None
        self.decoded = 0  # pictures, for the curious
        self.tried = 0  # keyframes, or segments at full depth
        self.failed = 0  # of those, the ones that gave no picture
        self._checks = checks
        self._groups: list[Group] = []
        self._decoder: PictureDecoder | None = None
        self._looked = float("-inf")
        self._torn = False

    def look(self, track: Track, place: Place, until: Moment) -> list[Change]:
        """Takes one segment's pictures; `place` gives a timestamp's moment, `until` is where the segment ends."""
        decoder = self._decoder_for(track)
        if self.depth == "Full":
            return self._look_at_all(decoder, track, place)
        changes: list[Change] = []
        for group in self._new_groups(track, place):
            changes += self._finish(decoder)
            self._groups.append(group)
            if self._watchful or group.start.media - self._looked >= self._interval or self.kept > _MAX_KEPT:
                changes += self._catch_up(decoder)
            self._forget()
        changes += self._confirm(decoder, until)
        for group in self._groups:
            group.frames = None
        return changes

    def lost(self) -> None:
        """Media is missing: what comes does not hang on what was kept."""
        self._groups = [group for group in self._groups if group.looked][-2:]
        self._torn = True

    @property
    def size(self) -> tuple[int, int] | tuple[None, None]:
        """Width and height in pixels, as last decoded."""
        return self._decoder.size if self._decoder else (None, None)

    @property
    def _active(self) -> list[PictureCheck]:
        return [check for check in self._checks if check.enabled]

    @property
    def _watchful(self) -> bool:
        return self.depth == "Keyframes" or any(check.suspicious for check in self._active)

    @property
    def _fastest(self) -> float:
        return min((check.episode.raise_after for check in self._active), default=60.0)

    @property
    def _interval(self) -> float:
        return min(_LONGEST_INTERVAL, self._fastest / 3)

    @property
    def kept(self) -> int:
        """Bytes of compressed pictures in memory."""
        return sum(group.size for group in self._groups)

    def _decoder_for(self, track: Track) -> PictureDecoder:
        if self._decoder is None or not self._decoder.fits(track):
            self._decoder = PictureDecoder(track)
            self._groups = []
        return self._decoder

    def _look_at_all(self, decoder: PictureDecoder, track: Track, place: Place) -> list[Change]:
        changes: list[Change] = []
        self._groups = []
        before = self.decoded
        for raw in decoder.running(track.samples):
            picture = self._picture(raw, place)
            changes += [change for check in self._active if (change := check.observe(picture))]
        self.tried += 1
        self.failed += self.decoded == before and len(track.samples) > _DELAY
        return changes

    def _new_groups(self, track: Track, place: Place) -> list[Group]:
        """Splits at keyframes; what comes before the first one belongs to the last group that we have."""
        groups: list[Group] = []
        for sample in track.samples:
            if sample.key:
                groups.append(Group([sample], place, place(sample.pts)))
            elif groups:
                groups[-1].samples.append(sample)
            elif self._groups and not self._torn:
                self._groups[-1].samples.append(sample)
                self._groups[-1].frames = None
        self._torn = self._torn and not groups
        return groups

    def _catch_up(self, decoder: PictureDecoder) -> list[Change]:
        """Looks at the newest keyframe, and at those before it that were let pass unless it is innocent."""
        newest = self._groups[-1]
        key = self._key(decoder, newest)
        self._looked = newest.start.media
        if key is not None and not self._watchful and not any(check.flips(key) for check in self._active):
            newest.looked = True
            for group in self._groups:
                group.looked = True
            return [change for check in self._active if (change := check.observe(key))]
        changes: list[Change] = []
        for index, group in enumerate(self._groups):
            if not group.looked:
                group.looked = True
                changes += self._step(decoder, index)
        return changes

    def _step(self, decoder: PictureDecoder, index: int) -> list[Change]:
        """Shows a keyframe. Where a verdict turns, the frames before it come first."""
        key = self._key(decoder, self._groups[index])
        if key is None:
            return []
        changes: list[Change] = []
        for check in self._active:
            if check.flips(key):
                back = 1 if check.episode.bad else check.lookback
                for group in self._groups[max(0, index - back) : index]:
                    changes += self._feed(decoder, check, group)
            if change := check.observe(key):
                changes.append(change)
        return changes

    def _confirm(self, decoder: PictureDecoder, until: Moment) -> list[Change]:
        """At the end of what has arrived: frames decide whether what is due now really is, keyframes do not."""
        if not self._groups:
            return []
        last = self._groups[-1]
        changes: list[Change] = []
        if until.media - last.start.media > min(self._fastest, _LONG) or last.size > _MAX_KEPT:
            changes += self._run_on(decoder, last)
        for check in self._active if last.looked else ():
            if check.episode.due_by(until.media):
                changes += self._feed(decoder, check, last)
                if change := check.episode.hold(until):
                    changes.append(change)
        return changes

    def _run_on(self, decoder: PictureDecoder, group: Group) -> list[Change]:
        """A long group hides what happens between its keyframes: all its frames are shown, each once."""
        changes = [] if group.looked else self._catch_up(decoder)
        if not group.running:
            decoder.drain()
            group.running = True
        samples, group.samples = group.samples, []
        return changes + self._show(group, list(decoder.running(samples)))

    def _finish(self, decoder: PictureDecoder) -> list[Change]:
        """The last frames of a long group come out when the next group begins."""
        if not self._groups or not self._groups[-1].running:
            return []
        self._groups[-1].running = False
        return self._show(self._groups[-1], decoder.drain())

    def _show(self, group: Group, raws: list[Raw]) -> list[Change]:
        changes: list[Change] = []
        group.frames = [
            self._picture(raw, group.place) for raw in raws if group.place(raw[0]).media >= group.start.media
        ]
        for check in self._active:
            changes += self._observe(check, group)
        return changes

    def _feed(self, decoder: PictureDecoder, check: PictureCheck, group: Group) -> list[Change]:
        """Shows a group's frames to one check."""
        if group.frames is None:
            raws = decoder.group(group.samples) if group.samples else []
            group.frames = [self._picture(raw, group.place) for raw in raws]
        return self._observe(check, group)

    def _observe(self, check: PictureCheck, group: Group) -> list[Change]:
        fed = group.fed.get(check.condition, float("-inf"))
        unseen = [picture for picture in group.frames or () if picture.at.media > fed]
        if unseen:
            group.fed[check.condition] = unseen[-1].at.media
        return [change for picture in unseen if (change := check.observe(picture))]

    def _key(self, decoder: PictureDecoder, group: Group) -> Picture | None:
        if group.key is None:
            raw = decoder.alone(group.samples[0])
            group.key = self._picture(raw, group.place) if raw else None
            self.tried += 1
            self.failed += raw is None
        return group.key

    def _picture(self, raw: Raw, place: Place) -> Picture:
        pts, luma, full_range = raw
        self.decoded += 1
        self.last = Picture(place(pts), luma, full_range)
        return self.last

    def _forget(self) -> None:
        """Keeps what may still be looked at: all since the last look, and the two groups before."""
        first_unseen = next((at for at, group in enumerate(self._groups) if not group.looked), len(self._groups))
        del self._groups[: max(0, first_unseen - 2)]
