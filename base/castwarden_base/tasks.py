# SPDX-License-Identifier: Apache-2.0
"""The owner of a process's background tasks: notices one that ends unasked, ends them all on SIGTERM or SIGINT."""

import asyncio
import signal
from collections.abc import Coroutine
from typing import Any, Self

from prometheus_client import Counter

from castwarden_base.logs import get_logger

log = get_logger(__name__)
ENDED = Counter("castwarden_tasks_ended_unasked_total", "Background tasks that ended though nobody asked", ["task"])


class Supervisor:
    """`async with Supervisor() as tasks: tasks.start("name", coro()); await tasks.stopped()`.

    Leaving the block cancels every task and waits for it. Give `failure` to `HealthServer.live_while`.
    """

    def __init__(self, *, signals: bool = False) -> None:
        """`signals` makes SIGTERM and SIGINT set `stopped()` while the block runs."""
        self._signals = signals
        self._tasks: set[asyncio.Task[Any]] = set()
        self._stop = asyncio.Event()
        self._leaving = False
        self._failed: str | None = None

    def start(self, name: str, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Runs `work`, which is expected to last as long as the process."""
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def failure(self) -> str | None:
        """The first task that ended unasked, as a health reason."""
        return self._failed

    def stop(self) -> None:
        """Asks the process to end; `stopped()` returns."""
        self._stop.set()

    async def stopped(self) -> None:
        """Returns once the process was asked to end."""
        await self._stop.wait()

    async def __aenter__(self) -> Self:
        if self._signals:
            loop = asyncio.get_running_loop()
            for number in (signal.SIGTERM, signal.SIGINT):
                loop.add_signal_handler(number, self.stop)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._leaving = True
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._signals:
            loop = asyncio.get_running_loop()
            for number in (signal.SIGTERM, signal.SIGINT):
                loop.remove_signal_handler(number)

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if self._leaving:
            if error:
                log.error("task_failed_while_stopping", task=task.get_name(), exc_info=error)
            return
        name = task.get_name()
        ENDED.labels(name).inc()
        self._failed = self._failed or f"task {name} ended" + (f": {type(error).__name__}" if error else "")
        log.error("task_ended_unasked", task=name, exc_info=error)
