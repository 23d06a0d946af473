# SPDX-License-Identifier: Apache-2.0
"""How results gather into batches, in virtual time."""

import asyncio

import pytest
from castwarden_gateway.webhooks.flush import Buffer

pytestmark = [pytest.mark.asyncio, pytest.mark.looptime]


async def test_a_batch_waits_a_moment_for_others_to_join() -> None:
    buffer: Buffer[str] = Buffer(seconds=0.05, size=10)
    loop = asyncio.get_running_loop()
    loop.call_later(1.0, buffer.put, "first")
    loop.call_later(1.04, buffer.put, "second")
    loop.call_later(1.06, buffer.put, "late")
    assert await buffer.batch() == ["first", "second"]
    assert loop.time() == pytest.approx(1.05)


async def test_a_full_batch_does_not_wait() -> None:
    buffer: Buffer[int] = Buffer(seconds=60.0, size=3)
    for number in range(5):
        buffer.put(number)
    assert await buffer.batch() == [0, 1, 2]
    assert asyncio.get_running_loop().time() == 0


async def test_results_stay_until_they_are_written() -> None:
    buffer: Buffer[int] = Buffer(seconds=0.05, size=3)
    for number in range(4):
        buffer.put(number)
    assert await buffer.batch() == await buffer.batch() == [0, 1, 2]
    buffer.written(3)
    assert await buffer.batch() == [3]
    buffer.written(1)
    assert len(buffer) == 0
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(buffer.batch(), 1.0)
