# SPDX-License-Identifier: Apache-2.0
"""Plays sound to the checks: a tenth of a second now and then while all is well, all of it on suspicion.

Compressed sound is kept from one sample to the next, so that the first quiet one makes it listen to all that was let
pass: silence is dated exactly although hardly any sound is decoded.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from .checks.base import SoundCheck
from .decode import Level, SoundDecoder
from .episode import Change
from .eyes import Place
from .media.tracks import Sample, Track
from .seen import Sound

_LONGEST_INTERVAL = 5.0  # seconds between samples while all is well
_TASTE = 0.12  # seconds of sound in one sample


@dataclass(frozen=True, slots=True)
class _Stretch:
    samples: Sequence[Sample]
    place: Place


class Ears:
    """One rendition's sound."""

    def __init__(self, checks: Sequence[SoundCheck]) -> None:
        self.all = False  # whether all sound is heard, always
        self.last: Sound | None = None
        self.tried = 0  # stretches
        self.failed = 0  # of those, the ones that gave no sound
        self._checks = checks
        self._kept: list[_Stretch] = []
        self._decoder: SoundDecoder | None = None
        self._listened = float("-inf")  # media time up to which all is known
        self._running = False  # whether the decoder stands at the end of what was decoded last

    def listen(self, track: Track, place: Place) -> list[Change]:
        """Takes one segment's sound; `place` gives a timestamp's moment."""
        decoder = self._decoder_for(track)
        changes: list[Change] = []
        for samples in _split(track.samples, self._interval):
            self._kept.append(_Stretch(samples, place))
            end = place(samples[-1].pts).media
            if self.all or self._suspicious:
                changes += self._hear_all(decoder)
            elif end - self._listened >= self._interval:
                self._listened = end
                changes += self._taste(decoder)
        return changes

    def lost(self) -> None:
        """Sound is missing: what was kept does not lead up to what comes."""
        self._kept.clear()
        self._running = False

    @property
    def form(self) -> tuple[int, int] | tuple[None, None]:
        """Sample rate in Hz and number of channels, as last decoded."""
        return self._decoder.form if self._decoder else (None, None)

    @property
    def _active(self) -> list[SoundCheck]:
        return [check for check in self._checks if check.enabled]

    @property
    def _suspicious(self) -> bool:
        return any(check.suspicious for check in self._active)

    @property
    def _interval(self) -> float:
        fastest = min((check.episode.raise_after for check in self._active), default=_LONGEST_INTERVAL)
        return min(_LONGEST_INTERVAL, fastest / 3)

    def _decoder_for(self, track: Track) -> SoundDecoder:
        if self._decoder is None or not self._decoder.fits(track):
            self._decoder = SoundDecoder(track)
            self.lost()
        return self._decoder

    def _taste(self, decoder: SoundDecoder) -> list[Change]:
        """Samples the newest sound; when that is suspicious, all that was kept is heard."""
        newest = self._kept[-1]
        self._running = False
        levels = decoder.measure(_tail(newest.samples), go_on=False)
        if not levels:
            return self._hear_all(decoder)
        sound = self._sound(max(levels, key=lambda level: level[2]), newest.place)
        if any(check.judge(sound) for check in self._active):
            return self._hear_all(decoder)
        self._kept.clear()
        return [change for check in self._active if (change := check.observe(sound))]

    def _hear_all(self, decoder: SoundDecoder) -> list[Change]:
        changes: list[Change] = []
        for stretch in self._kept:
            levels = decoder.measure(stretch.samples, go_on=self._running)
            self._running = True
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

    def _sound(self, level: Level, place: Place) -> Sound:
        pts, seconds, rms, peak = level
        self.last = Sound(place(pts), seconds, rms, peak)
        return self.last


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
