# SPDX-License-Identifier: Apache-2.0
"""What the engine does beside delivering, now and then: tidies up, counts, replays. Tries again until it works."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from castwarden_base.tasks import Supervisor

from castwarden_gateway.db import Connection, Database
from castwarden_gateway.webhooks import giving_up, maintain, metrics, replays, tallies
from castwarden_gateway.webhooks.options import Options
from castwarden_gateway.webhooks.reseal import reseal
from castwarden_gateway.webhooks.secrets import Keyring
from castwarden_gateway.webhooks.tallies import Tallies
from castwarden_gateway.webhooks.troubles import DATABASE_ERRORS, Troubles


class Upkeep:
    """`start` gives its tasks to the engine's supervisor; `tidied` is set once partitions for today are there."""

    def __init__(
        self,
        database: Database,
        keyring: Keyring,
        troubles: Troubles,
        forget: Callable[[], None],
        options: Options,
    ) -> None:
        self._database = database
        self._keyring = keyring
        self._troubles = troubles
        self._forget = forget
        self._options = options
        self.tidied = asyncio.Event()
        self.tallies = Tallies()

    def start(self, tasks: Supervisor) -> None:
        options = self._options
        tasks.start("webhook-tidy", self._every(options.tidy_seconds, "tidy", self._tidy))
        tasks.start("webhook-failing", self._every(options.tidy_seconds, "failing", self._give_up))
        tasks.start("webhook-gauges", self._every(options.gauge_seconds, "gauges", self._gauge))
        tasks.start("webhook-tallies", self._every(options.tally_seconds, "tallies", self.tell_tallies))
        tasks.start("webhook-replays", self._every(options.replay_seconds, "replays", self._replay))

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
            await maintain.tidy(connection, self._options.retention_days)
            await reseal(connection, self._keyring)

        try:
            await self._database.run(work)
        finally:
            self.tidied.set()  # without its partition, a day's attempts go to the default one

    async def _give_up(self) -> None:
        await self._database.run(giving_up.disable_failing)

    async def _replay(self) -> None:
        while await self._database.run(replays.step):
            pass

    async def tell_tallies(self) -> None:
        """Adds what was counted in this process since the last time."""
        taken = self.tallies.take()
        try:
            await self._database.run(lambda connection: tallies.add(connection, taken))
        except BaseException:
            self.tallies.put_back(taken)
            raise

    async def _gauge(self) -> None:
        self._forget()
        row = await self._database.fetchrow(maintain.SQL.queue)
        if row is not None:
            metrics.DUE.set(row["due"])
            metrics.HELD.set(row["held"])
            metrics.OLDEST_DUE_SECONDS.set(row["oldest_seconds"])
