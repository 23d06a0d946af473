# SPDX-License-Identifier: Apache-2.0
"""Turns: endpoints that are ordered, or have a rate, are claimed by one gateway at a time, so that several keep to it.

An ordered endpoint stays with the process that has its turn, until that ends its turn or dies; then the turn runs out
with the leases. A rate is a bucket of tokens in PostgreSQL, which every turn takes from.
"""

import time
from collections.abc import Callable, Mapping
from math import inf
from uuid import UUID

from castwarden_gateway.db import Connection, statements

SQL = statements(__file__)
_BURST_SECONDS = 0.25  # of the rate may come at once
_MOST_IN_ORDER = 100  # deliveries of an ordered endpoint that are taken in one turn
_LOOK_SECONDS = 0.1  # looks are at most so far apart where a rate lets deliveries through one by one


class Turns:
    """Of one process. Whether there are endpoints of this kind at all is asked every `check_seconds`."""

    def __init__(self, owner: UUID, grace_seconds: float, check_seconds: float) -> None:
        self._owner = owner
        self._grace_seconds = grace_seconds
        self._check_seconds = check_seconds
        self._any = False
        self._checked = -inf

    @property
    def look_seconds(self) -> float:
        """How long the queue may be left alone at most."""
        return _LOOK_SECONDS if self._any else inf

    async def take(self, connection: Connection, busy: Callable[[], Mapping[UUID, int]]) -> Mapping[UUID, int]:
        """How many deliveries may be taken of each endpoint of this kind. One that is not named has to wait.

        `busy`: endpoints that this process is busy with, and how many more it has room for.
        """
        now = time.monotonic()
        if now >= self._checked + self._check_seconds:
            self._any = await connection.fetchval(SQL.any_by_turns)
            self._checked = now
            if self._any:
                await connection.execute(SQL.place_stragglers)
        if not self._any:
            return {}
        free = busy()
        rows = await connection.fetch(
            SQL.take_turns,
            self._owner,
            list(free),
            list(free.values()),
            self._grace_seconds,
            _BURST_SECONDS,
            _MOST_IN_ORDER,
        )
        return {row["endpoint_id"]: row["granted"] for row in rows}

    async def end(self, connection: Connection) -> None:
        """Another process may have them at once."""
        await connection.execute(SQL.end_turns, self._owner)
