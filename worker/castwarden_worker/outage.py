# SPDX-License-Identifier: Apache-2.0
"""A gateway that nobody in this process reaches is one trouble, however many seats find it out and however often."""

from typing import Any

from castwarden_base.logs import get_logger

from .errors import Away, Fenced, Gone, Unavailable

log = get_logger(__name__)


class Outage:
    """Of one call: the first failure is a warning, those that follow are for who looks closely, and its end is told."""

    def __init__(self, call: str) -> None:
        self._call = call
        self._lasts = False

    def failed(self, event: str, error: Unavailable | Gone | Fenced, **values: Any) -> None:
        """Logs `event`. An answer that is a refusal concerns one resource: it is always a warning."""
        known = self._lasts and isinstance(error, Away)
        (log.debug if known else log.warning)(event, error=str(error), **values)
        self._lasts = isinstance(error, Away)

    def over(self) -> None:
        """The gateway answered."""
        if self._lasts:
            self._lasts = False
            log.info("gateway_back", call=self._call)
