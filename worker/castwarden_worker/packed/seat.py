# SPDX-License-Identifier: Apache-2.0
"""One Monitor in a process of many: runs its role with an outbox of its own, and again after a while when it ends.

Nothing that happens to one seat touches another.
"""

import asyncio
import shutil
from pathlib import Path

from castwarden_base.health import HealthServer
from castwarden_base.logs import get_logger
from castwarden_base.retry import backoff
from castwarden_model.messages import ResourceRef
from prometheus_client import Counter
from structlog.contextvars import bind_contextvars

from ..assignments import Assignments
from ..gateway import Gateway
from ..monitor.role import StreamRole
from ..outbox import Outbox
from ..reporter import Reporter
from ..settings import WorkerSettings
from ..shell import FLUSH_SECONDS, Work
from .shared import Shared

log = get_logger(__name__)
ENDS = Counter("castwarden_worker_seat_ends_total", "Seats that stopped watching while they were listed", ["reason"])
_STABLE = 120.0  # seconds after which the next trouble is a new one


class Seat:
    """`run` watches until it is cancelled; then `leave_no_trace` once the seat is somebody else's."""

    def __init__(self, ref: ResourceRef, settings: WorkerSettings, shared: Shared) -> None:
        self.ref = ref
        self._settings = settings
        self._shared = shared
        self._outbox: Outbox | None = None

    async def run(self) -> None:
        """Watches. Who was fenced or cannot find its Monitor tries again for as long as the seat is listed."""
        bind_contextvars(monitor=self.ref.name)
        loop = asyncio.get_running_loop()
        waits = backoff(first=1.0, cap=60.0)
        while True:
            await self._shared.pace.turn()
            began = loop.time()
            try:
                why = await self._sit()
            except Exception:  # the supervisor of a seat: whatever it is, the others watch on
                log.exception("seat_failed")
                why = "failed"
            ENDS.labels(why).inc()
            if loop.time() - began > _STABLE:
                waits = backoff(first=1.0, cap=60.0)
            delay = next(waits)
            log.info("seat_ended", reason=why, retry_seconds=delay)
            await asyncio.sleep(delay)

    def trouble(self) -> str | None:
        """Why reports would be lost with this process, or None."""
        return self._outbox.trouble() if self._outbox else None

    def leave_no_trace(self) -> None:
        """Removes the seat's folder, unless something in it was not told yet."""
        if not any((self._settings.state_dir / "outbox").glob("*.json")):
            shutil.rmtree(self._settings.state_dir, ignore_errors=True)

    async def _sit(self) -> str:
        """Watches until there is no more to do for this process, and tells why."""
        settings, outbox = self._settings, Outbox(self._settings.state_dir / "outbox")
        unsent = await asyncio.to_thread(outbox.open)
        self._outbox = outbox
        gateway = Gateway(settings.gateway_url, self.ref, settings.credentials, self._shared.inside)
        after = max((report.seq for report in unsent), default=0)
        reporter = Reporter(gateway, outbox, self.ref, settings.pod_name, after_seq=after)
        assignments = Assignments(gateway, self.ref, settings.state_dir / "assignment.json")

        async def work() -> None:
            given = await assignments.changed()
            health = HealthServer(settings.pod_ip, 0)  # never listens: a seat has no readiness of its own
            own = Work(settings, given, assignments, reporter, health, gateway)
            await StreamRole(own, self._shared.outbound, self._shared.resolver, self._shared.threads).run()

        reporting = asyncio.create_task(reporter.run(), name="reporter")
        following = asyncio.create_task(assignments.run(unsent), name="assignments")
        others = [
            asyncio.create_task(work(), name="role"),
            asyncio.create_task(assignments.gone.wait(), name="gone"),
            asyncio.create_task(reporter.dismissed.wait(), name="dismissed"),
        ]
        try:
            done, _ = await asyncio.wait({reporting, following, *others}, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
            return "gone" if assignments.gone.is_set() else "dismissed" if reporter.dismissed.is_set() else "ended"
        finally:
            await _end(following, *others)
            if not reporting.done():
                await reporter.told(FLUSH_SECONDS)
            await _end(reporting)
            outbox.close()
            self._outbox = None


def forget_all_but(folder: Path, uids: set[str]) -> None:
    """Removes what seats left that are no longer in this Pod, when an earlier process could not."""
    for path in folder.glob("*"):
        if path.name not in uids:
            shutil.rmtree(path, ignore_errors=True)


async def _end(*tasks: "asyncio.Task[object]") -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
