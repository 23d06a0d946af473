# SPDX-License-Identifier: Apache-2.0
"""One rendition's segments, from bytes to changes: demux, put on the timeline, see and listen. Runs in a thread."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from castwarden_model.resources.monitor import Depth

from ..checks import CheckSet
from ..checks.base import Check
from ..episode import Change, Moment
from ..errors import SegmentError, Unreadable
from ..media import Init, Media, Track, demux
from ..playlist import Segment
from ..seen import WRAP, Kind, SegmentSeen, TrackSeen
from .continuity import Continuity
from .decode import readable
from .ears import Ears
from .eyes import Eyes
from .groups import Place
from .memory import HEAP
from .timeline import Timeline


@dataclass(frozen=True, slots=True)
class Analysis:
    """What one segment is, and what examining it changed."""

    seen: SegmentSeen
    changes: tuple[Change, ...] = ()


class Analyzer:
    """Remembers what one rendition's segments need of each other: decoders, timeline, kept pictures and sound."""

    def __init__(
        self, checks: CheckSet, *, video: bool = True, audio: bool = True, follow: Timeline | None = None
    ) -> None:
        self.timeline = Timeline(follow)
        self.eyes = Eyes(checks.pictures)
        self.ears = Ears(checks.sounds)
        self.sought: frozenset[Kind] = frozenset([*(["video"] if video else ()), *(["audio"] if audio else ())])
        self._continuity = Continuity()
        self._video = video
        self._audio = audio
        self._checks: tuple[Check, ...] = (*(checks.pictures if video else ()), *(checks.sounds if audio else ()))

    def set_depth(self, depth: Depth) -> None:
        """How much is decoded from the next segment on."""
        self.eyes.depth = depth
        self.ears.all = depth != "Adaptive"

    def analyze(
        self, segment: Segment, data: bytes, init: Init | None, wall: float, *, shallow: bool = False
    ) -> Analysis:
        """`wall` is the Unix time at which the segment's media began.

        `shallow` reads the structure and decodes nothing: a way to keep up. Pictures and sound are kept, as far as
        memory is set aside for them, and the next analysis that is not shallow looks back at them when it must.
        """
        try:
            media = demux(data, init)
        except SegmentError as error:
            return self._unseen(segment, wall, error=str(error))
        except Unreadable as error:
            return self._unseen(segment, wall, remark=str(error))
        return self.analyze_media(segment, media, wall, shallow=shallow)

    def analyze_media(self, segment: Segment, media: Media, wall: float, *, shallow: bool = False) -> Analysis:
        """The same for media that came without a container, or has left it."""
        if segment.discontinuity:
            self._lost()
        try:
            return self._analyze(segment, media, wall, shallow)
        except SegmentError as error:
            return self._unseen(segment, wall, error=str(error))
        except Unreadable as error:
            return self._unseen(segment, wall, remark=str(error))

    def missing(self, segment: Segment, wall: float, error: str | None, remark: str | None = None) -> Analysis:
        """The segment could not be fetched (or, without an error, is announced as a gap)."""
        return self._unseen(segment, wall, error=error, remark=remark)

    def skip(self, seconds: float) -> None:
        """Media was gone before we saw it."""
        self.timeline.skip(seconds)
        for check in self._checks:
            check.episode.unseen(seconds)
        self._lost()

    def _analyze(self, segment: Segment, media: Media, wall: float, shallow: bool) -> Analysis:
        tracks: dict[Kind, Track] = {kind: track for kind, track in self._tracks(media) if track.samples}
        if not tracks:
            raise SegmentError("no picture and no sound in the segment")
        for track in tracks.values():
            if not readable(track.codec):
                raise Unreadable(f"no decoder for {track.codec}")
        first = next(iter(tracks.values())).first_pts  # the picture's, when there is one
        start = self.timeline.place(first, segment.duration, discontinuity=segment.discontinuity)
        place = _placing(first, Moment(start, wall))
        until = Moment(start, wall).plus(segment.duration)
        changes = [change for check in self._checks if (change := check.settle(until))]
        fault = self._continuity.fault(tracks, segment.duration)
        if media.damage:
            self._continuity.forget()  # what is missing at its end is told already
        senses = (self.eyes, self.ears)
        before = [(sense.tried, sense.failed) for sense in senses]
        if shallow:
            self._keep(media, place)
        else:
            changes += self._sense(media, place, until)
        seen = replace(
            _announced(segment, Moment(start, wall)),
            video=_video(media.video, self.eyes) if self._video else None,
            audio=_audio(media.audio, self.ears) if self._audio else None,
            sought=self.sought,
            error=media.damage or fault or _undecodable(senses, before),
            shallow=shallow,
        )
        return Analysis(seen, tuple(sorted(changes, key=lambda change: change.at.media)))

    def _sense(self, media: Media, place: Place, until: Moment) -> list[Change]:
        changes: list[Change] = []
        decoded = self.eyes.decoded
        if media.video and self._video:
            changes += self.eyes.see(media.video, place, until)
        if media.audio and self._audio:
            changes += self.ears.listen(media.audio, place)
        if self.eyes.decoded > decoded:
            HEAP.give_back()
        return changes

    def _keep(self, media: Media, place: Place) -> None:
        if media.video and self._video:
            self.eyes.keep(media.video, place)
        if media.audio and self._audio:
            self.ears.keep(media.audio, place)

    def _tracks(self, media: Media) -> Iterator[tuple[Kind, Track]]:
        if media.video and self._video:
            yield "video", media.video
        if media.audio and self._audio:
            yield "audio", media.audio

    def _unseen(
        self, segment: Segment, wall: float, *, error: str | None = None, remark: str | None = None
    ) -> Analysis:
        start = Moment(self.timeline.edge, wall)
        self.skip(segment.duration)
        return Analysis(replace(_announced(segment, start), error=error, remark=remark, sought=self.sought))

    def _lost(self) -> None:
        self._continuity.forget()
        self.eyes.lost()
        self.ears.lost()


def _announced(segment: Segment, at: Moment) -> SegmentSeen:
    """What is known of a segment before it is read."""
    return SegmentSeen(
        at,
        segment.duration,
        sequence=segment.sequence,
        discontinuity=segment.discontinuity,
        gap=segment.gap,
        program_time=segment.program_time,
    )


def _video(track: Track | None, eyes: Eyes) -> TrackSeen | None:
    if track is None or not track.samples:
        return None
    keys = [sample.size for sample in track.samples if sample.key]
    return replace(
        _track(track),
        width=eyes.size[0],
        height=eyes.size[1],
        key_size=sum(keys) / len(keys) if keys else None,
        detail=eyes.last.detail if eyes.last else None,
    )


def _audio(track: Track | None, ears: Ears) -> TrackSeen | None:
    if track is None or not track.samples:
        return None
    return replace(_track(track), rate=ears.form[0], channels=ears.form[1])


def _track(track: Track) -> TrackSeen:
    return TrackSeen(track.codec, track.size, track.first_pts, track.last_pts)


def _placing(first_pts: float, start: Moment) -> Place:
    def place(pts: float) -> Moment:
        after = pts - first_pts
        return start.plus(after + WRAP if after < -WRAP / 2 else after)

    return place


def _undecodable(senses: tuple[Eyes | Ears, ...], before: list[tuple[int, int]]) -> str | None:
    """When all that was tried in this segment failed."""
    for sense, (tried, failed) in zip(senses, before, strict=True):
        if sense.failed > failed and sense.failed - failed == sense.tried - tried:
            return "its picture cannot be decoded" if isinstance(sense, Eyes) else "its sound cannot be decoded"
    return None
