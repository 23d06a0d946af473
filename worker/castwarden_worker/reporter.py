# SPDX-License-Identifier: Apache-2.0
"""Turns what a role saw into reports and sends them, oldest first, until each is acknowledged."""

import asyncio
import time
from collections.abc import Sequence
from typing import TypedDict, Unpack

from castwarden_base.ids import uuid7
from castwarden_base.logs import get_logger
from castwarden_base.retry import backoff
from castwarden_model.messages import (
    DownloadObservation,
    FeedObservation,
    MonitorObservation,
    Occurrence,
    Report,
    ResourceRef,
    Transition,
    VideoSeen,
)
from prometheus_client import Counter

from .errors import Fenced, Gone, Refused, Unavailable
from .gateway import Gateway
from .outage import Outage
from .outbox import Outbox

log = get_logger(__name__)
_OUTAGE = Outage("reports")
REPORTS = Counter("castwarden_worker_reports_total", "Reports by what the gateway answered", ["outcome"])


class Findings(TypedDict, total=False):
    """The parts of a report that roles fill."""

    monitor: MonitorObservation
    transitions: Sequence[Transition]
    occurrences: Sequence[Occurrence]
    feed: FeedObservation
    videos: Sequence[VideoSeen]
    download: DownloadObservation


class Reporter:
    """`tell` what was seen; `run` sends it. `dismissed` is set once the gateway wants nothing more from this worker."""

    def __init__(self, gateway: Gateway, outbox: Outbox, resource: ResourceRef, pod: str, after_seq: int = 0) -> None:
        """`after_seq` is the highest number that an earlier process used, as far as is known."""
        self._gateway = gateway
        self._outbox = outbox
        self._resource = resource
        self._pod = pod
        # Numbers rise over restarts too: within one epoch only the newest snapshot counts.
        self._seq = max(time.time_ns() // 1_000_000, after_seq)
        self.dismissed = asyncio.Event()

    async def tell(self, epoch: int, **findings: Unpack[Findings]) -> Report:
        """Returns the report once it is kept; it is sent in the background."""
        self._seq += 1
        report = Report.model_validate(
            {"id": uuid7(), "resource": self._resource, "pod": self._pod, "epoch": epoch, "seq": self._seq, **findings}
        )
        await self._outbox.add(report)
        return report

    async def told(self, timeout: float) -> bool:
        """Whether everything was taken by the gateway within `timeout` seconds. Needs `run` beside it."""
        try:
            async with asyncio.timeout(timeout):
                await self._outbox.emptied()
        except TimeoutError:
            return False
        return True

    async def run(self) -> None:
        """Sends for as long as the process lives."""
        waits = backoff(first=0.5, cap=30.0)
        while True:
            entry = await self._outbox.first()
            try:
                outcome = await self._send(entry.body())
            except Unavailable as error:
                delay = next(waits)
                REPORTS.labels("unavailable").inc()
                _OUTAGE.failed("report_not_taken", error, waiting=len(self._outbox), retry_seconds=delay)
                await asyncio.sleep(delay)
                continue
            except OSError as error:
                log.error("report_unreadable", path=str(entry.path), error=str(error))
                outcome = "unreadable"
            else:
                _OUTAGE.over()
            REPORTS.labels(outcome).inc()
            await self._outbox.remove(entry)
            waits = backoff(first=0.5, cap=30.0)

    async def _send(self, body: bytes) -> str:
        try:
            ack = await self._gateway.report(body)
        except Refused as error:
            log.error("report_refused", error=str(error), report=body[:2000].decode(errors="replace"))
            return "refused"
        except (Gone, Fenced) as error:
            log.warning("report_dropped", reason=type(error).__name__.lower(), error=str(error))
            self.dismissed.set()
            return type(error).__name__.lower()
        return "duplicate" if ack.duplicate else "taken"
