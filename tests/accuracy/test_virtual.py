# SPDX-License-Identifier: Apache-2.0
"""The virtual clock jumps over waiting, and never over work."""

import asyncio
import time

from tests.accuracy.virtual import VirtualLoop, run


def test_an_hour_of_waiting_passes_at_once() -> None:
    async def main(loop: VirtualLoop) -> float:
        began = loop.time()
        await asyncio.sleep(3600)
        return loop.time() - began

    assert abs(run(main) - 3600) < 1e-3


def test_no_time_passes_while_a_thread_works() -> None:
    slowly = time.sleep  # a thread that takes real time

    async def main(loop: VirtualLoop) -> float:
        began = loop.time()
        ticking = asyncio.create_task(asyncio.sleep(5))
        await asyncio.to_thread(slowly, 0.2)
        passed = loop.time() - began
        ticking.cancel()
        return passed

    assert run(main) == 0.0


def test_monotonic_time_is_the_loops() -> None:
    async def main(loop: VirtualLoop) -> float:
        began = time.monotonic()
        await asyncio.sleep(50)
        return time.monotonic() - began

    assert abs(run(main) - 50) < 1e-3
