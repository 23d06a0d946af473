# SPDX-License-Identifier: Apache-2.0
"""The threads that decode, and a watch over them: FFmpeg may not come back from a call, and nobody would notice.

A call that takes long is told of. One that does not return is given up, and with it the process: no thread can be
ended, and this one may hold what others need.
"""

import asyncio
import os
import sys
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Generic, NoReturn, TypeVar

from castwarden_base.logs import get_logger
from prometheus_client import Counter

log = get_logger(__name__)
STUCK = Counter("castwarden_worker_stuck_decodes_total", "Calls that decode and took longer than a minute")
_PATIENCE_SECONDS = 60.0
_GRACE_SECONDS = 30.0

T = TypeVar("T")


class Stuck(Exception):
    """The call does not return."""


class Abandoned(Exception):
    """Another call does not return, so this process ends and with it this call."""


class _Call(Generic[T]):
    """One call, for a thread."""

    running: "set[_Call[Any]]" = set()

    def __init__(self, work: Callable[[], T]) -> None:
        self._work = work
        self._began: float | None = None

    def __call__(self) -> T:
        self._began = time.monotonic()
        self.running.add(self)
        try:
            return self._work()
        finally:
            self.running.discard(self)

    @property
    def seconds(self) -> float:
        """How long it has run. It does not while it waits for a thread."""
        return 0.0 if self._began is None else time.monotonic() - self._began


class DecodeThreads:
    """`count` threads for all streams of one process. Made where an event loop runs."""

    def __init__(self, count: int, patience: float = _PATIENCE_SECONDS, grace: float = _GRACE_SECONDS) -> None:
        """A call is told of after `patience` seconds, and given up after `grace` more."""
        self._pool = ThreadPoolExecutor(count, thread_name_prefix="decode")
        self._patience = patience
        self._longest = patience + grace
        self._lost: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    @property
    def is_lost(self) -> bool:
        """Whether a call was given up: the process must end."""
        return self._lost.done()

    async def lost(self) -> None:
        """Returns once it is."""
        await asyncio.wait({self._lost})

    def failure(self) -> str | None:
        """The same as a health reason: should the process not come to its end, it is ended from outside."""
        return "a call that decodes does not return" if self.is_lost else None

    async def run(self, work: Callable[[], T], slow: Callable[[float], Awaitable[None]]) -> T:
        """What `work` gives in a thread. `slow` is awaited with its seconds, once, when it takes long.

        Raises Stuck, or Abandoned when it is another one that does not return.
        """
        if self.is_lost:
            raise Abandoned
        call = _Call(work)
        future = asyncio.get_running_loop().run_in_executor(self._pool, call)
        if await self._outlasts(future, call, self._patience):
            STUCK.inc()
            log.error("decode_stuck", seconds=round(call.seconds))
            await slow(call.seconds)
            if await self._outlasts(future, call, self._longest):
                self._give_up(call)
                raise Stuck(f"a call that decodes has not returned for {call.seconds:.0f} s")
        if not future.done() or future.cancelled():
            raise Abandoned
        return future.result()

    async def _outlasts(self, future: "asyncio.Future[T]", call: _Call[T], limit: float) -> bool:
        """Waits until the call has returned, which is False, or has run for so long."""
        awaited: set[asyncio.Future[Any]] = {future, self._lost}
        while not (future.done() or self.is_lost):
            if (left := limit - call.seconds) <= 0:
                return True
            await asyncio.wait(awaited, timeout=left, return_when=asyncio.FIRST_COMPLETED)
        return False

    def _give_up(self, call: _Call[T]) -> None:
        log.critical("decode_given_up", seconds=round(call.seconds))
        self._lost.set_result(None)
        self._pool.shutdown(wait=False, cancel_futures=True)


def leave(code: int) -> NoReturn:
    """Ends the process. A thread that is in a call would keep the interpreter from it."""
    if _Call.running:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    sys.exit(code)
