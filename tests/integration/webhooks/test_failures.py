# SPDX-License-Identifier: Apache-2.0
"""Processes die, databases restart, names change: no event is lost."""

import asyncio
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.abc import AbstractResolver, ResolveResult
from castwarden_base.waiting import wait_until
from castwarden_gateway.db import Database, DatabaseUnavailable
from castwarden_gateway.db.migrate import migrate
from castwarden_gateway.webhooks.secrets import Keyring
from castwarden_gateway.webhooks.signing import Signer
from castwarden_local.postgres import Postgres

from tests.integration.webhooks.conftest import KEYRING_KEY, Bench, Engines, Receiver, Receivers

EVENTS = ["stream.started"] * 40
ROOT = Path(__file__).parents[3]


Processes = Callable[[], Awaitable[asyncio.subprocess.Process]]


@pytest.fixture
async def process(database_url: str) -> AsyncIterator[Processes]:
    """Starts an engine process; whatever still runs at the end is killed."""
    async with AsyncExitStack() as stack:

        async def start() -> asyncio.subprocess.Process:
            child = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "tests.integration.webhooks.engine_process",
                database_url,
                cwd=ROOT,
                env={**os.environ, "PYTHONPATH": str(ROOT)},
            )

            async def end() -> None:
                if child.returncode is None:
                    child.kill()
                await child.wait()

            stack.push_async_callback(end)
            return child

        yield start


async def test_a_killed_process_loses_nothing_and_repeats_only_under_the_same_id(
    bench: Bench, receiver: Receivers, process: Processes
) -> None:
    release = asyncio.Event()

    async def hold(_: web.Request) -> web.StreamResponse:
        await release.wait()
        return web.Response()

    slow, quick = await receiver(hold), await receiver()
    for hook in (slow, quick):
        await bench.endpoint(hook.url, timeout_seconds=1)
    first = await process()
    ids = await bench.emit(*EVENTS)
    await wait_until(lambda: slow.now == 8 and len(quick.received) == 40, 60)
    first.send_signal(signal.SIGKILL)
    await first.wait()
    release.set()

    await process()
    await wait_until(bench.drained, 60)
    assert set(slow.ids) == set(quick.ids) == {str(id_) for id_ in ids}


async def test_a_process_that_is_asked_to_end_finishes_what_it_began_and_gives_back_the_rest(
    bench: Bench, receiver: Receivers, process: Processes
) -> None:
    release = asyncio.Event()

    async def hold(_: web.Request) -> web.StreamResponse:
        await release.wait()
        return web.Response()

    hook = await receiver(hold)
    await bench.endpoint(hook.url)
    child = await process()
    ids = await bench.emit(*EVENTS)
    await wait_until(lambda: hook.now == 8, 60)
    child.send_signal(signal.SIGTERM)
    release.set()
    await asyncio.wait_for(child.wait(), 60)
    assert child.returncode == 0
    assert await bench.database.fetchval("select count(*) from webhook_deliveries where lease_owner is not null") == 0
    sent = len(hook.received)
    assert await bench.unfinished() == 40 - sent

    await process()
    await wait_until(bench.drained, 60)
    assert hook.ids == {str(id_): 1 for id_ in ids}


async def test_two_engines_share_the_work_and_deliver_each_event_once(
    bench: Bench, receiver: Receivers, engine: Engines
) -> None:
    async def work(_: web.Request) -> web.StreamResponse:
        await asyncio.sleep(0.01)
        return web.Response()

    hooks = [await receiver(work) for _ in range(3)]
    for hook in hooks:
        await bench.endpoint(hook.url)
    await engine()
    await engine()
    ids = []
    for _ in range(5):
        ids += await bench.emit(*EVENTS)
    await wait_until(bench.drained, 60)
    for hook in hooks:
        assert hook.ids == {str(id_): 1 for id_ in ids}


async def test_a_lease_that_runs_out_is_taken_by_another(bench: Bench, receiver: Receivers, engine: Engines) -> None:
    hook = await receiver()
    await bench.endpoint(hook.url)
    await bench.emit("stream.started")
    await bench.database.execute(
        "update webhook_deliveries set lease_owner = gen_random_uuid(), due_at = now() + interval '1 second'"
    )
    await engine()
    await wait_until(bench.drained, 30)
    assert len(hook.received) == 1


async def test_a_killed_postgresql_is_waited_for_and_no_event_is_lost(
    folder: Path, receiver: Receivers, engine_on: Engines
) -> None:
    postgres = Postgres(folder, folder)
    await postgres.start()
    try:
        url = postgres.url("castwarden")
        await migrate(url)
        database = (await Database.open(url)).of_all()
        bench = Bench(database, Signer(Keyring([KEYRING_KEY])))
        await bench.add_tenant()
        hook = await receiver()
        await bench.endpoint(hook.url)
        engine = await engine_on(bench)
        recorded = []

        async def report() -> None:
            while True:
                try:
                    recorded.extend(await bench.emit("stream.started"))
                except DatabaseUnavailable:
                    pass
                await asyncio.sleep(0.005)

        reporting = asyncio.create_task(report())
        for _ in range(2):
            await receives_more(hook)
            await kill(postgres)
        await receives_more(hook)
        reporting.cancel()
        await asyncio.gather(reporting, return_exceptions=True)
        await wait_until(bench.drained, 60)
        assert {str(id_) for id_ in recorded} <= set(hook.ids)
        assert engine.failure() is None
        await engine.stop()
        await database.close()
    finally:
        await postgres.stop()


async def receives_more(hook: Receiver) -> None:
    wanted = len(hook.received) + 50
    await wait_until(lambda: len(hook.received) > wanted, 60)


async def kill(postgres: Postgres) -> None:
    """Kills the server as a crash would, and returns once another process has taken its place."""
    killed = postgres.pid
    assert killed is not None
    os.kill(killed, signal.SIGKILL)
    await wait_until(lambda: postgres.pid not in (killed, None), 60)


class Rebinding(AbstractResolver):
    """Names that were harmless when they were registered now lead to loopback."""

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        return [{"hostname": host, "host": "127.0.0.1", "port": port, "family": socket.AF_INET, "proto": 0, "flags": 0}]

    async def close(self) -> None:
        pass


async def test_a_name_that_comes_to_mean_a_private_address_is_refused_when_connecting(
    bench: Bench, receiver: Receivers, engine: Engines
) -> None:
    hook = await receiver()
    port = hook.url.rsplit(":", 1)[1]
    await bench.endpoint(f"http://innocent.example:{port}")
    await engine(allow=(), resolver=Rebinding())
    await bench.emit("stream.started")
    attempt = await wait_until(lambda: bench.row("select * from webhook_attempts"), 30)
    assert (attempt["outcome"], attempt["error"], attempt["status"]) == ("failed", "address_refused", None)
    assert hook.received == []
