# SPDX-License-Identifier: Apache-2.0
"""Hears when deliveries are queued, by whichever process. A call that is missed costs the time to the next look."""

from collections.abc import Callable

from castwarden_gateway.db import Database
from castwarden_gateway.db.listen import listen as hear
from castwarden_gateway.webhooks.fanout import CHANNEL


async def listen(database: Database, began: Callable[[], None], called: Callable[[], None]) -> None:
    """Tells that it has begun, then of every call, until the connection ends."""
    await hear(database, CHANNEL, began, called)
