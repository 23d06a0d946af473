# SPDX-License-Identifier: Apache-2.0
"""Hears when deliveries are queued, by whichever process. A call that is missed costs the time to the next look."""

import asyncio
from collections.abc import Callable

from castwarden_gateway.db import Database
from castwarden_gateway.webhooks.fanout import CHANNEL


async def listen(database: Database, began: Callable[[], None], called: Callable[[], None]) -> None:
    """Tells that it has begun, then of every call, until the connection ends."""
    lost = asyncio.Event()

    def hear(*_: object) -> None:
        called()

    async with database.connection() as connection:
        connection.add_termination_listener(lambda _: lost.set())
        await connection.add_listener(CHANNEL, hear)
        try:
            began()
            await lost.wait()
        finally:
            if not lost.is_set():
                await connection.remove_listener(CHANNEL, hear)
