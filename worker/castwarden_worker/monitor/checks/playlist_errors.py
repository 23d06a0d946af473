# SPDX-License-Identifier: Apache-2.0
"""The playlist or manifest cannot be loaded or read: several times in a row, or for too much of the last minute.

Measured on the wall clock: no playlist, no media. A failure stands for the time since the try before it.
"""

from collections.abc import Mapping

from castwarden_model.resources.checks import Checks

from ..episode import Change
from ..seen import PlaylistSeen
from .base import PlaylistCheck
from .error_rate import ErrorRate


class PlaylistErrors(PlaylistCheck):
    condition = "playlist_errors"
    on_air = True

    def __init__(self) -> None:
        super().__init__()
        self.rates = {rendition: ErrorRate(self.episode) for rendition in ("main", "audio")}
        self._tried: dict[str, float] = {}  # Unix time of each rendition's last try
        self._last = "unknown"

    def configure(self, spec: Checks) -> None:
        self.enabled = spec.playlist_errors.enabled
        for rate in self.rates.values():
            rate.configure(spec.playlist_errors)

    def observe(self, seen: PlaylistSeen) -> Change | None:
        at, before = seen.at, self._tried.get(seen.rendition, seen.at.wall)
        self._tried[seen.rendition] = at.wall
        if seen.error is None:
            return self.rates[seen.rendition].observe(at, 0.0, None)
        self._last = seen.error
        waited = min(max(0.0, at.wall - before), max(seen.target_duration, 1.0))
        return self.rates[seen.rendition].observe(at.plus(-waited), waited, seen.error)

    def measured(self) -> Mapping[str, float | str]:
        return {"error": self._last}
