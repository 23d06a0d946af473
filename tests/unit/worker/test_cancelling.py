# SPDX-License-Identifier: Apache-2.0
"""Whoever waits with a limit can be stopped at any moment, also at the very one when the waiting is over."""

import asyncio
from collections.abc import Awaitable, Callable
from types import SimpleNamespace
from typing import Any, cast

import pytest
from castwarden_model.messages import ResourceRef
from castwarden_worker.monitor.role import StreamRole
from castwarden_worker.reporter import Reporter

pytestmark = pytest.mark.looptime
REF = ResourceRef(kind="Monitor", namespace="media", name="main", uid="uid-1")


def told(event: asyncio.Event) -> Awaitable[Any]:
    outbox = cast("Any", SimpleNamespace(emptied=event.wait))
    return Reporter(cast("Any", None), outbox, REF, "pod-1").told(60)


def paused(event: asyncio.Event) -> Awaitable[Any]:
    return StreamRole._pause(cast("Any", SimpleNamespace(_nudge=event)), 60)


@pytest.mark.parametrize("ticks", range(5))
@pytest.mark.parametrize("wait", [told, paused])
async def test_a_cancellation_is_not_lost_to_what_was_waited_for(
    wait: Callable[[asyncio.Event], Awaitable[Any]], ticks: int
) -> None:
    event = asyncio.Event()

    async def work() -> None:
        await wait(event)
        await asyncio.Event().wait()

    task = asyncio.create_task(work())
    await asyncio.sleep(1)
    event.set()
    for _ in range(ticks):
        await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait({task}, timeout=1)
    assert task.cancelled()
