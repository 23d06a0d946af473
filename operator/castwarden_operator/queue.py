# SPDX-License-Identifier: Apache-2.0
"""A keyed work queue in the manner of controller-runtime: a key waits once, runs once at a time, backs off alone.

`watch.py` and `resync.py` add keys; the handler is a reconcile. Nothing here knows Kubernetes.
"""

import asyncio
import random
from collections import deque
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass
from typing import Generic, TypeVar

from castwarden_base.logs import get_logger

from .errors import RetryError
from .metrics import Metrics

Key = TypeVar("Key", bound=Hashable)
Handler = Callable[[Key], Awaitable[float | None]]

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Backoff:
    """Delay before the nth retry: doubles from `first` to `largest` seconds, less a random share of up to `jitter`."""

    first: float = 1.0
    largest: float = 300.0
    jitter: float = 0.2

    def delay(self, failures: int) -> float:
        full = min(self.largest, self.first * 2.0 ** min(failures - 1, 62))
        return full * (1.0 - self.jitter * random.random())  # noqa: S311 - spreads load, guards no secret


class WorkQueue(Generic[Key]):
    """Runs `handler` over the added keys with at most `workers` at once, never two for one key.

    The handler returns the seconds after which it wants to see the key again, or None. When it raises, the key comes
    back after its own back-off, and `add`s wait for that too: noise around a failing key must not become a hot loop.
    """

    def __init__(
        self, name: str, handler: Handler[Key], *, workers: int, metrics: Metrics, backoff: Backoff | None = None
    ) -> None:
        self.name = name
        self._handler = handler
        self._workers = workers
        self._metrics = metrics
        self._backoff = backoff or Backoff()
        self._waiting: deque[Key] = deque()
        self._since: dict[Key, float] = {}  # keys that need handling, and since when; in `_waiting` or running
        self._running: dict[Key, float] = {}
        self._timers: dict[Key, asyncio.TimerHandle] = {}
        self._failures: dict[Key, int] = {}
        self._wakeup = asyncio.Semaphore(0)
        metrics.max_concurrent.labels(name).set(workers)
        metrics.depth.labels(name).set_function(lambda: len(self._waiting))
        metrics.unfinished_work.labels(name).set_function(lambda: sum(self._ages()))
        metrics.longest_running.labels(name).set_function(self.longest_running)

    def add(self, key: Key) -> None:
        """Have the key handled soon. While it backs off after a failure, that is when the back-off ends."""
        if key in self._failures and key in self._timers:
            return
        self._enqueue(key)

    def expedite(self, key: Key) -> None:
        """Have the key handled soon whatever failed before: what is wanted of it has changed."""
        self._failures.pop(key, None)
        self._enqueue(key)

    def add_after(self, key: Key, seconds: float) -> None:
        """Have the key handled in so many seconds, or sooner if something adds it sooner. Replaces an earlier delay."""
        self._cancel_timer(key)
        loop = asyncio.get_running_loop()
        self._timers[key] = loop.call_later(seconds, self._fire, key)

    def add_within(self, key: Key, seconds: float) -> None:
        """Like `add`, for keys whose handling serves many adds at once: it may wait so long for more of them."""
        timer = self._timers.get(key)
        if key in self._since or (timer is not None and key in self._failures):
            return
        if timer is None or timer.when() > asyncio.get_running_loop().time() + seconds:
            self.add_after(key, seconds)

    def longest_running(self) -> float:
        """Seconds that the slowest key in hand has taken so far."""
        return max(self._ages(), default=0.0)

    async def run(self) -> None:
        """Handle keys until cancelled."""
        try:
            async with asyncio.TaskGroup() as group:
                for number in range(self._workers):
                    group.create_task(self._work(), name=f"{self.name} worker {number}")
        finally:
            for timer in self._timers.values():
                timer.cancel()
            self._timers.clear()

    def _enqueue(self, key: Key) -> None:
        if key in self._since:
            return
        self._cancel_timer(key)
        self._since[key] = asyncio.get_running_loop().time()
        self._metrics.adds.labels(self.name).inc()
        if key not in self._running:
            self._offer(key)

    def _offer(self, key: Key) -> None:
        self._waiting.append(key)
        self._wakeup.release()

    def _fire(self, key: Key) -> None:
        del self._timers[key]
        self._enqueue(key)

    def _cancel_timer(self, key: Key) -> None:
        timer = self._timers.pop(key, None)
        if timer is not None:
            timer.cancel()

    async def _work(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await self._wakeup.acquire()
            key = self._waiting.popleft()
            started = loop.time()
            self._metrics.queue_duration.labels(self.name).observe(started - self._since.pop(key))
            self._running[key] = started
            self._metrics.active_workers.labels(self.name).inc()
            try:
                await self._handle(key)
            finally:
                del self._running[key]
                self._metrics.active_workers.labels(self.name).dec()
                self._metrics.work_duration.labels(self.name).observe(loop.time() - started)
                self._metrics.reconcile_time.labels(self.name).observe(loop.time() - started)
            if key in self._since:  # added while it ran
                self._offer(key)

    async def _handle(self, key: Key) -> None:
        result = "success"
        try:
            again = await self._handler(key)
        except RetryError as error:
            log.warning("reconcile.retry", queue=self.name, resource=str(key), error=str(error))
            result = self._retry(key, error.after)
        except Exception:  # supervisor: one broken resource must not stop the others
            log.exception("reconcile.failed", queue=self.name, resource=str(key))
            result = self._retry(key, 0.0)
        else:
            self._failures.pop(key, None)
            if again is not None and key not in self._since:
                self.add_within(key, again)  # unless something added it sooner while it ran
                result = "requeue_after"
        self._metrics.reconciles.labels(self.name, result).inc()

    def _retry(self, key: Key, at_least: float) -> str:
        self._failures[key] = self._failures.get(key, 0) + 1
        self._metrics.reconcile_errors.labels(self.name).inc()
        self._metrics.retries.labels(self.name).inc()
        self._since.pop(key, None)  # what was added meanwhile waits for the back-off as well
        self.add_after(key, max(at_least, self._backoff.delay(self._failures[key])))
        return "error"

    def _ages(self) -> list[float]:
        return [asyncio.get_event_loop().time() - started for started in self._running.values()]
