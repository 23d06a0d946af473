# SPDX-License-Identifier: Apache-2.0
"""Writes results in batches, by array. A result stays here until PostgreSQL has it."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, TypeVar
from uuid import UUID

from castwarden_gateway.db import Connection, statements
from castwarden_gateway.webhooks import giving_up
from castwarden_gateway.webhooks.claim import Claim
from castwarden_gateway.webhooks.deliver import receiver_is_well
from castwarden_gateway.webhooks.schedule import Verdict
from castwarden_gateway.webhooks.send import Answer

SQL = statements(__file__)
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Result:
    """One finished attempt, begun at `at`. `rest`: seconds for which the endpoint is left in peace after it."""

    claim: Claim
    at: datetime
    answer: Answer
    verdict: Verdict
    rest: float = 0.0


class Buffer(Generic[T]):
    """Results on their way to PostgreSQL. `batch` waits for the first and lets more join it; `put` never waits."""

    def __init__(self, seconds: float, size: int) -> None:
        self._seconds = seconds
        self._size = size
        self._results: list[T] = []
        self._filled = asyncio.Event()
        self._full = asyncio.Event()

    def put(self, result: T) -> None:
        self._results.append(result)
        self._filled.set()
        if len(self._results) >= self._size:
            self._full.set()

    async def batch(self) -> list[T]:
        """The oldest results, at most `size`. They stay in the buffer until `written`."""
        await self._filled.wait()
        try:
            async with asyncio.timeout(self._seconds):
                await self._full.wait()
        except TimeoutError:
            pass
        return self.oldest()

    def oldest(self) -> list[T]:
        return self._results[: self._size]

    def written(self, count: int) -> None:
        del self._results[:count]
        if not self._results:
            self._filled.clear()
        if len(self._results) < self._size:
            self._full.clear()

    def __len__(self) -> int:
        return len(self._results)


async def write(connection: Connection, owner: UUID, results: Sequence[Result]) -> dict[UUID, float]:
    """Writes one batch in the caller's transaction. Writing the same batch again changes nothing more.

    The endpoints whose receivers asked for a rest that begins now, and for how many seconds.
    """
    await connection.execute(
        SQL.flush,
        [r.claim.tenant_id for r in results],
        [r.claim.id for r in results],
        [r.claim.event_id for r in results],
        [r.claim.endpoint_id for r in results],
        [r.claim.attempt + 1 for r in results],
        [r.at for r in results],
        [r.verdict.outcome for r in results],
        [r.answer.status for r in results],
        [r.answer.ms for r in results],
        [r.answer.error for r in results],
        [r.answer.detail for r in results],
        [r.answer.headers for r in results],
        [r.answer.body for r in results],
        [r.verdict.wait for r in results],
        owner,
        [r.claim.created_at for r in results],
    )
    rests = await _pause(connection, results)
    await _note_failures(connection, results)
    if gone := sorted({r.claim.endpoint_id for r in results if r.verdict.disable}):
        await giving_up.disable(connection, gone, giving_up.GONE)
    return rests


async def _pause(connection: Connection, results: Sequence[Result]) -> dict[UUID, float]:
    pauses: dict[UUID, float] = {}
    for r in results:
        if r.verdict.pause > 0:
            pauses[r.claim.endpoint_id] = max(pauses.get(r.claim.endpoint_id, 0.0), r.verdict.pause)
    if not pauses:
        return {}
    ordered = sorted(pauses)  # two processes that pause the same endpoints take the rows in one order
    rows = await connection.fetch(SQL.pause, ordered, [pauses[endpoint_id] for endpoint_id in ordered])
    return {row["id"]: row["seconds"] for row in rows if row["anew"]}


async def _note_failures(connection: Connection, results: Sequence[Result]) -> None:
    """The last failure of each endpoint, its rest, and since when it has done nothing but fail."""
    spells: dict[UUID, _Spell] = {}
    for result in results:
        spells.setdefault(result.claim.endpoint_id, _Spell()).add(result)
    ordered = [(id_, spell, spell.last) for id_, spell in sorted(spells.items()) if spell.last is not None]
    if ordered:
        await connection.execute(
            SQL.note_failures,
            [id_ for id_, _, _ in ordered],
            [last.answer.error for _, _, last in ordered],
            [last.at for _, _, last in ordered],
            [last.rest for _, _, last in ordered],
            [spell.since for _, spell, _ in ordered],
            [spell.succeeded for _, spell, _ in ordered],
        )
    if well := sorted(id_ for id_, spell in spells.items() if spell.last is None):
        await connection.execute(SQL.note_successes, well)


@dataclass(slots=True)
class _Spell:
    """One endpoint's results in a batch. `since`: the first failure of the receiver after the last success."""

    last: Result | None = None
    since: datetime | None = None
    succeeded: bool = False

    def add(self, result: Result) -> None:
        if result.answer.error is None:
            self.since, self.succeeded = None, True
            return
        self.last = result
        if self.since is None and receiver_is_well(result.answer) is not None:
            self.since = result.at
