# SPDX-License-Identifier: Apache-2.0
"""A token bucket over all API writes, so that a restart over thousands of resources does not flood the API server."""

import asyncio


class TokenBucket:
    """Lets `rate` callers pass per second, after a burst of `burst`. First come, first served."""

    def __init__(self, rate: float, burst: int) -> None:
        self._rate = rate
        self._burst = burst
        self._full_at = float("-inf")  # when the bucket would be full again if nobody came any more

    async def take(self) -> None:
        """Return when this caller may go."""
        loop = asyncio.get_running_loop()
        now = loop.time()
        self._full_at = max(self._full_at, now) + 1.0 / self._rate
        wait = self._full_at - now - self._burst / self._rate
        if wait > 0:
            await asyncio.sleep(wait)
