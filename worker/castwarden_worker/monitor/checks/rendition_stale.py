# SPDX-License-Identifier: Apache-2.0
"""Another rendition of the stream stands still while the one we watch goes on. One alert, for the worst of them.

How long it has stood still is its lag, where programme date-time tells; else the media that the watched rendition has
brought since the other was last seen to go on.
"""

from collections.abc import Mapping

from castwarden_model.resources.checks import Checks

from ..episode import Change
from ..seen import RenditionSeen
from .base import RenditionCheck

_FORGET = 900.0  # seconds; a rendition that is no longer probed is no longer offered


class RenditionStale(RenditionCheck):
    """A rendition that cannot be loaded is not stale but missing."""

    condition = "rendition_stale"
    on_air = True

    def __init__(self) -> None:
        super().__init__()
        self._limit = 30.0
        self._went_on: dict[str, float] = {}  # media time at which each one was last seen to go on
        self._stood: dict[str, tuple[float, float]] = {}  # per rendition: seconds that it has stood still, Unix time

    def configure(self, spec: Checks) -> None:
        given = spec.rendition_stale
        self._limits(given.enabled, given.raise_after, given.clear_after)
        self._limit = given.raise_after.total_seconds()

    def observe(self, seen: RenditionSeen) -> Change | None:
        for name in [name for name, (_, when) in self._stood.items() if when < seen.at.wall - _FORGET]:
            del self._stood[name]
        if seen.error is None:
            self._stood[seen.name] = (self._standing(seen), seen.at.wall)
        worst = max((seconds for seconds, _ in self._stood.values()), default=0.0)
        bad = worst >= self._limit > 0 or worst > self._limit
        return self.episode.observe(seen.at, bad=bad, since=seen.at.plus(-worst) if bad else None)

    def _standing(self, seen: RenditionSeen) -> float:
        before = self._went_on.get(seen.name)
        if seen.advanced or before is None:
            self._went_on[seen.name] = before = seen.at.media
        return max(0.0, seen.at.media - before if seen.lag is None else seen.lag)

    def renewed(self) -> None:
        self._went_on.clear()
        self._stood.clear()

    def measured(self) -> Mapping[str, float | str]:
        name, (seconds, _) = max(self._stood.items(), key=lambda known: known[1], default=("unknown", (0.0, 0.0)))
        return {"rendition": name, "lag_sec": round(seconds, 1)}
