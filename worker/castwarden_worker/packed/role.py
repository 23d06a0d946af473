# SPDX-License-Identifier: Apache-2.0
"""The main of `castwarden-worker monitors`. Ends with success on a signal, or when it is worn and nobody sits here."""

import asyncio
import os
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack

import aiohttp
from castwarden_base.health import HealthServer
from castwarden_base.http import outbound_session
from castwarden_base.logs import get_logger
from castwarden_base.names import Names
from castwarden_base.tasks import Supervisor

from ..decoding import DecodeThreads
from ..gateway import PoolGateway
from ..resolve import Resolver
from ..settings import PackedSettings
from .hall import Hall
from .seat_list import SeatList
from .shared import Pace, Shared
from .wear import Wear

log = get_logger(__name__)
_CHILDREN = 3  # of the resolver at once: each may hang for a minute, and they share what memory there is


async def run_packed(settings: PackedSettings) -> int:
    """Runs until a signal, or until it was replaced, or cannot go on. Returns the exit code."""
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(settings.threads, thread_name_prefix="beside"))
    async with AsyncExitStack() as stack:
        shared = await _share(settings, stack)
        health = await stack.enter_async_context(HealthServer(settings.pod_ip, settings.health_port))
        hall = Hall(settings, shared)
        stack.push_async_callback(hall.close)
        tasks = await stack.enter_async_context(Supervisor(signals=True))
        gateway = PoolGateway(
            settings.gateway_url, (settings.namespace, settings.pod_name), settings.credentials, shared.inside
        )
        seats = SeatList(gateway, hall, settings.state_dir / "seats.json")
        wear = Wear(settings.recycle_seconds, settings.recycle_rss_mib)
        health.live_while("tasks", tasks.failure)
        health.live_while("decoding", shared.threads.failure)
        health.ready_while("seats", lambda: None if seats.current is not None else "no list of seats yet")
        health.ready_while("outbox", hall.trouble)
        health.ready_while("wear", lambda: wear.reason)
        tasks.start("seats", seats.run())
        log.info("worker_started", pool=settings.pool, pod=settings.pod_name, pid=os.getpid())
        await _until_over(tasks, wear, seats, shared.threads)
        log.info("worker_ended", seats=len(hall), replaced=wear.reason is not None)
    return 1 if shared.threads.is_lost else 0


async def _share(settings: PackedSettings, stack: AsyncExitStack) -> Shared:
    # No limits here, or the seats of one origin would wait for each other: each fetcher has its own.
    outbound = await stack.enter_async_context(
        outbound_session(settings.outbound_allow, total=60, limit=0, limit_per_host=0)
    )
    connector = aiohttp.TCPConnector(
        limit=0, resolver=Names()
    )  # each seat waits for its assignment on a connection of its own
    inside = await stack.enter_async_context(
        aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar(), trust_env=False)
    )
    resolver = Resolver(outbound, settings.outbound_allow, settings.state_dir, _CHILDREN)
    return Shared(outbound, inside, resolver, Pace(), DecodeThreads(settings.threads))


async def _until_over(tasks: Supervisor, wear: Wear, seats: SeatList, threads: DecodeThreads) -> None:
    async def replaced() -> None:
        await wear.run()
        await seats.emptied.wait()

    ways = [
        asyncio.create_task(way, name=name)
        for name, way in (("stopped", tasks.stopped()), ("replaced", replaced()), ("lost", threads.lost()))
    ]
    try:
        done, _ = await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in ways:
            task.cancel()
        await asyncio.gather(*ways, return_exceptions=True)
