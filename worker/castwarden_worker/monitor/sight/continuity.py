# SPDX-License-Identifier: Apache-2.0
"""Media that is not there although playlist and timestamps go on as if it were. Pure: timestamps in, words out."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ..media.tracks import Track
from ..seen import Kind

_HOLE = 0.3  # seconds beyond the usual step between two samples
_JUMP = 30.0  # seconds; where more is missing, timestamps begin anew
_SURE = 0.5, 0.1  # seconds, and share of a segment, that are missing from picture and sound alike
_UNSURE = 1.0, 0.25  # … from the only track: pictures may stand, and packets hold more or less sound


@dataclass(frozen=True, slots=True)
class _Pace:
    """One track of one segment. `usual` is the median step between its samples, `holes` what is missing within."""

    first: float
    last: float
    usual: float
    holes: float

    @property
    def covered(self) -> float:
        return self.last - self.first + self.usual


class Continuity:
    """Remembers where the tracks of the last segment ended."""

    def __init__(self) -> None:
        self._ends: dict[Kind, float] = {}

    def forget(self) -> None:
        """What comes does not follow what was."""
        self._ends.clear()

    def fault(self, tracks: Mapping[Kind, Track], seconds: float) -> str | None:
        """What is wrong with a segment that was announced with so many seconds.

        A segment that was cut may still be well-formed; its timestamps tell. Only what all tracks lack is missing:
        sound may begin late, and a picture may stand.
        """
        paces = {kind: pace for kind, track in tracks.items() if (pace := _pace(track))}
        missing = min((self._missing(kind, pace) for kind, pace in paces.items()), default=0.0)
        self._ends = {kind: pace.last + pace.usual for kind, pace in paces.items()}
        covered = max((pace.covered for pace in paces.values()), default=seconds)
        if covered < seconds / 2:
            self.forget()  # or the next segment would tell it again
            return f"it holds {covered:.1f} s of {seconds:.1f} s"
        least, share = _SURE if len(paces) > 1 else _UNSURE
        return f"{missing:.1f} s of {seconds:.1f} s are missing" if missing >= max(least, share * seconds) else None

    def _missing(self, kind: Kind, pace: _Pace) -> float:
        before = pace.first - self._ends.get(kind, pace.first)
        return pace.holes + (before if _HOLE < before < _JUMP else 0.0)


def _pace(track: Track) -> _Pace | None:
    """None for a single sample: it may hold the whole segment."""
    if len(track.samples) < 2:
        return None
    times = np.sort(np.array([sample.pts for sample in track.samples]))
    steps = np.diff(times)
    usual = float(np.partition(steps, middle := (len(steps) - 1) // 2)[middle])
    holes = steps[steps > usual + _HOLE] - usual
    return _Pace(float(times[0]), float(times[-1]), usual, float(holes[holes < _JUMP].sum()))
