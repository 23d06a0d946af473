# SPDX-License-Identifier: Apache-2.0
"""Presentation timestamps of segments to media time: one line that only moves forward, whatever the stream does."""

from ..seen import WRAP

_FOLLOW = 10.0  # a separate audio rendition may be this far off and is still on the picture's timestamps


class Timeline:
    """Media time of one rendition, in seconds since the first segment seen.

    Timestamps are trusted while they continue what the playlist's durations announce (durations are rounded,
    timestamps are not); at a discontinuity, or a jump, the line goes on where it had ended.
    """

    def __init__(self, follow: "Timeline | None" = None) -> None:
        self.edge: float = follow.edge if follow else 0.0  # where the next segment is expected
        self.offset: float | None = None  # from timestamps to media time
        self._follow = follow

    def place(self, first_pts: float, duration: float, *, discontinuity: bool = False) -> float:
        """Puts a segment on the line and returns the media time of its first timestamp."""
        expected = self.edge
        offset = self.offset
        if offset is not None and first_pts + offset < expected - WRAP / 2:
            offset += WRAP
        if offset is None or discontinuity or abs(first_pts + offset - expected) > max(1.0, duration / 2):
            offset = self._anchor(first_pts, expected)
        self.offset = offset
        start = first_pts + offset
        self.edge = max(expected, start + duration)
        return start

    def skip(self, seconds: float) -> None:
        """Media that was missed, or could not be read, takes its time too."""
        self.edge += seconds

    def media(self, pts: float) -> float:
        """Media time of a timestamp of the segment placed last."""
        return pts + (self.offset or 0.0)

    def _anchor(self, first_pts: float, expected: float) -> float:
        leader = self._follow
        if leader and leader.offset is not None and abs(first_pts + leader.offset - expected) < _FOLLOW:
            return leader.offset
        return expected - first_pts
