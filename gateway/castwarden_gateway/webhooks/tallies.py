# SPDX-License-Identifier: Apache-2.0
"""How an endpoint does, hour by hour: every gateway counts its attempts and adds them up in PostgreSQL now and then.

So the engine pays nothing for it per delivery. What a process that is killed has not added is not counted.
"""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from castwarden_gateway.db import Connection, statements
from castwarden_gateway.webhooks.flush import Result

SQL = statements(__file__)
_BELOW_A_SECOND = (1, 2, 3, 5, 7, 10, 15, 20, 30, 50, 70, 100, 150, 200, 300, 500, 700)
BOUNDS = (*_BELOW_A_SECOND, 1_000, 1_500, 2_000, 3_000, 5_000, 7_000, 10_000, 15_000, 20_000, 30_000)
"""Milliseconds, the upper bounds of buckets; one more takes what took longer. Rows hold them: they stay as they are."""


@dataclass(slots=True)
class Tally:
    """Attempts of one kind in one hour. `ms`: of all together."""

    attempts: int = 0
    ms: int = 0
    buckets: list[int] = field(default_factory=lambda: [0] * (len(BOUNDS) + 1))

    def add(self, ms: int) -> None:
        self.attempts += 1
        self.ms += ms
        self.buckets[bisect_left(BOUNDS, ms)] += 1

    def join(self, attempts: int, ms: int, buckets: Sequence[int]) -> None:
        self.attempts += attempts
        self.ms += ms
        self.buckets = [mine + other for mine, other in zip(self.buckets, buckets, strict=True)]

    def quantile(self, share: float) -> float | None:
        """Milliseconds that this share of the attempts took at most, exact to the bucket. None: there are none."""
        rank, below = share * self.attempts, 0
        for low, high, count in zip((0, *BOUNDS), (*BOUNDS, BOUNDS[-1]), self.buckets, strict=True):
            if count and below + count >= rank:
                return round(low + (high - low) * max(0.0, rank - below) / count, 1)
            below += count
        return None


_Key = tuple[UUID, datetime, str, str, UUID]


class Tallies:
    """Of one gateway process."""

    def __init__(self) -> None:
        self._counted: dict[_Key, Tally] = {}

    def count(self, results: Sequence[Result]) -> None:
        for result in results:
            claim, hour = result.claim, result.at.replace(minute=0, second=0, microsecond=0)
            key = (claim.endpoint_id, hour, result.verdict.outcome, result.answer.error or "", claim.tenant_id)
            if (tally := self._counted.get(key)) is None:
                tally = self._counted[key] = Tally()
            tally.add(result.answer.ms)

    def take(self) -> dict[_Key, Tally]:
        """All of it, which is counted here no more."""
        taken, self._counted = self._counted, {}
        return taken

    def put_back(self, taken: dict[_Key, Tally]) -> None:
        for key, tally in taken.items():
            self._counted.setdefault(key, Tally()).join(tally.attempts, tally.ms, tally.buckets)


async def add(connection: Connection, taken: dict[_Key, Tally]) -> None:
    """Adds what was counted to what is there."""
    if taken:
        await connection.execute(
            SQL.add, [_row(key, tally) for key, tally in sorted(taken.items(), key=lambda it: it[0])]
        )


def _row(key: _Key, tally: Tally) -> dict[str, Any]:
    endpoint_id, hour, outcome, error, tenant_id = key
    return {
        "endpoint_id": endpoint_id,
        "hour": hour,
        "outcome": outcome,
        "error": error,
        "tenant_id": tenant_id,
        "attempts": tally.attempts,
        "ms": tally.ms,
        "buckets": tally.buckets,
    }
