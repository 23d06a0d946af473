# SPDX-License-Identifier: Apache-2.0
"""What goes wrong in the engine, as log lines and a counter. A part that tries again says so once until it works."""

from castwarden_base.logs import get_logger

from castwarden_gateway.db import DRIVER_ERRORS, DatabaseUnavailable
from castwarden_gateway.webhooks import metrics

log = get_logger(__name__)
DATABASE_ERRORS = (*DRIVER_ERRORS, DatabaseUnavailable)


class Troubles:
    def __init__(self) -> None:
        self._troubled: set[str] = set()

    def tell(self, part: str, error: Exception) -> None:
        """A part that will try again."""
        if part in self._troubled:
            metrics.ENGINE_ERRORS.labels(part).inc()
            return
        self._troubled.add(part)
        self.failed(part, error)

    def over(self, part: str) -> None:
        """It works again."""
        self._troubled.discard(part)

    def failed(self, part: str, error: Exception, **context: str) -> None:
        metrics.ENGINE_ERRORS.labels(part).inc()
        log.warning("webhook_engine_trouble", part=part, error=f"{type(error).__name__}: {error}", **context)
