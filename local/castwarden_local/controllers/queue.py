# SPDX-License-Identifier: Apache-2.0
"""A work queue by key: a key waits at most once, is worked on by one task at a time, and comes again when asked."""

import asyncio
import heapq
import itertools
from collections.abc import Awaitable, Callable, Hashable
from datetime import timedelta
from typing import Generic, TypeVar

from castwarden_base.logs import get_logger

from castwarden_local.standin.errors import ApiError, Conflict

log = get_logger(__name__)
K = TypeVar("K", bound=Hashable)

FIRST_RETRY = 0.05
LONGEST_RETRY = 30.0
RESOLUTION = 0.001  # seconds; a wait shorter than what the loop's clock can tell apart would never end


class WorkQueue(Generic[K]):
    """`work(key)` brings one object up to date and returns when it wants to be called again at the latest."""

    def __init__(self, work: Callable[[K], Awaitable[timedelta | None]]) -> None:
        self._work = work
        self._due: dict[K, float] = {}
        self._heap: list[tuple[float, int, K]] = []
        self._order = itertools.count()
        self._failures: dict[K, int] = {}
        self._changed = asyncio.Event()

    def add(self, key: K, after_seconds: float = 0.0) -> None:
        """Makes the key due; a key that is due earlier already stays so."""
        at = asyncio.get_running_loop().time() + after_seconds
        if at < self._due.get(key, float("inf")):
            self._due[key] = at
            heapq.heappush(self._heap, (at, next(self._order), key))
            self._changed.set()

    async def run(self) -> None:
        """Works for ever, one key at a time."""
        while True:
            key = await self._next()
            try:
                again = await self._work(key)
            except ApiError as error:
                self._retry(key, error)
            except Exception:  # a supervisor: one object's trouble must not stop all others
                log.exception("work_failed", key=key)
                self._retry(key, None)
            else:
                self._failures.pop(key, None)
                if again is not None:
                    self.add(key, max(again.total_seconds(), 0.0))

    async def _next(self) -> K:
        while True:
            self._changed.clear()
            now = asyncio.get_running_loop().time()
            wait: float | None = None
            while self._heap:
                at, _, key = self._heap[0]
                if self._due.get(key) != at:  # was made due earlier and has been worked on
                    heapq.heappop(self._heap)
                elif at <= now + RESOLUTION:
                    heapq.heappop(self._heap)
                    del self._due[key]
                    return key
                else:
                    wait = at - now
                    break
            try:
                async with asyncio.timeout(wait):
                    await self._changed.wait()
            except TimeoutError:
                continue

    def _retry(self, key: K, error: ApiError | None) -> None:
        failures = self._failures[key] = self._failures.get(key, 0) + 1
        seconds = min(FIRST_RETRY * 2 ** min(failures - 1, 20), LONGEST_RETRY)
        if error is not None and not isinstance(error, Conflict):
            log.warning("work_retried", key=key, reason=error.reason, message=error.message, after_seconds=seconds)
        self.add(key, seconds)
