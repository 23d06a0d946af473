# SPDX-License-Identifier: Apache-2.0
"""What every role runs in: assignment, outbox, health server, an orderly end. A role only does its work and tells."""

import asyncio
import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from castwarden_base.health import HealthServer
from castwarden_base.logs import get_logger
from castwarden_base.tasks import Supervisor
from castwarden_model.messages import Assignment

from .assignments import Assignments
from .gateway import Gateway
from .outbox import Outbox
from .reporter import Reporter
from .settings import WorkerSettings

log = get_logger(__name__)
FLUSH_SECONDS = 3.0
INTERRUPTED = 143
"""Exit code of a role with an end, stopped before it: a Job must not count it as done."""


@dataclass(frozen=True, slots=True)
class Work:
    """What a role is given. It returns the exit code when its work has an end."""

    settings: WorkerSettings
    assignment: Assignment
    assignments: Assignments
    reporter: Reporter
    health: HealthServer
    gateway: Gateway


Role = Callable[[Work], Awaitable[int]]


async def run_role(role: Role, settings: WorkerSettings, *, endless: bool) -> int:
    """The process's main: runs the role until it ends, the resource is gone, or a signal. Returns the exit code.

    `endless` roles have no end of their own, so that a signal ends them with success.
    """
    outbox = Outbox(settings.state_dir / "outbox")
    unsent = outbox.open()
    async with (
        Gateway(settings.gateway_url, settings.resource, settings.credentials) as gateway,
        HealthServer(settings.pod_ip, settings.health_port) as health,
        Supervisor(signals=True) as tasks,
    ):
        reporter = Reporter(
            gateway, outbox, settings.resource, settings.pod_name, after_seq=max((r.seq for r in unsent), default=0)
        )
        assignments = Assignments(gateway, settings.resource, settings.state_dir / "assignment.json")
        health.live_while("tasks", tasks.failure)
        health.ready_while("assignment", lambda: None if assignments.current else "no assignment yet")
        health.ready_while("outbox", outbox.trouble)
        tasks.start("reporter", reporter.run())
        tasks.start("assignments", assignments.run(unsent))
        log.info("worker_started", kind=settings.kind, name=settings.name, unsent=len(unsent), pid=os.getpid())

        def work(assignment: Assignment) -> Work:
            return Work(settings, assignment, assignments, reporter, health, gateway)

        code = await _until_over(role, work, assignments, reporter, tasks)
        code = (0 if endless else INTERRUPTED) if code is None else code
        flushed = await reporter.told(FLUSH_SECONDS)
        log.info("worker_ended", code=code, unsent=0 if flushed else len(outbox))
        return code


async def _until_over(
    role: Role,
    given: Callable[[Assignment], Work],
    assignments: Assignments,
    reporter: Reporter,
    tasks: Supervisor,
) -> int | None:
    """The role's exit code, 0 when there is nothing left to do, None after a signal."""

    async def work() -> int:
        return await role(given(await assignments.changed()))

    doing = asyncio.create_task(work(), name="role")
    dismissals = [
        asyncio.create_task(waiting, name=name)
        for name, waiting in (("gone", assignments.gone.wait()), ("dismissed", reporter.dismissed.wait()))
    ]
    stopping = asyncio.create_task(tasks.stopped(), name="stopped")
    everything = (doing, *dismissals, stopping)
    try:
        await asyncio.wait(everything, return_when=asyncio.FIRST_COMPLETED)
        if doing.done():
            return doing.result()
        return None if stopping.done() else 0
    except Exception:  # the supervisor of the role: whatever it is, it is logged and ends the process
        log.exception("role_failed")
        return 1
    finally:
        for task in everything:
            task.cancel()
        await asyncio.gather(*everything, return_exceptions=True)
