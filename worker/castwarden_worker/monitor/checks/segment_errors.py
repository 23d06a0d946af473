# SPDX-License-Identifier: Apache-2.0
"""Segments cannot be fetched or decoded: several in a row, or too large a share of the last minute of media."""

from collections.abc import Mapping

from castwarden_model.resources.checks import Checks

from ..episode import Change
from ..seen import SegmentSeen
from .base import SegmentCheck
from .error_rate import ErrorRate


class SegmentErrors(SegmentCheck):
    condition = "segment_errors"

    def __init__(self) -> None:
        super().__init__()
        self.rate = ErrorRate(self.episode)

    def configure(self, spec: Checks) -> None:
        self.enabled = spec.segment_errors.enabled
        self.rate.configure(spec.segment_errors)

    def observe(self, seen: SegmentSeen) -> Change | None:
        return self.rate.observe(seen.at, seen.seconds, seen.error)

    def measured(self) -> Mapping[str, float | str]:
        return {"error": self.rate.last_error or "unknown"}
