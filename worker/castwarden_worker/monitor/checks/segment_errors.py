# SPDX-License-Identifier: Apache-2.0
"""Segments cannot be fetched or decoded: several in a row, or too large a share of the last minute of media."""

from collections.abc import Mapping

from castwarden_model.resources.checks import Checks

from ..episode import Change
from ..seen import SegmentSeen
from .base import SegmentCheck
from .error_rate import ErrorRate


class SegmentErrors(SegmentCheck):
    """Each rendition's row is its own: good pictures between do not excuse broken sound."""

    condition = "segment_errors"

    def __init__(self) -> None:
        super().__init__()
        self.rates: dict[str, ErrorRate] = {rendition: ErrorRate(self.episode) for rendition in ("main", "audio")}
        self._last = "unknown"

    def configure(self, spec: Checks) -> None:
        self.enabled = spec.segment_errors.enabled
        for rate in self.rates.values():
            rate.configure(spec.segment_errors)

    def observe(self, seen: SegmentSeen) -> Change | None:
        self._last = seen.error or self._last
        return self.rates[seen.rendition].observe(seen.at, seen.seconds, seen.error)

    def is_broken(self, rendition: str) -> bool:
        """Whether this rendition had errors of late."""
        return self.rates[rendition].is_broken

    def measured(self) -> Mapping[str, float | str]:
        return {"error": self._last}
