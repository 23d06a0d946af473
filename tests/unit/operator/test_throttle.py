# SPDX-License-Identifier: Apache-2.0
"""The token bucket over API requests, in virtual time."""

import asyncio

import pytest
from castwarden_operator.throttle import TokenBucket

pytestmark = [pytest.mark.asyncio, pytest.mark.looptime]


async def _pass(bucket: TokenBucket, callers: int) -> list[float]:
    loop = asyncio.get_running_loop()
    began = loop.time()

    async def one() -> float:
        await bucket.take()
        return round(loop.time() - began, 2)

    return await asyncio.gather(*(one() for _ in range(callers)))


async def test_a_burst_passes_at_once_and_the_rest_at_the_rate_in_order() -> None:
    assert await _pass(TokenBucket(rate=10, burst=3), 6) == [0, 0, 0, 0.1, 0.2, 0.3]


async def test_a_quiet_time_fills_the_bucket_but_never_beyond_the_burst() -> None:
    bucket = TokenBucket(rate=10, burst=3)
    await _pass(bucket, 3)
    await asyncio.sleep(100)
    assert await _pass(bucket, 5) == [0, 0, 0, 0.1, 0.2]
