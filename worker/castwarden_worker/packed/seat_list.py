# SPDX-License-Identifier: Apache-2.0
"""Knows which Monitors have a seat here: long-polls the gateway, and goes on with the last list while it is down."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

from castwarden_base.logs import get_logger
from castwarden_base.retry import backoff
from castwarden_model.messages import ResourceRef, Seats
from pydantic import ValidationError

from ..assignments import LONGEST_WAIT
from ..errors import Fenced, Gone, Unavailable
from ..gateway import PoolGateway
from ..outage import Outage
from ..outbox import write_durably
from .hall import Hall

log = get_logger(__name__)


class SeatList:
    """`run` keeps the hall as the gateway wants it. `current` is the list, None until one is known."""

    def __init__(self, gateway: PoolGateway, hall: Hall, kept: Path) -> None:
        """`kept` is the file that a restarted process reads when the gateway is down."""
        self._gateway = gateway
        self._hall = hall
        self._kept = kept
        self.current: Sequence[ResourceRef] | None = None
        self.emptied = asyncio.Event()
        """Set while the gateway says that nobody has a seat here."""

    async def run(self) -> None:
        """Follows the list for as long as the process lives."""
        waits = backoff(first=0.5, cap=30.0)
        outage = Outage("seats")
        version: str | None = None
        while True:
            try:
                found = await self._gateway.seats(version, LONGEST_WAIT if version else 0)
            except (Unavailable, Gone, Fenced) as error:
                delay = next(waits)
                outage.failed("seats_unavailable", error, retry_seconds=delay)
                if self.current is None and (kept := await asyncio.to_thread(self._read_kept)):
                    log.info("kept_seats_used", version=kept.version)
                    self._take(kept)
                await asyncio.sleep(delay)
                continue
            waits = backoff(first=0.5, cap=30.0)
            outage.over()
            if found is not None:
                first, version = version is None, found.version
                self._take(found)
                await asyncio.to_thread(self._keep, found)
                if first:
                    await self._hall.tidy()
                if found.seats:
                    self.emptied.clear()
                else:
                    self.emptied.set()

    def _take(self, found: Seats) -> None:
        self.current = found.seats
        self._hall.arrange(found.seats)

    def _keep(self, found: Seats) -> None:
        try:
            self._kept.parent.mkdir(parents=True, exist_ok=True)
            write_durably(self._kept, found.model_dump_json().encode())
        except OSError as error:
            log.warning("seats_not_kept", error=str(error))

    def _read_kept(self) -> Seats | None:
        try:
            return Seats.model_validate_json(self._kept.read_bytes())
        except FileNotFoundError:
            return None
        except (ValidationError, OSError) as error:
            log.warning("kept_seats_unreadable", error=str(error))
            return None
