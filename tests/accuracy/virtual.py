# SPDX-License-Identifier: Apache-2.0
"""An event loop whose time stands still while anything is being computed or sent, and jumps ahead when all wait.

Hours of a live stream pass in minutes although every request goes over a real socket and every picture is decoded.
A slow machine cannot change what happens: an answer takes as long as the origin's script says, and no longer.
"""

import asyncio
import selectors
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from typing import Any
from unittest.mock import patch

_PATIENCE = 5.0  # real seconds without a sign of life after which something under way counts as waiting
_STEP = 0.05
_really = time.monotonic


class _Selector(selectors.BaseSelector):
    """The system's selector, asked at once; instead of waiting it moves the loop's clock."""

    def __init__(self, loop: "VirtualLoop") -> None:
        self._real = selectors.DefaultSelector()
        self._loop = loop

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        return self._real.register(fileobj, events, data)

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        return self._real.unregister(fileobj)

    def modify(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        return self._real.modify(fileobj, events, data)

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        return self._real.get_map()

    def get_key(self, fileobj: Any) -> selectors.SelectorKey:
        return self._real.get_key(fileobj)

    def close(self) -> None:
        self._real.close()

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        events = self._real.select(0)
        if events or timeout == 0:
            return events
        quiet_since = _really()
        while timeout is None or self._loop.computing or self._loop.is_busy():
            if events := self._real.select(_STEP):
                return events
            if not self._loop.computing and timeout is not None and _really() - quiet_since > _PATIENCE:
                self._loop.impatient += 1
                break
        self._loop.now += timeout or 0.0
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    """`is_busy` says whether something outside of the loop's own timers is under way, such as an HTTP exchange."""

    def __init__(self, is_busy: Callable[[], bool] = lambda: False) -> None:
        self.now = 1000.0
        self.is_busy = is_busy
        self.computing = 0  # calls in threads that have not come back
        self.impatient = 0  # times that the clock went on although something seemed to be under way
        super().__init__(_Selector(self))

    def time(self) -> float:
        return self.now

    def run_in_executor(  # type: ignore[override]  # its generic form cannot be written for Python 3.11
        self, executor: Executor | None, func: Any, *args: Any
    ) -> "asyncio.Future[Any]":
        future = super().run_in_executor(executor, func, *args)
        self.computing += 1
        future.add_done_callback(self._computed)
        return future

    def _computed(self, _: "asyncio.Future[Any]") -> None:
        self.computing -= 1


def run(main: Callable[["VirtualLoop"], Any]) -> Any:
    """Runs a coroutine function on a virtual loop of its own, to its end. `time.monotonic` follows it meanwhile."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        loop = runner.get_loop()
        if not isinstance(loop, VirtualLoop):
            raise TypeError("the runner made another loop")
        with patch("time.monotonic", loop.time):
            return runner.run(main(loop))
