# SPDX-License-Identifier: Apache-2.0
"""The controllers' queue and the probes' rules, on virtual time."""

import asyncio
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest
from castwarden_local.controllers.queue import WorkQueue
from castwarden_local.runner import probes
from castwarden_local.standin.errors import Conflict, Unavailable

pytestmark = pytest.mark.looptime


@asynccontextmanager
async def running(queue: WorkQueue[str]) -> AsyncIterator[None]:
    task = asyncio.create_task(queue.run())
    yield
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_a_key_that_is_added_twice_is_worked_on_once() -> None:
    done = []

    async def work(key: str) -> None:
        done.append(key)

    queue = WorkQueue(work)
    for key in "aba":
        queue.add(key)
    async with running(queue):
        await asyncio.sleep(1)
    assert done == ["a", "b"]


async def test_a_key_comes_again_when_its_work_asks_for_it() -> None:
    times = []

    async def work(_: str) -> timedelta | None:
        times.append(asyncio.get_running_loop().time())
        return timedelta(seconds=5) if len(times) < 3 else None

    queue = WorkQueue(work)
    queue.add("a")
    async with running(queue):
        await asyncio.sleep(60)
    assert times == [0, 5, 10]


async def test_an_earlier_call_replaces_a_later_one() -> None:
    times = []

    async def work(_: str) -> None:
        times.append(asyncio.get_running_loop().time())

    queue = WorkQueue(work)
    queue.add("a", 30)
    queue.add("a", 10)
    async with running(queue):
        await asyncio.sleep(60)
    assert times == [10]


@pytest.mark.parametrize("error", [Unavailable("away"), Conflict("changed"), ValueError("a bug")])
async def test_failed_work_is_tried_again_ever_later_and_others_go_on(error: Exception) -> None:
    times: list[float] = []
    others: list[str] = []

    async def work(key: str) -> None:
        if key == "b":
            others.append(key)
            return
        times.append(asyncio.get_running_loop().time())
        if len(times) < 4:
            raise error

    queue = WorkQueue(work)
    queue.add("a")
    queue.add("b")
    async with running(queue):
        await asyncio.sleep(60)
    assert [round(b - a, 3) for a, b in itertools.pairwise(times)] == [0.05, 0.1, 0.2]
    assert others == ["b"]


async def decisions(
    monkeypatch: pytest.MonkeyPatch, answers: list[bool], *, good: bool, eager: bool, **probe: int
) -> list[tuple[float, bool]]:
    """What a probe decides and when, given its answers; the last one goes on for ever."""
    loop, left, found = asyncio.get_running_loop(), list(answers), []

    async def ask(*_: object) -> str:
        return "" if (left.pop(0) if len(left) > 1 else left[0]) else "no"

    async def decided(answer: bool, _: str) -> None:
        found.append((loop.time(), answer))

    monkeypatch.setattr(probes, "ask", ask)
    target: probes.Target = None  # type: ignore[assignment]  # `ask` is replaced, nobody looks at it
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(100):
            await probes.watch(probe, target, decided, good=good, eager=eager)
    return found


async def test_liveness_gives_up_after_three_failures_in_a_row(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = [True, False, False, True, False, False, False]
    assert await decisions(monkeypatch, answers, good=True, eager=False) == [(60, False)]


async def test_readiness_comes_with_the_first_success_and_goes_with_the_threshold(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    answers = [False, True, False, True, False, False, True]
    found = await decisions(
        monkeypatch, answers, good=False, eager=False, periodSeconds=5, failureThreshold=2, initialDelaySeconds=1
    )
    assert found == [(6, True), (26, False), (31, True)]


async def test_an_unready_container_is_asked_more_often_at_first(monkeypatch: pytest.MonkeyPatch) -> None:
    found = await decisions(monkeypatch, [False, False, True], good=False, eager=True)
    assert [(round(at, 3), good) for at, good in found] == [(0.25, True)]
