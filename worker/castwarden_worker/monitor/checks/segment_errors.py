# SPDX-License-Identifier: Apache-2.0
"""Segments cannot be fetched or decoded: several in a row, or too large a share of the last minute."""

from collections import deque
from dataclasses import replace
from itertools import takewhile

from castwarden_model.resources.checks import Checks

from ..episode import Change, Moment
from .base import Check


class SegmentErrors(Check):
    condition = "segment_errors"

    def __init__(self) -> None:
        super().__init__()
        self.consecutive = 3
        self.ratio = 0.2
        self.window = 60.0
        self.last_error: str | None = None
        self._seen: deque[tuple[Moment, float, bool]] = deque()  # where, how long, broken

    def configure(self, spec: Checks) -> None:
        given = spec.segment_errors
        self.enabled, self.consecutive, self.ratio = given.enabled, given.consecutive, given.ratio
        self.window = given.window.total_seconds()
        self.episode.raise_after = 0.0
        self.episode.clear_after = given.clear_after.total_seconds()

    def observe(self, at: Moment, seconds: float, error: str | None) -> Change | None:
        """One segment of `seconds` that began at `at` was read, or was not for the reason `error`."""
        self._seen.append((at, seconds, error is not None))
        while self._seen and self._seen[0][0].media < at.media - self.window:
            self._seen.popleft()
        end = at.plus(seconds)
        if error is None:
            # Good segments can end an episode; they never make one that is only a candidate.
            change = self.episode.observe(at, bad=False) if self.episode.is_open else None
            return change or (self.episode.hold(end) if self.episode.is_open else None)
        self.last_error = error
        if self.episode.is_open:
            return self.episode.observe(at, bad=True)
        if self.enabled and (first := self._first_of_too_many()):
            change = self.episode.observe(end, bad=True, since=first)
            return change and replace(change, at=end, duration=end.media - first.media, error=error)
        return None

    def _first_of_too_many(self) -> Moment | None:
        row = list(takewhile(lambda seen: seen[2], reversed(self._seen)))
        if len(row) >= self.consecutive:
            return row[-1][0]
        broken = [(at, seconds) for at, seconds, bad in self._seen if bad]
        if len(broken) > 1 and sum(seconds for _, seconds in broken) > self.ratio * self.window:
            return broken[0][0]
        return None
