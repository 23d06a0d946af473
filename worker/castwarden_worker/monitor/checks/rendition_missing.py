# SPDX-License-Identifier: Apache-2.0
"""Another rendition of the stream cannot be loaded, or is no longer offered. One alert, whichever it is."""

from collections.abc import Mapping

from castwarden_model.resources.checks import Checks

from ..episode import Change, Moment
from ..seen import RenditionSeen
from .base import RenditionCheck


class RenditionMissing(RenditionCheck):
    """A rendition is missing after so many failures in a row, until so many loads in a row went well."""

    condition = "rendition_missing"
    on_air = True

    def __init__(self) -> None:
        super().__init__()
        self.consecutive, self.successes = 3, 2
        self._failures: dict[str, int] = {}
        self._loads: dict[str, int] = {}  # of those that are missing: loads in a row that went well
        self._since: dict[str, Moment] = {}  # where the failures in a row began
        self._probed: set[str] = set()
        self._told = ("unknown", "unknown")

    def configure(self, spec: Checks) -> None:
        given = spec.rendition_missing
        self.enabled = given.enabled
        self.consecutive, self.successes = given.consecutive, given.clear_after_successes

    def observe(self, seen: RenditionSeen) -> Change | None:
        if self.alert and seen.name not in self._probed:
            self._loads[seen.name] = 0  # it may be the one that another process missed
        self._probed.add(seen.name)
        if seen.error is None:
            self._went_well(seen.name)
        else:
            self._failed(seen, seen.error)
        if self._loads:
            return self.episode.reached(seen.at, self._since.get(seen.name, seen.at))
        return self.episode.observe(seen.at, bad=False)

    def _failed(self, seen: RenditionSeen, error: str) -> None:
        name = seen.name
        self._since.setdefault(name, seen.at)
        self._failures[name] = self._failures.get(name, 0) + 1
        if name in self._loads or self._failures[name] >= self.consecutive:
            self._loads[name] = 0
            self._told = (name, error)

    def _went_well(self, name: str) -> None:
        self._failures.pop(name, None)
        self._since.pop(name, None)
        if name in self._loads:
            self._loads[name] += 1
            if self._loads[name] >= self.successes:
                del self._loads[name]

    def renewed(self) -> None:
        self._failures.clear()
        self._loads.clear()
        self._since.clear()
        self._probed.clear()

    def measured(self) -> Mapping[str, float | str]:
        return dict(zip(("rendition", "error"), self._told, strict=True))
