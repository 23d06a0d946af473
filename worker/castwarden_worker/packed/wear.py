# SPDX-License-Identifier: Apache-2.0
"""When this process wants to be replaced: it is old, or it holds too much memory. It says so by not being ready.

The operator makes the next Pod first and moves the seats; until then everything here is watched as ever.
"""

import asyncio
from collections.abc import Callable

from castwarden_base.logs import get_logger

from ..memory import MIB, rss

log = get_logger(__name__)
_TICK = 5.0


def rss_mib() -> float:
    """The memory that this process holds now."""
    return rss() / MIB


class Wear:
    """`reason` is set once and stays. Limits of 0 are none."""

    def __init__(self, max_seconds: float, max_rss_mib: int, rss: Callable[[], float] = rss_mib) -> None:
        self._max_seconds = max_seconds
        self._max_rss = max_rss_mib
        self._rss = rss
        self.reason: str | None = None

    async def run(self) -> None:
        """Returns once it wants to be replaced."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        while self.reason is None:
            await asyncio.sleep(_TICK)
            rss, age = self._rss(), loop.time() - began
            if self._max_rss and rss > self._max_rss:
                self.reason = f"wants to be replaced: it holds {rss:.0f} MiB, more than {self._max_rss}"
            elif self._max_seconds and age > self._max_seconds:
                self.reason = f"wants to be replaced: it is {age:.0f} s old, more than {self._max_seconds:.0f}"
        log.warning("worn_out", reason=self.reason)
