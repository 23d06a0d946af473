# SPDX-License-Identifier: Apache-2.0
"""Plays sound to the checks: a tenth of a second now and then while all is well, all of it on suspicion or by order.

Compressed sound is kept from one sample to the next, so that the first quiet one makes it listen to all that was let
pass: silence is dated exactly although hardly any sound is decoded.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from ..checks.base import SoundCheck
from ..episode import Change
from ..media.tracks import Sample, Track
from ..seen import Sound
from .decode import Level, SoundDecoder
from .groups import Place

_LONGEST_INTERVAL = 8.0  # seconds between samples while all is well
_TASTES = 4  # in the shortest time in which an alert is raised
_TASTE = 0.12  # seconds of sound in one sample
_MAX_KEPT = 2 * 2**20  # bytes of compressed sound


@dataclass(slots=True)
class _Stretch:
    track: Track
    samples: Sequence[Sample]
    place: Place
    follows: bool  # whether it goes on where the stretch before ended

    @property
    def size(self) -> int:
        return sum(sample.size for sample in self.samples)


class Ears:
    """One rendition's sound."""

    def __init__(self, checks: Sequence[SoundCheck]) -> None:
        self.all = False  # whether all sound is heard, always
        self.last: Sound | None = None
        self.form: tuple[int, int] | tuple[None, None] = (None, None)  # Hz and channels, as last decoded
        self.tried = 0  # stretches
        self.failed = 0  # of those, the ones that gave no sound
        self._checks = checks
        self._kept: list[_Stretch] = []
        self._open: SoundDecoder | None = None  # stands at the end of what was decoded last
        self._listened = float("-inf")  # media time up to which all is known
        self._torn = True

    def listen(self, track: Track, place: Place) -> list[Change]:
        """Takes one segment's sound; `place` gives a timestamp's moment."""
        changes: list[Change] = []
        for samples in _split(track.samples, self._interval):
            self._take(track, samples, place)
            end = place(samples[-1].pts).media
            if self._whole:
                changes += self._hear_all()
            elif end - self._listened >= self._interval:
                self._listened = end
                changes += self._taste()
        if not self._whole:
            self._open = None
        return changes

    def keep(self, track: Track, place: Place) -> None:
        """Takes one segment's sound without decoding any: there is no time. What comes later may go back to it."""
        own = [Sample(sample.pts, bytes(sample.data), sample.key) for sample in track.samples]  # not the whole segment
        self._take(track, own, place)
        kept = self.kept
        while len(self._kept) > 1 and kept > _MAX_KEPT:
            kept -= self._kept.pop(0).size
            self._kept[0].follows = False

    def lost(self) -> None:
        """Sound is missing: what was kept does not lead up to what comes."""
        self._torn = True

    @property
    def kept(self) -> int:
        """Bytes of compressed sound in memory."""
        return sum(stretch.size for stretch in self._kept)

    @property
    def _active(self) -> list[SoundCheck]:
        return [check for check in self._checks if check.enabled]

    @property
    def _whole(self) -> bool:
        return self.all or any(check.suspicious or check.wants_wave for check in self._active)

    @property
    def _wave(self) -> bool:
        return any(check.wants_wave for check in self._active)

    @property
    def _interval(self) -> float:
        fastest = min((check.raise_after for check in self._active), default=60.0)
        return min(_LONGEST_INTERVAL, fastest / _TASTES)

    def _take(self, track: Track, samples: Sequence[Sample], place: Place) -> None:
        before = self._kept[-1].track if self._kept else None
        follows = not self._torn and (before is None or _kind(before) == _kind(track))
        self._kept.append(_Stretch(replace(track, samples=()), samples, place, follows))
        self._torn = False

    def _taste(self) -> list[Change]:
        """Samples the newest sound; when that is suspicious, all that was kept is heard."""
        newest = self._kept[-1]
        levels = self._decoder(newest).measure(_tail(newest.samples), go_on=False)
        self._open = None
        if not levels:
            return self._hear_all()
        sound = self._sound(max(levels, key=lambda level: level.level_db), newest.place)
        if any(check.judge(sound) for check in self._active):
            return self._hear_all()
        self._kept.clear()
        return [change for check in self._active if (change := check.observe(sound))]

    def _hear_all(self) -> list[Change]:
        changes: list[Change] = []
        for stretch in self._kept:
            go_on = stretch.follows and self._open is not None
            levels = self._decoder(stretch).measure(stretch.samples, go_on=go_on, wave=self._wave)
            self.tried += 1
            self.failed += not levels
            for sound in (self._sound(level, stretch.place) for level in levels):
                changes += [change for check in self._active if (change := check.observe(sound))]
            if self.last and levels:
                end = self.last.at.plus(self.last.seconds)
                self._listened = end.media
                changes += [change for check in self._active if (change := check.episode.hold(end))]
        self._kept.clear()
        return changes

    def _decoder(self, stretch: _Stretch) -> SoundDecoder:
        if self._open is None or not self._open.fits(stretch.track):
            self._open = SoundDecoder(stretch.track)
        return self._open

    def _sound(self, level: Level, place: Place) -> Sound:
        self.form = level.rate, len(level.channels_db)
        at = place(level.pts)
        self.last = Sound(at, level.seconds, level.level_db, level.peak_db, level.channels_db, level.wave, level.rate)
        return self.last


def _kind(track: Track) -> tuple[str, bytes | None, bool]:
    return track.codec, track.extradata, track.framed


def _split(samples: Sequence[Sample], seconds: float) -> Iterator[Sequence[Sample]]:
    """Consecutive stretches that begin at most `seconds` apart, as far as samples allow."""
    start = 0
    for index in range(1, len(samples)):
        if samples[index].pts - samples[start].pts >= seconds:
            yield samples[start:index]
            start = index
    yield samples[start:]


def _tail(samples: Sequence[Sample]) -> Sequence[Sample]:
    """The last samples that last about as long as a taste, and one more for the decoder to settle."""
    first = len(samples) - 1
    while first > 0 and samples[-1].pts - samples[first].pts < _TASTE:
        first -= 1
    return samples[first:]
