# SPDX-License-Identifier: Apache-2.0
"""What the engine does beside delivering, now and then: tidies up, counts what waits. Tries again until it works."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from castwarden_base.tasks import Supervisor

from castwarden_gateway.db import Connection, Database
from castwarden_gateway.webhooks import giving_up, maintain, metrics
from castwarden_gateway.webhooks.reseal import reseal
from castwarden_gateway.webhooks.secrets import Keyring
from castwarden_gateway.webhooks.troubles import DATABASE_ERRORS, Troubles


class Upkeep:
    """`start` gives its tasks to the engine's supervisor; `tidied` is set once partitions for today are there."""

    def __init__(
        self,
        database: Database,
        keyring: Keyring,
        troubles: Troubles,
        forget: Callable[[], None],
        retention_days: int,
    ) -> None:
        self._database = database
        self._keyring = keyring
        self._troubles = troubles
        self._forget = forget
        self._retention_days = retention_days
        self.tidied = asyncio.Event()

    def start(self, tasks: Supervisor, tidy_seconds: float, gauge_seconds: float) -> None:
        tasks.start("webhook-tidy", self._every(tidy_seconds, "tidy", self._tidy))
        tasks.start("webhook-failing", self._every(tidy_seconds, "failing", self._give_up))
        tasks.start("webhook-gauges", self._every(gauge_seconds, "gauges", self._gauge))

    async def _every(self, seconds: float, part: str, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        while True:
            pause = seconds
            try:
                await work()
                self._troubles.over(part)
            except DATABASE_ERRORS as error:
                self._troubles.tell(part, error)
                pause = min(seconds, 1.0)
            await asyncio.sleep(pause)

    async def _tidy(self) -> None:
        async def work(connection: Connection) -> None:
            await maintain.tidy(connection, self._retention_days)
            await reseal(connection, self._keyring)

        try:
            await self._database.run(work)
        finally:
            self.tidied.set()  # without its partition, a day's attempts go to the default one

    async def _give_up(self) -> None:
        await self._database.run(giving_up.disable_failing)

    async def _gauge(self) -> None:
        self._forget()
        row = await self._database.fetchrow(maintain.SQL.queue)
        if row is not None:
            metrics.DUE.set(row["due"])
            metrics.HELD.set(row["held"])
            metrics.OLDEST_DUE_SECONDS.set(row["oldest_seconds"])
