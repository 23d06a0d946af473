# SPDX-License-Identifier: Apache-2.0
"""What a reloaded media playlist brings: new segments, missed ones, a new epoch, the end. Pure: time is passed in.

A segment is known by (epoch, sequence). An origin that begins to number anew (YouTube does after a long encoder drop)
starts a new epoch instead of looking like a stall; a cache that serves an older copy does not.
"""

from dataclasses import dataclass, replace
from urllib.parse import urlsplit

from ..playlist import MediaPlaylist, Segment

_LEAP = 120.0  # seconds of media that may be gone at once without it being a new numbering
_MOST = 32  # segments of a first load
_KNOWN = 64  # segments that are compared when they are listed again
_DATED_ALIKE = 1.0  # seconds


@dataclass(frozen=True, slots=True)
class Arrival:
    """A segment that is new to us."""

    segment: Segment
    epoch: int
    behind: float  # seconds of media that follow it in the same playlist
    missed: float = 0.0  # seconds of media between it and the segment before that were gone before we saw them


@dataclass(frozen=True, slots=True)
class Update:
    """What one reload brought."""

    new: tuple[Arrival, ...] = ()
    epoch_changed: tuple[int, int] | None = None  # (last sequence of the old epoch, first of the new)
    ended: bool = False
    behind: int = 0  # sequence numbers that its newest segment lies behind the newest that we know
    parts: int = 0  # new parts of the segment that comes next


class Tracker:
    """Memory of one media playlist.

    `lookback` bounds, in seconds, how far behind the live edge the first load begins; `whole` takes all that a
    finished playlist has.
    """

    def __init__(self, lookback: float = 30.0, *, whole: bool = False) -> None:
        self.epoch = 0
        self.target_duration = 6.0
        self.last_sequence: int | None = None
        self.part_target: float | None = None  # set while low latency is offered
        self.last_new: float | None = None  # monotonic time of the load that brought the newest segment or part
        self.new_count = 0  # segments and parts since the first load, which tells nothing of when they came
        self._lookback = lookback
        self._whole = whole
        self._known: dict[int, Segment] = {}  # the newest, as listed last
        self._before: MediaPlaylist | None = None
        self._behind: int | None = None  # newest sequence of the playlist before, when that was behind ours

    def update(self, playlist: MediaPlaylist, now: float) -> Update:
        """Takes a freshly loaded playlist."""
        self.target_duration, self.part_target = playlist.target_duration, playlist.part_target
        changed = self._epoch_change(playlist, now)
        behind = 0 if changed else self._steps_back(playlist)
        if changed:
            self.epoch += 1
            self.last_sequence = None
            self._known, self._before = {}, None
        new = self._new(playlist, changed is not None)
        parts = 0 if behind else self._new_parts(playlist)
        if new or parts:
            self.new_count += 0 if self.last_new is None else len(new) + parts
            self.last_new = now
        if new:
            self.last_sequence = new[-1].segment.sequence
        if not behind:
            self._before = playlist
            self._known = {segment.sequence: segment for segment in playlist.segments[-_KNOWN:]}
        return Update(new, changed, playlist.ended, behind, parts)

    def _shared(self, playlist: MediaPlaylist) -> list[tuple[Segment, Segment]]:
        """Segments that were listed before: as then, and as now."""
        listed = ((self._known.get(segment.sequence), segment) for segment in playlist.segments[-2 * _KNOWN :])
        return [(then, segment) for then, segment in listed if then]

    def _new_parts(self, playlist: MediaPlaylist) -> int:
        """Parts of the segment under way that were not listed before; those of whole segments count with them."""
        known = self._before
        same = known is not None and known.next_sequence == playlist.next_sequence
        return max(0, len(playlist.parts) - (len(known.parts) if known and same else 0))

    def _steps_back(self, playlist: MediaPlaylist) -> int:
        if self.last_sequence is None or not playlist.segments:
            return 0
        return max(0, self.last_sequence - playlist.segments[-1].sequence)

    @property
    def newest(self) -> Segment | None:
        """The newest segment, as listed last."""
        return None if self.last_sequence is None else self._known.get(self.last_sequence)

    def renewed(self) -> None:
        """The playlist comes from another URL now: file names say nothing about identity."""
        self._known = {}
        self._before = None
        self._behind = None

    def _new(self, playlist: MediaPlaylist, new_epoch: bool) -> tuple[Arrival, ...]:
        first_load = self.last_sequence is None and not new_epoch
        last = -1 if self.last_sequence is None else self.last_sequence
        fresh = [segment for segment in playlist.segments if segment.sequence > last]
        if first_load and not (self._whole and playlist.ended):
            fresh = _newest(fresh, self._lookback)
        missed = 0.0
        if fresh and not first_load and not new_epoch:
            missed = (fresh[0].sequence - last - 1) * fresh[0].duration
        arrivals: list[Arrival] = []
        behind = 0.0
        if fresh and new_epoch:
            fresh[0] = replace(fresh[0], discontinuity=True)
        for segment in reversed(fresh):
            arrivals.append(Arrival(segment, self.epoch, behind, missed if segment is fresh[0] else 0.0))
            behind += segment.duration
        return tuple(reversed(arrivals))

    def _epoch_change(self, playlist: MediaPlaylist, now: float) -> tuple[int, int] | None:
        """Whether the numbering began anew.

        Segments that we know by number but not by content prove it at once, and so does a leap over more media than can
        have been made meanwhile; a playlist that lies wholly behind ours must be seen twice, and go on, or a lagging
        cache would pass for it.
        """
        if self.last_sequence is None or not playlist.segments:
            return None
        newest = playlist.segments[-1].sequence
        known = self._shared(playlist)
        change = (self.last_sequence, playlist.segments[0].sequence)
        if known:
            self._behind = None
            return None if any(_same_media(then, segment) for then, segment in known) else change
        if newest >= self.last_sequence:
            self._behind = None
            return change if self._leaps(playlist, now) else None
        before, self._behind = self._behind, newest
        if before is None or newest <= before:
            return None
        self._behind = None
        return change

    def _leaps(self, playlist: MediaPlaylist, now: float) -> bool:
        """Waiting for news may have taken long; what is missed meanwhile is only missed."""
        first = playlist.segments[0]
        idle = now - self.last_new if self.last_new is not None else 0.0
        leap = (first.sequence - (self.last_sequence or 0) - 1) * max(first.duration, 1.0)
        return leap > _LEAP + 2 * idle


def _newest(segments: list[Segment], seconds: float) -> list[Segment]:
    """The last segments that together last no longer than `seconds`, and at least one."""
    total = 0.0
    segments = segments[-_MOST:]
    for index in range(len(segments) - 1, -1, -1):
        total += segments[index].duration
        if total > seconds and index < len(segments) - 1:
            return segments[index + 1 :]
    return segments


def _same_media(one: Segment, other: Segment) -> bool:
    """Whether two listings of one number mean the same, as far as can be told: by date, else by the file's name.

    Hosts, folders and signatures change when a URL is renewed.
    """
    if one.program_time is not None and other.program_time is not None:
        return abs(one.program_time - other.program_time) < _DATED_ALIKE
    return one.uri == other.uri or _name(one.uri) == _name(other.uri)


def _name(uri: str) -> str:
    try:
        path = urlsplit(uri).path
    except ValueError:
        path = uri
    return path.rpartition("/")[2]
