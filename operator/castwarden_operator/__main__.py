# SPDX-License-Identifier: Apache-2.0
"""`python -m castwarden_operator`: waits for the lease, then reconciles until SIGTERM or until the lease is lost."""

import asyncio
import secrets
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from castwarden_base.health import HealthServer
from castwarden_base.logs import get_logger
from castwarden_base.run import run
from castwarden_base.tasks import Supervisor
from castwarden_model.resources import Channel, DownloadJob, Monitor

from .apply import Applier
from .book import Book
from .cache import Cache
from .controller import Controller, Model, Reconciler
from .election import Election
from .kinds import BY_NAME, POOL, RESOURCES, Ref
from .kube import Api, connect
from .lease import ApiLease
from .metrics import Metrics
from .observe import Observer
from .pools import PoolController
from .queue import WorkQueue
from .reconcile import channel, downloadjob
from .rollout import Rollout
from .settings import Settings
from .throttle import TokenBucket
from .watch import watch

log = get_logger(__name__)

_LEASE = "castwarden-operator"
_STUCK_SECONDS = 300.0  # for one reconcile; each of its requests gives up after 30
_CONTROLLERS: dict[str, tuple[Model, Reconciler]] = {
    Channel.KIND: (Channel, channel.reconcile),
    DownloadJob.KIND: (DownloadJob, downloadjob.reconcile),
}


async def operate(settings: Settings) -> int:
    """Run until asked to end (0) or until something essential fails (1)."""
    metrics = Metrics()
    async with (
        HealthServer(settings.health_host, settings.health_port) as health,
        connect(metrics, None) as lease_api,
        connect(metrics, TokenBucket(settings.qps, settings.burst)) as api,
        Supervisor(signals=True) as tasks,
    ):
        log.info("operator_started", namespaces=settings.watch_namespaces or "all", health_port=health.port)
        health.live_while("tasks", tasks.failure)
        leading = tasks.start("leader", _lead(api, lease_api, settings, metrics, health, tasks.stop))
        stopped = asyncio.create_task(tasks.stopped())
        await asyncio.wait({leading, stopped}, return_when=asyncio.FIRST_COMPLETED)
        stopped.cancel()
        return 1 if leading.done() else 0


async def _lead(
    api: Api,
    lease_api: Api,
    settings: Settings,
    metrics: Metrics,
    health: HealthServer,
    stop: Callable[[], None],
) -> None:
    """Everything that only the leader does. Ends with an error when any part of it ends."""
    cache = Cache()
    queues = _queues(cache, Applier(api, cache, settings.own_name), settings, metrics)
    observer = Observer(api, cache, queues, settings)
    standby = settings.leader_election  # which is a way of being ready
    health.ready_while("cache", lambda: None if standby or observer.synced else "listing what there is")
    async with _lease(lease_api, settings, metrics) as hold, asyncio.TaskGroup() as group:
        standby = False
        group.create_task(hold, name="lease")
        health.live_while("reconcile", lambda: _stuck(queues))
        await observer.sync()
        for queue in queues.values():
            group.create_task(queue.run(), name=f"queue {queue.name}")
        group.create_task(observer.resync_forever(), name="resync")
        group.create_task(watch(observer, settings, stop), name="watch")


def _queues(cache: Cache, applier: Applier, settings: Settings, metrics: Metrics) -> dict[str, WorkQueue[Ref]]:
    queues: dict[str, WorkQueue[Ref]] = {}
    rollout = Rollout(lambda: cache.count(BY_NAME[Monitor.KIND]), lambda ref: queues[Monitor.KIND].add(ref))
    book = Book(cache, rollout)
    controllers = {Monitor.KIND: (Monitor, book.plan), **_CONTROLLERS}
    for kind in RESOURCES:
        model, reconcile = controllers[kind.name]
        controller = Controller(kind, model, reconcile, cache, applier, settings)
        queues[kind.name] = WorkQueue(
            kind.name.lower(), controller.handle, workers=settings.concurrency, metrics=metrics
        )
    pools = PoolController(cache, applier, book, settings, queues[Monitor.KIND].add)
    queues[POOL] = WorkQueue(POOL.lower(), pools.handle, workers=settings.concurrency, metrics=metrics)
    return queues


@asynccontextmanager
async def _lease(api: Api, settings: Settings, metrics: Metrics) -> AsyncIterator[Any]:
    """Entered once this process may lead. Yields a coroutine that fails as soon as it no longer may."""
    if not settings.leader_election:
        yield asyncio.Event().wait()
        return
    identity = f"{settings.own_name}_{secrets.token_hex(4)}"
    election = Election(ApiLease(api, settings.own_namespace, _LEASE), identity)
    metrics.leader.labels(_LEASE).set(0)
    await election.acquire()
    metrics.leader.labels(_LEASE).set(1)
    try:
        yield election.hold()
    finally:
        metrics.leader.labels(_LEASE).set(0)
        await election.release()


def _stuck(queues: dict[str, WorkQueue[Ref]]) -> str | None:
    longest = max(queue.longest_running() for queue in queues.values())
    return f"a reconcile has taken {longest:.0f} s" if longest > _STUCK_SECONDS else None


def main() -> int:
    """Entry point of `castwarden-operator`."""
    return run(operate(Settings.start("operator")))


if __name__ == "__main__":
    sys.exit(main())
