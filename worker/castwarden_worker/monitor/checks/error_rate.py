# SPDX-License-Identifier: Apache-2.0
"""Errors in a row, or too large a share of the last minute: what segment and playlist errors have in common."""

from collections import deque
from itertools import takewhile

from castwarden_model.resources.checks import ErrorRateCheck

from ..episode import Change, Episode, Moment

_MOST = 2000  # tries in a window, whatever their origin says of their length


class ErrorRate:
    """Drives `episode` by tries that went well or did not."""

    def __init__(self, episode: Episode) -> None:
        self._episode = episode
        self._consecutive = 3
        self._ratio = 0.2
        self._window = 60.0
        self._seen: deque[tuple[Moment, float, bool]] = deque(maxlen=_MOST)  # where, how long, broken

    def configure(self, given: ErrorRateCheck) -> None:
        self._consecutive, self._ratio = given.consecutive, given.ratio
        self._window = given.window.total_seconds()
        self._episode.raise_after = 0.0
        self._episode.clear_after = given.clear_after.total_seconds()

    def observe(self, at: Moment, seconds: float, error: str | None) -> Change | None:
        """One try that stands for `seconds` from `at` on went well, or did not for the reason `error`."""
        episode = self._episode
        self._seen.append((at, seconds, error is not None))
        while episode.time(self._seen[0][0]) < episode.time(at) - self._window:
            self._seen.popleft()
        end = at.plus(seconds)
        if error is None:
            # Good ones can end an episode; they never make one that is only a candidate.
            change = episode.observe(at, bad=False) if episode.is_open else None
            return change or (episode.hold(end) if episode.is_open else None)
        if episode.is_open:
            return episode.observe(at, bad=True)
        if first := self._first_of_too_many():
            return episode.reached(end, first)
        return None

    @property
    def is_broken(self) -> bool:
        """Whether a try in the window did not go well."""
        return any(broken for _, _, broken in self._seen)

    def _first_of_too_many(self) -> Moment | None:
        row = list(takewhile(lambda seen: seen[2], reversed(self._seen)))
        if len(row) >= self._consecutive:
            return row[-1][0]
        broken = [(at, seconds) for at, seconds, bad in self._seen if bad]
        if len(broken) > 1 and sum(seconds for _, seconds in broken) > self._ratio * self._window:
            return broken[0][0]
        return None
