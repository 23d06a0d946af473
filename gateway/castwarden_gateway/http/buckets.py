# SPDX-License-Identifier: Apache-2.0
"""Rate limits that all gateways share, without a query per request.

The buckets lie in PostgreSQL; a process draws portions from them, many keys in one statement, before it has used up
what it holds, and gives back what it does not use. So no two gateways ever spend the same token. When PostgreSQL does
not answer, requests pass (a limit that cannot be looked at must not take the API down) and are counted.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from uuid import UUID

from asyncpg import Record
from castwarden_base.logs import get_logger
from prometheus_client import Counter

from castwarden_gateway.db import DRIVER_ERRORS, Database, statements
from castwarden_gateway.http.limits import Verdict
from castwarden_gateway.http.shares import Share

SQL = statements(__file__)
log = get_logger(__name__)
OPEN = Counter("castwarden_gateway_rate_limits_open_total", "Requests let through because no limit could be looked at")
_PATIENCE_SECONDS = 1.0
_AWAY_SECONDS = 1.0  # PostgreSQL is asked no more often while it does not answer
_IDLE_SECONDS = 0.5
_FORGET_SECONDS = 600.0
_KNOWN_KEYS = 1000
_PRUNE_SECONDS = 3600.0


class Buckets:
    """`await take(key, limit, window)` while `run()` works."""

    def __init__(self, database: Database, clock: Callable[[], float] = time.monotonic) -> None:
        self._db = database
        self._clock = clock
        self._shares: dict[UUID, Share] = {}
        self._wanting: set[UUID] = set()
        self._woken = asyncio.Event()
        self._away_until = 0.0
        self._away = False

    async def take(self, key: UUID, limit: int, window: int) -> Verdict:
        """One request of this key."""
        share = self._share(key, limit, window)
        while True:
            now = self._clock()
            passed = share.spend(now)
            if now >= self._away_until and share.wish(now):
                self._want(key)
            if passed or now < share.empty_until:
                return share.verdict(passed, now)
            if now < self._away_until or not await self._drawn(key, share):
                OPEN.inc()
                return Verdict(limit, window, limit, 0)

    async def _drawn(self, key: UUID, share: Share) -> bool:
        """Waits until the bucket has been asked; whether it could be."""
        waiter: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        share.waiters.append(waiter)
        self._want(key)
        return await waiter

    def _want(self, key: UUID) -> None:
        self._wanting.add(key)
        self._woken.set()

    async def run(self) -> None:
        """Draws and gives back, until cancelled; then gives all back."""
        pruned = self._clock()
        try:
            while True:
                with suppress(TimeoutError):
                    async with asyncio.timeout(_IDLE_SECONDS):
                        await self._woken.wait()
                self._woken.clear()
                await self._settle()
                if self._clock() - pruned > _PRUNE_SECONDS:
                    pruned = self._clock()
                    await self._ask([], prune=True)
        finally:
            await self._ask([(key, -share.held) for key, share in self._shares.items() if share.held])
            self._let_pass(list(self._shares.values()))

    def _share(self, key: UUID, limit: int, window: int) -> Share:
        share = self._shares.get(key)
        if share is None or (share.limit, share.window) != (limit, window):
            if share is not None:
                self._let_pass([share])
            share = self._shares[key] = Share(limit, window)
        return share

    async def _settle(self) -> None:
        now = self._clock()
        wishes = [(key, self._shares[key].wish(now)) for key in self._wanting]
        self._wanting.clear()
        idle = [(key, -share.held) for key, share in self._shares.items() if share.idle(now, _IDLE_SECONDS)]
        for key, given_back in idle:
            self._shares[key].held += given_back
        for key, wish in wishes:
            if not wish:
                _wake(self._shares[key], True)
        asked = [(key, wish) for key, wish in (*wishes, *idle) if wish]
        if asked:
            rows = await self._ask(asked)
            self._shared_out(dict(asked), rows)
        self._forget(now)

    def _shared_out(self, asked: dict[UUID, int], rows: Sequence[Record] | None) -> None:
        shares = [self._shares[key] for key in asked if key in self._shares]
        if rows is None:
            self._let_pass(shares)
            return
        now = self._clock()
        for row in rows:
            share, wish = self._shares.get(row["key"]), asked[row["key"]]
            if share is not None and wish > 0:
                share.drawn(int(row["given"]), wish, row["left"], now)
        for share in shares:
            _wake(share, True)

    async def _ask(self, asked: list[tuple[UUID, int]], prune: bool = False) -> list[Record] | None:
        """What was given, or None when PostgreSQL does not answer."""
        if not asked and not prune:
            return []
        try:
            async with asyncio.timeout(_PATIENCE_SECONDS), self._db.connection() as connection:
                if prune:
                    await connection.execute(SQL.prune)
                    return []
                rows = await connection.fetch(SQL.draw, *self._columns(asked))
                if missing := {key for key, _ in asked} - {row["key"] for row in rows}:
                    opened = [(key, self._shares[key].limit) for key in missing]
                    await connection.execute(SQL.open, [key for key, _ in opened], [most for _, most in opened])
                    rest = [(key, wish) for key, wish in asked if key in missing]
                    rows += await connection.fetch(SQL.draw, *self._columns(rest))
        except DRIVER_ERRORS as error:
            self._trouble(error)
            return None
        self._away = False
        return rows

    def _columns(self, asked: list[tuple[UUID, int]]) -> tuple[list[UUID], list[float], list[float], list[float]]:
        shares = [self._shares[key] for key, _ in asked]
        return (
            [key for key, _ in asked],
            [float(share.limit) for share in shares],
            [float(share.window) for share in shares],
            [float(wish) for _, wish in asked],
        )

    def _trouble(self, error: Exception) -> None:
        self._away_until = self._clock() + _AWAY_SECONDS
        if not self._away:
            log.warning("rate_limits_not_looked_at", reason=str(error) or type(error).__name__)
        self._away = True

    def _let_pass(self, shares: Sequence[Share]) -> None:
        for share in shares:
            _wake(share, False)

    def _forget(self, now: float) -> None:
        """What was not used for long; its tokens were given back."""
        if len(self._shares) > _KNOWN_KEYS:
            for key, share in list(self._shares.items()):
                if not share.held and not share.waiters and now - share.used_at > _FORGET_SECONDS:
                    del self._shares[key]


def _wake(share: Share, asked: bool) -> None:
    waiters, share.waiters = share.waiters, []
    for waiter in waiters:
        if not waiter.done():
            waiter.set_result(asked)
