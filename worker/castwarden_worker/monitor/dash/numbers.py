# SPDX-License-Identifier: Apache-2.0
"""Gives DASH segments numbers that last: a window that slides, a period that counts anew, a segment that is addressed
by time alone, none of them renumbers. Pure memory; one per rendition, kept as long as the stream is watched.
"""

from collections.abc import Sequence
from itertools import islice

_KEPT = 512


class Numbering:
    """A segment is known by its presentation time. Neighbours have neighbouring numbers.

    Where nothing in a window is known, the distance in time says how many were missed; a window that lies before what
    is known gets lower numbers, and the tracker finds out whether that is an old copy or a new epoch.
    """

    def __init__(self) -> None:
        self._known: dict[float, int] = {}  # in order of arrival, which is that of time
        self._last: tuple[float, int] | None = None  # start and number of the newest

    def number(self, segments: Sequence[tuple[float, int, float]]) -> list[int]:
        """One number for each (start, number in its manifest, duration), in order of time."""
        if not segments:
            return []
        keys = [round(start, 2) for start, _, _ in segments]
        known = [(at, number) for at, key in enumerate(keys) if (number := self._known.get(key)) is not None]
        anchor = known[-1] if known else self._estimate(segments)
        numbers = [anchor[1] + at - anchor[0] for at in range(len(segments))]
        for key, number in zip(keys, numbers, strict=True):
            self._known[key] = number
        for key in list(islice(self._known, max(0, len(self._known) - max(_KEPT, 2 * len(segments))))):
            del self._known[key]  # all at once: each search for the first alone would pass those that are gone
        self._last = (segments[-1][0], numbers[-1])
        return numbers

    def _estimate(self, segments: Sequence[tuple[float, int, float]]) -> tuple[int, int]:
        """(index, its number) for a window of which nothing is known."""
        first, number, _ = segments[0]
        if self._last is None:
            return 0, number
        start, last = self._last
        usual = max(sorted(duration for _, _, duration in segments)[len(segments) // 2], 0.01)
        if first > start:
            return 0, last + max(1, round((first - start) / usual))
        newest = len(segments) - 1
        return newest, last - max(1, round((start - segments[newest][0]) / usual))
