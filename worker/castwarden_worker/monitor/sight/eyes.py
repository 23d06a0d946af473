# SPDX-License-Identifier: Apache-2.0
"""Shows pictures to the checks: few while all is well, every frame where a verdict is on its way, or all by order.

Compressed groups of pictures are kept for a while. The first suspicious keyframe makes it go back to those that were
let pass; while an episode is about to begin or to end, the frames between two keyframes are decoded too. So an episode
begins and ends on the right frame although hardly any frame is decoded.
"""

import math
from collections.abc import Sequence

from castwarden_model.resources.monitor import Depth

from ..checks.base import PictureCheck
from ..episode import Change, Moment
from ..media.tracks import Track
from ..seen import Picture
from .decode import PictureDecoder, Raw
from .groups import Group, Groups, Place

_LONGEST_INTERVAL = 8.0  # seconds between examinations while all is well
_EXAMINATIONS = 4  # in the shortest time in which an alert is raised
_LONG = 20.0  # seconds; a group that goes on longer is decoded as it comes
_DELAY = 32  # pictures that a decoder may keep inside


class Eyes:
    """One rendition's pictures."""

    def __init__(self, checks: Sequence[PictureCheck], depth: Depth = "Adaptive") -> None:
        self.depth: Depth = depth
        self.last: Picture | None = None
        self.size: tuple[int, int] | tuple[None, None] = (None, None)  # width and height, as last decoded
        self.decoded = 0  # pictures, for the curious
        self.tried = 0  # keyframes, or segments at full depth
        self.failed = 0  # of those, the ones that gave no picture
        self._checks = checks
        self._groups = Groups()
        self._open: PictureDecoder | None = None
        self._examined = float("-inf"), float("-inf")  # media time of the last examination but one, and of the last

    def see(self, track: Track, place: Place, until: Moment) -> list[Change]:
        """Takes one segment's pictures; `place` gives a timestamp's moment, `until` is where the segment ends."""
        if self.depth == "Full":
            return self._see_all(track, place)
        changes: list[Change] = []
        for group in self._groups.split(track, place):
            changes += self._finish()
            self._groups.add(group)
            due = group.start.media - self._examined[1] >= self._interval
            if due or self._watchful or self._groups.full:
                changes += self._catch_up()
            self._groups.forget(self._examined[0] if any(check.lookback > 1 for check in self._active) else None)
        changes += self._confirm(until)
        self._groups.drop_frames()
        if not self._groups.running:
            self._open = None  # it holds megabytes, and costs less than a keyframe to open again
        return changes

    def keep(self, track: Track, place: Place) -> None:
        """Takes one segment's pictures without decoding any: there is no time. What comes later may go back to them."""
        if self._groups.running or self.depth == "Full":
            self._groups.tear()
        self._open = None
        self._groups.take(track, place)
        self._groups.shrink()

    def lost(self) -> None:
        """Media is missing: what comes does not hang on what was kept."""
        self._groups.tear()

    @property
    def kept(self) -> int:
        """Bytes of compressed pictures in memory."""
        return self._groups.size

    @property
    def _active(self) -> list[PictureCheck]:
        return [check for check in self._checks if check.enabled]

    @property
    def _watchful(self) -> bool:
        return self.depth == "Keyframes" or any(check.suspicious for check in self._active)

    @property
    def _interval(self) -> float:
        return min(_LONGEST_INTERVAL, min((check.raise_after for check in self._active), default=60.0) / _EXAMINATIONS)

    @property
    def _shortest(self) -> float:
        """Seconds within which something may raise or clear."""
        episodes = [check.episode for check in self._active]
        return min((one.clear_after if one.is_open else one.raise_after for one in episodes), default=60.0)

    def _decoder(self, track: Track) -> PictureDecoder:
        if self._open is None or not self._open.fits(track):
            self._open = PictureDecoder(track)
        return self._open

    def _see_all(self, track: Track, place: Place) -> list[Change]:
        changes: list[Change] = []
        before = self.decoded
        for raw in self._decoder(track).running(self._groups.pass_through(track)):
            picture = self._picture(raw, place)
            changes += [change for check in self._active if (change := check.observe(picture))]
        self.tried += 1
        self.failed += self.decoded == before and len(track.samples) > _DELAY
        return changes

    def _catch_up(self) -> list[Change]:
        """Examines the newest keyframe, and those before it that were let pass unless it is innocent."""
        newest = self._groups[-1]
        key = self._key(newest)
        watchful = self._watchful
        innocent = key is not None and not any(check.flips(key) for check in self._active)
        before, last = self._examined
        self._examined = last, newest.start.media
        if not watchful and innocent and key is not None:
            self._groups.set_examined()
            return [change for check in self._active if (change := check.observe(key))]
        if key and not watchful and any(check.lookback > 1 and check.judge(key) for check in self._active):
            # What repeats the picture examined last may have begun right after the one examined before that one.
            self._groups.examine_again(before)
        changes: list[Change] = []
        for index, group in enumerate(self._groups):
            if not group.examined:
                group.examined = True
                changes += self._step(index)
                self._groups.drop_frames(before=self._groups.before(index, 2))
        return changes

    def _step(self, index: int) -> list[Change]:
        """Shows a keyframe. Where a verdict turns, or a change is on its way, the frames before it come first."""
        key = self._key(self._groups[index])
        if key is None:
            return []
        changes: list[Change] = []
        for check in self._active:
            flips = check.flips(key)
            back = check.lookback if flips and not check.episode.bad else 1
            if flips or check.episode.due_by(math.inf):
                for group in self._groups[self._groups.before(index, back) : index]:
                    changes += self._feed(check, group)
            if change := check.observe(key):
                changes.append(change)
        return changes

    def _confirm(self, until: Moment) -> list[Change]:
        """At the end of what has arrived: frames decide whether what is due now really is, keyframes do not."""
        if not self._groups:
            return []
        last = self._groups[-1]
        changes: list[Change] = []
        if until.media - last.start.media > min(self._shortest, _LONG) or self._groups.full:
            changes += self._run_on(last)
        for check in self._active if last.examined else ():
            if check.episode.due_by(until.media):
                changes += self._feed(check, last)
                if change := check.episode.hold(until):
                    changes.append(change)
        return changes

    def _run_on(self, group: Group) -> list[Change]:
        """A long group hides what happens between its keyframes: all its frames are shown, each once."""
        changes = [] if group.examined else self._catch_up()
        decoder = self._decoder(group.track)
        if not group.running:
            decoder.drain()
            group.running = True
        return changes + self._show(group, list(decoder.running(self._groups.hand_over())))

    def _finish(self) -> list[Change]:
        """The last frames of a long group come out when the next group begins."""
        if not self._groups.running:
            return []
        last = self._groups[-1]
        last.running = False
        return self._show(last, self._decoder(last.track).drain())

    def _show(self, group: Group, raws: list[Raw]) -> list[Change]:
        changes: list[Change] = []
        group.frames = [
            self._picture(raw, group.place) for raw in raws if group.place(raw.pts).media >= group.start.media
        ]
        for check in self._active:
            changes += group.show(check)
        return changes

    def _feed(self, check: PictureCheck, group: Group) -> list[Change]:
        """Shows a group's frames to one check."""
        if group.frames is None:
            raws = self._decoder(group.track).group(group.samples) if group.samples else []
            group.frames = [self._picture(raw, group.place) for raw in raws]
        return group.show(check)

    def _key(self, group: Group) -> Picture | None:
        if group.key is None and group.samples:
            raw = self._decoder(group.track).alone(group.samples[0])
            group.key = self._picture(raw, group.place) if raw else None
            self.tried += 1
            self.failed += raw is None
        return group.key

    def _picture(self, raw: Raw, place: Place) -> Picture:
        self.decoded += 1
        self.size = (raw.width, raw.height)
        self.last = Picture(place(raw.pts), raw.luma, raw.full_range, raw.u, raw.v)
        return self.last
