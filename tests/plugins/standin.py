# SPDX-License-Identifier: Apache-2.0
"""The stand-in with its controllers and without a Pod runner, in a thread of its own: tests come and go with loops."""

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from castwarden_base.tasks import Supervisor
from castwarden_local.controllers.manager import Controllers
from castwarden_local.standin.standin import Standin

from tests.plugins.databases import fresh_database

HISTORY_LIMIT = 500
"""Changes that it remembers: enough for every test's own, few enough for a test to outlive."""


@contextmanager
def standin_in_a_thread(postgres_url: str, folder: Path) -> Iterator[Path]:
    """Runs for the length of the block; gives the kubeconfig. Fails at the end when any of its tasks had ended."""
    kubeconfig: Future[Path] = Future()
    over = threading.Event()
    with ThreadPoolExecutor(1, "standin") as thread:
        running = thread.submit(asyncio.run, _run(postgres_url, folder, kubeconfig, over))
        try:
            yield kubeconfig.result(timeout=60)
        finally:
            over.set()
        running.result(timeout=60)


async def _run(postgres_url: str, folder: Path, kubeconfig: Future[Path], over: threading.Event) -> None:
    try:
        async with fresh_database(postgres_url) as url, _started(url, folder) as standin, Supervisor() as tasks:
            tasks.start("controllers", Controllers(standin.api).run())
            kubeconfig.set_result(standin.kubeconfig)
            await asyncio.to_thread(over.wait)
            assert (standin.failure(), tasks.failure()) == (None, None)
    except BaseException as error:
        if not kubeconfig.done():
            kubeconfig.set_exception(error)
        raise


@asynccontextmanager
async def _started(url: str, folder: Path) -> AsyncIterator[Standin]:
    standin = Standin(url, folder, history_limit=HISTORY_LIMIT)
    await standin.start()
    try:
        yield standin
    finally:
        await standin.stop()
