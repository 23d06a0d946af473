# SPDX-License-Identifier: Apache-2.0
"""The work queue, in virtual time."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
from castwarden_operator.errors import RetryError
from castwarden_operator.metrics import Metrics
from castwarden_operator.queue import Backoff, WorkQueue
from prometheus_client import CollectorRegistry

pytestmark = [pytest.mark.asyncio, pytest.mark.looptime]


def now() -> float:
    return asyncio.get_running_loop().time()


class Recorder:
    """A handler that notes who was handled when, takes a while, and fails for the keys it is told to."""

    def __init__(self, takes: float = 0.0) -> None:
        self.takes = takes
        self.began = now()
        self.calls: list[tuple[str, float]] = []
        self.active: list[str] = []
        self.most_active = 0
        self.answers: dict[str, Callable[[], float | None]] = {}

    async def __call__(self, key: str) -> float | None:
        assert key not in self.active
        self.calls.append((key, round(now() - self.began, 3)))
        self.active.append(key)
        self.most_active = max(self.most_active, len(self.active))
        try:
            await asyncio.sleep(self.takes)
            return self.answers.get(key, lambda: None)()
        finally:
            self.active.remove(key)

    def times(self, key: str) -> list[float]:
        return [at for name, at in self.calls if name == key]


def fails() -> float | None:
    raise ValueError("broken")


@asynccontextmanager
async def running(
    handler: Recorder, workers: int = 2, registry: CollectorRegistry | None = None
) -> AsyncIterator[WorkQueue[str]]:
    queue = WorkQueue(
        "test",
        handler,
        workers=workers,
        metrics=Metrics(registry or CollectorRegistry()),
        backoff=Backoff(first=1.0, largest=300.0, jitter=0.0),
    )
    task = asyncio.create_task(queue.run())
    yield queue
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_a_key_added_often_while_it_waits_is_handled_once() -> None:
    handler = Recorder(takes=1)
    async with running(handler, workers=1) as queue:
        for _ in range(5):
            queue.add("busy")
            queue.add("a")
        await asyncio.sleep(10)
    assert handler.times("a") == [1.0]


async def test_a_key_added_while_it_is_handled_is_handled_again_afterwards() -> None:
    handler = Recorder(takes=2)
    async with running(handler) as queue:
        queue.add("a")
        await asyncio.sleep(1)
        queue.add("a")
        queue.add("a")
        await asyncio.sleep(10)
    assert handler.times("a") == [0.0, 2.0]


async def test_no_more_keys_than_workers_are_handled_at_once() -> None:
    handler = Recorder(takes=1)
    async with running(handler, workers=3) as queue:
        for number in range(10):
            queue.add(str(number))
        await asyncio.sleep(10)
    assert handler.most_active == 3
    assert len(handler.calls) == 10


async def test_a_failing_key_comes_back_ever_more_slowly_up_to_five_minutes() -> None:
    handler = Recorder()
    handler.answers["a"] = fails
    async with running(handler) as queue:
        queue.add("a")
        await asyncio.sleep(1200)
    assert handler.times("a") == [0, 1, 3, 7, 15, 31, 63, 127, 255, 511, 811, 1111]


async def test_a_failing_key_does_not_delay_the_others() -> None:
    handler = Recorder()
    handler.answers["broken"] = fails
    async with running(handler, workers=1) as queue:
        queue.add("broken")
        queue.add("healthy")
        await asyncio.sleep(0.5)
        queue.add("healthy")
        await asyncio.sleep(0.1)
    assert handler.times("healthy") == [0.0, 0.5]


async def test_adding_a_failing_key_does_not_shorten_its_back_off() -> None:
    handler = Recorder()
    handler.answers["a"] = fails
    async with running(handler) as queue:
        queue.add("a")
        for _ in range(25):
            await asyncio.sleep(0.1)
            queue.add("a")
    assert handler.times("a") == [0.0, 1.0]


async def test_what_is_added_while_a_key_fails_waits_for_the_back_off_too() -> None:
    handler = Recorder(takes=0.5)
    handler.answers["a"] = fails
    async with running(handler) as queue:
        queue.add("a")
        await asyncio.sleep(0.2)
        queue.add("a")
        await asyncio.sleep(2)
    assert handler.times("a") == [0.0, 1.5]


async def test_a_changed_request_is_tried_at_once_and_starts_a_new_back_off() -> None:
    handler = Recorder()
    handler.answers["a"] = fails
    async with running(handler) as queue:
        queue.add("a")
        await asyncio.sleep(4)
        queue.expedite("a")
        await asyncio.sleep(1.5)
    assert handler.times("a") == [0, 1, 3, 4, 5]


async def test_a_success_forgets_earlier_failures() -> None:
    handler = Recorder()
    handler.answers["a"] = fails
    async with running(handler) as queue:
        queue.add("a")
        await asyncio.sleep(2)
        handler.answers["a"] = lambda: None
        await asyncio.sleep(2)
        handler.answers["a"] = fails
        queue.add("a")
        await asyncio.sleep(1.5)
    assert handler.times("a") == [0, 1, 3, 4, 5]


async def test_the_servers_wait_is_the_shortest_back_off() -> None:
    def told_to_wait() -> float | None:
        raise RetryError("too many requests", after=20)

    handler = Recorder()
    handler.answers["a"] = told_to_wait
    async with running(handler) as queue:
        queue.add("a")
        await asyncio.sleep(30)
    assert handler.times("a") == [0, 20]


async def test_a_handler_sees_its_key_again_when_it_asked_to() -> None:
    handler = Recorder()
    handler.answers["a"] = lambda: 5.0
    async with running(handler) as queue:
        queue.add("a")
        await asyncio.sleep(12)
    assert handler.times("a") == [0, 5, 10]


async def test_an_add_comes_before_a_requested_delay_and_replaces_it() -> None:
    handler = Recorder()
    handler.answers["a"] = lambda: 5.0
    async with running(handler) as queue:
        queue.add("a")
        await asyncio.sleep(2)
        queue.add("a")
        await asyncio.sleep(6)
    assert handler.times("a") == [0, 2, 7]


async def test_back_off_is_spread_by_jitter_but_never_longer_than_promised() -> None:
    backoff = Backoff(first=1.0, largest=300.0, jitter=0.2)
    delays = [backoff.delay(5) for _ in range(200)]
    assert all(12.8 <= delay <= 16 for delay in delays)
    assert len(set(delays)) > 100
    assert backoff.delay(10_000) <= 300


async def test_the_longest_running_key_is_visible_while_it_runs() -> None:
    handler = Recorder(takes=100)
    async with running(handler) as queue:
        queue.add("a")
        await asyncio.sleep(30)
        queue.add("b")
        await asyncio.sleep(10)
        assert queue.longest_running() == pytest.approx(40)


async def test_metrics_have_the_names_and_labels_of_controller_runtime() -> None:
    registry = CollectorRegistry()
    handler = Recorder(takes=1)
    handler.answers["a"] = fails
    async with running(handler, workers=1, registry=registry) as queue:
        queue.add("a")
        queue.add("b")
        await asyncio.sleep(0.5)

        def value(series: str, **labels: str) -> float | None:
            return registry.get_sample_value(series, labels)

        assert value("workqueue_depth", name="test") == 1
        assert value("workqueue_unfinished_work_seconds", name="test") == pytest.approx(0.5)
        assert value("controller_runtime_active_workers", controller="test") == 1
        await asyncio.sleep(1.6)
        assert value("workqueue_adds_total", name="test") == 3
        assert value("workqueue_retries_total", name="test") == 1
        assert value("workqueue_queue_duration_seconds_sum", name="test") == pytest.approx(1.0)
        assert value("workqueue_work_duration_seconds_count", name="test") == 2
        assert value("controller_runtime_reconcile_total", controller="test", result="error") == 1
        assert value("controller_runtime_reconcile_total", controller="test", result="success") == 1
        assert value("controller_runtime_reconcile_errors_total", controller="test") == 1
        assert value("controller_runtime_reconcile_time_seconds_count", controller="test") == 2
        assert value("controller_runtime_max_concurrent_reconciles", controller="test") == 1


async def test_what_is_added_within_a_time_is_handled_once_for_all_and_no_later() -> None:
    handler = Recorder()
    async with running(handler) as queue:
        queue.add_within("pool", 0.5)
        await asyncio.sleep(0.3)
        queue.add_within("pool", 0.5)
        queue.add_within("other", 9.0)
        queue.add_within("other", 1.0)
        await asyncio.sleep(20)
    assert handler.calls == [("pool", 0.5), ("other", 1.3)]


async def test_what_is_added_within_a_time_while_it_runs_is_not_put_off_by_its_own_answer() -> None:
    handler = Recorder(takes=1.0)
    handler.answers["pool"] = lambda: 300.0
    async with running(handler) as queue:
        queue.add("pool")
        await asyncio.sleep(0.9)
        queue.add_within("pool", 0.5)
        await asyncio.sleep(10)
    assert handler.times("pool") == [0.0, 1.4]


async def test_what_is_added_within_a_time_waits_for_the_back_off() -> None:
    handler = Recorder()
    handler.answers["pool"] = fails
    async with running(handler) as queue:
        queue.add("pool")
        await asyncio.sleep(0.1)
        handler.answers.clear()
        queue.add_within("pool", 0.1)
        await asyncio.sleep(10)
    assert handler.times("pool") == [0.0, 1.0]
