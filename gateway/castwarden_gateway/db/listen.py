# SPDX-License-Identifier: Apache-2.0
"""Hears a NOTIFY, from whichever process. One that is missed costs the time to the next look: polling is the truth."""

import asyncio
from collections.abc import Callable

from castwarden_gateway.db.pool import Database


async def listen(database: Database, channel: str, began: Callable[[], None], called: Callable[[], None]) -> None:
    """Tells that it has begun, then of every call, until the connection ends."""
    lost = asyncio.Event()

    def hear(*_: object) -> None:
        called()

    async with database.of_none().connection() as connection:
        connection.add_termination_listener(lambda _: lost.set())
        await connection.add_listener(channel, hear)
        try:
            began()
            await lost.wait()
        finally:
            if not lost.is_set():
                await connection.remove_listener(channel, hear)
