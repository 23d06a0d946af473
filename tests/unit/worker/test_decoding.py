# SPDX-License-Identifier: Apache-2.0
"""Threads that decode, with a stand-in for a decoder that does not return."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from threading import Event

import pytest
from castwarden_base.waiting import wait_until
from castwarden_worker.decoding import STUCK, Abandoned, DecodeThreads, Stuck
from castwarden_worker.monitor.rest import Rest

FOR_EVER, AT_ONCE = 3600.0, 0.02
PATIENCE = 30.0


class Blocked:
    """Work that does not return until it is let go."""

    def __init__(self) -> None:
        self.begun, self.free = Event(), Event()

    def __call__(self) -> str:
        self.begun.set()
        self.free.wait()
        return "decoded"


@pytest.fixture
def blocked() -> Iterator[Blocked]:
    made = Blocked()
    yield made
    made.free.set()


class Told:
    """Takes how long each call has taken that is told of."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    async def __call__(self, seconds: float) -> None:
        self.seconds.append(seconds)


async def test_what_work_gives_or_raises_comes_back() -> None:
    threads, told = DecodeThreads(1), Told()
    assert await threads.run(lambda: 7, told) == 7
    with pytest.raises(ZeroDivisionError):
        await threads.run(lambda: 1 // 0, told)
    assert (told.seconds, threads.is_lost) == ([], False)


async def test_a_call_that_takes_long_is_told_of_once_and_what_it_gives_still_counts(blocked: Blocked) -> None:
    threads, told, before = DecodeThreads(1, AT_ONCE, FOR_EVER), Told(), STUCK._value.get()
    running = asyncio.create_task(threads.run(blocked, told))
    await wait_until(lambda: bool(told.seconds), PATIENCE)
    blocked.free.set()
    assert await running == "decoded"
    assert (len(told.seconds), STUCK._value.get() - before, threads.is_lost) == (1, 1, False)


async def test_time_in_the_queue_is_not_counted(blocked: Blocked) -> None:
    threads, told, others = DecodeThreads(1, AT_ONCE, FOR_EVER), Told(), Told()
    running = asyncio.create_task(threads.run(blocked, told))
    await wait_until(blocked.begun.is_set, PATIENCE)
    queued = asyncio.create_task(threads.run(lambda: "next", others))
    await wait_until(lambda: bool(told.seconds), PATIENCE)
    blocked.free.set()
    assert (await running, await queued) == ("decoded", "next")
    assert others.seconds == []


async def test_a_call_that_does_not_return_is_given_up_and_so_are_those_behind_it(blocked: Blocked) -> None:
    threads, told, others = DecodeThreads(1, AT_ONCE, AT_ONCE), Told(), Told()
    assert threads.failure() is None
    running = asyncio.create_task(threads.run(blocked, told))
    queued = asyncio.create_task(threads.run(lambda: "next", others))
    with pytest.raises(Stuck):
        await running
    await threads.lost()
    assert threads.failure() is not None
    with pytest.raises(Abandoned):
        await queued
    with pytest.raises(Abandoned):
        await threads.run(lambda: "too late", others)
    assert (len(told.seconds), others.seconds) == (1, [])


@pytest.mark.parametrize("code", [0, 1])
def test_a_process_ends_though_a_thread_does_not(code: int) -> None:
    script = f"""
import asyncio, threading
from castwarden_worker.decoding import DecodeThreads, Stuck, leave

async def main():
    async def slow(seconds): print("slow")
    try:
        await DecodeThreads(1, {AT_ONCE}, {AT_ONCE}).run(threading.Event().wait, slow)
    except Stuck:
        print("stuck")

asyncio.run(main())
leave({code})
"""
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == code
    assert [line for line in ended.stdout.splitlines() if line in ("slow", "stuck")] == ["slow", "stuck"]


def test_a_rest_lasts_an_hour_of_the_process_that_follows(tmp_path: Path) -> None:
    path, now = tmp_path / "rest", 1e9
    assert Rest(path, lambda: now).is_over()
    Rest(path, lambda: now).begin()
    os.utime(path, (now, now))
    following = Rest(path, lambda: now)
    assert not following.is_over()
    now += 3599
    assert not following.is_over()
    now += 1
    assert following.is_over()


def test_a_rest_that_cannot_be_kept_is_none(tmp_path: Path) -> None:
    path = tmp_path / "gone" / "rest"
    Rest(path).begin()
    assert Rest(path).is_over()
