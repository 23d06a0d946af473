# SPDX-License-Identifier: Apache-2.0
"""The supervisor: tasks end with their owner, and one that ends unasked is noticed."""

import asyncio
import os
import signal

import pytest
from castwarden_base.tasks import Supervisor
from castwarden_base.waiting import wait_until


async def forever() -> None:
    await asyncio.Event().wait()


async def test_leaving_the_block_ends_every_task() -> None:
    async with Supervisor() as tasks:
        task = tasks.start("work", forever())
        await asyncio.sleep(0)
        assert tasks.failure() is None
    assert task.cancelled()
    assert tasks.failure() is None


async def test_a_task_that_fails_is_a_health_reason() -> None:
    async def fail() -> None:
        raise ValueError("broken")

    async with Supervisor() as tasks:
        tasks.start("work", fail())
        await wait_until(tasks.failure, 5)
        assert tasks.failure() == "task work ended: ValueError"


async def test_a_task_that_merely_returns_is_a_health_reason_too() -> None:
    async def end() -> None:
        return

    async with Supervisor() as tasks:
        tasks.start("work", end())
        assert await wait_until(tasks.failure, 5) == "task work ended"


async def test_the_first_failure_is_the_one_that_is_told() -> None:
    async def end() -> None:
        return

    async with Supervisor() as tasks:
        tasks.start("first", end())
        await wait_until(tasks.failure, 5)
        tasks.start("second", end())
        await asyncio.sleep(0.01)
        assert tasks.failure() == "task first ended"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_asks_the_process_to_end(number: signal.Signals) -> None:
    async with Supervisor(signals=True) as tasks:
        os.kill(os.getpid(), number)
        await asyncio.wait_for(tasks.stopped(), 10)


async def test_a_task_s_own_cleanup_is_waited_for() -> None:
    cleaned = asyncio.Event()

    async def work() -> None:
        try:
            await forever()
        finally:
            await asyncio.sleep(0.01)
            cleaned.set()

    async with Supervisor() as tasks:
        tasks.start("work", work())
        await asyncio.sleep(0)
    assert cleaned.is_set()
