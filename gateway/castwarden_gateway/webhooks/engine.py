# SPDX-License-Identifier: Apache-2.0
"""The delivery engine of one gateway process: claims what is due, sends it, writes what came of it.

At-least-once: no transaction stays open over HTTP; a process that dies leaves leases, which run out. Every repeat of a
delivery carries the same webhook-id.
"""

import asyncio
import time
from collections.abc import Mapping
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from functools import partial
from uuid import UUID, uuid4

import asyncpg
from castwarden_base.logs import get_logger
from castwarden_base.retry import backoff
from castwarden_base.tasks import Supervisor

from castwarden_gateway.db import Database
from castwarden_gateway.db.listen import listen
from castwarden_gateway.outbound.client import Client
from castwarden_gateway.webhooks import flush, metrics
from castwarden_gateway.webhooks.claim import Claim
from castwarden_gateway.webhooks.claimer import Claimer
from castwarden_gateway.webhooks.deliver import attempt, receiver_is_well
from castwarden_gateway.webhooks.fanout import CHANNEL
from castwarden_gateway.webhooks.flush import Buffer, Result
from castwarden_gateway.webhooks.hand import Hand
from castwarden_gateway.webhooks.options import Options
from castwarden_gateway.webhooks.schedule import THROTTLED, decide
from castwarden_gateway.webhooks.send import Answer
from castwarden_gateway.webhooks.signing import Signer
from castwarden_gateway.webhooks.troubles import DATABASE_ERRORS, Troubles
from castwarden_gateway.webhooks.upkeep import Upkeep

log = get_logger(__name__)
_CLOSED_SECONDS = 2.0  # by then PostgreSQL knows that the endpoint is paused or disabled
_UNWRITABLE = (asyncpg.DataError, asyncpg.IntegrityConstraintViolationError)


class DeliveryEngine:
    """`start()`, `stop()`; `failure()` is a reason for the process's health. The client stays the caller's."""

    def __init__(self, database: Database, client: Client, signer: Signer, options: Options | None = None) -> None:
        self._database = database
        self._client = client
        self._signer = signer
        self._options = options = options or Options()
        self._owner = uuid4()
        self._hand = Hand(options.doubtful)
        self._buffer: Buffer[Result] = Buffer(options.flush_seconds, options.flush_size)
        self._attempts: set[asyncio.Task[None]] = set()
        self._troubles = Troubles()
        self._claimer = Claimer(database, self._owner, self._hand, options, self._troubles, self._begin)
        self._upkeep = Upkeep(database, signer.keyring, self._troubles, self._hand.forget, options)
        self._stopping = False
        self._stack = AsyncExitStack()
        self._tasks = Supervisor()

    async def start(self) -> None:
        """Begins to deliver. Does not wait for the database."""
        await self._stack.enter_async_context(self._tasks)
        self._claimer.start(self._tasks, self._upkeep.tidied)
        self._tasks.start("webhook-flush", self._flush_forever())
        self._tasks.start("webhook-listen", self._listen_forever())
        self._upkeep.start(self._tasks)

    async def stop(self) -> None:
        """Claims no more, lets attempts under way end, writes what came of them, gives the rest back."""
        self._stopping = True
        await self._claimer.stop()
        if self._attempts:
            await asyncio.wait(self._attempts, timeout=self._options.stop_seconds)
        for task in self._attempts:
            task.cancel()
        await asyncio.gather(*self._attempts, return_exceptions=True)
        await self._stack.aclose()
        try:
            while batch := self._buffer.oldest():
                await self._write(batch)
            await self._claimer.release()
            await self._upkeep.tell_tallies()
        except DATABASE_ERRORS as error:
            self._troubles.failed("stop", error, left_behind=str(len(self._buffer)))

    def failure(self) -> str | None:
        return self._tasks.failure()

    # Delivering

    def _begin(self, endpoint_id: UUID) -> None:
        """Whatever of this endpoint may begin; what will not goes back to the queue."""
        now = time.monotonic()
        while (claim := self._hand.next(endpoint_id)) is not None:
            if now > claim.latest_start:
                self._hand.done(endpoint_id, receiver_is_well=None)
                self._claimer.give_back([claim])
                continue
            metrics.IN_FLIGHT.inc()
            if claim.attempt == 0:
                metrics.FIRST_ATTEMPT_SECONDS.observe(claim.waited_seconds)
            task = asyncio.create_task(self._deliver(claim))
            self._attempts.add(task)
            task.add_done_callback(self._attempts.discard)
        self._claimer.give_back(self._hand.unwanted(endpoint_id))

    async def _deliver(self, claim: Claim) -> None:
        at = datetime.now(UTC)
        well: bool | None = None
        rest = 0.0
        try:
            answer, verdict = await attempt(self._client, self._signer, claim)
            well = receiver_is_well(answer)
        except Exception as error:  # noqa: BLE001 - the supervisor of one delivery: logs, counts, and it is tried again
            self._troubles.failed("deliver", error)
            answer = Answer(ms=0, error="internal", detail=type(error).__name__)
            verdict = decide("standard", claim.attempt + 1, None)
        finally:
            metrics.IN_FLIGHT.dec()
            rest = self._hand.done(claim.endpoint_id, receiver_is_well=well)
            self._claimer.done(claim)
        if verdict.disable or verdict.pause:
            self._hand.close(claim.endpoint_id, _CLOSED_SECONDS)
        if claim.ordered and verdict.outcome == "failed":
            self._claimer.give_back(self._hand.drop(claim.endpoint_id))  # nothing gets ahead of it
        self._buffer.put(Result(claim, at, answer, verdict, rest))
        metrics.attempted(verdict.outcome, answer.status, answer.ms)
        if not self._stopping:
            self._begin(claim.endpoint_id)
        self._claimer.answered(claim)

    # Writing

    async def _flush_forever(self) -> None:
        while True:
            batch = await self._buffer.batch()
            pauses = backoff(0.1, cap=2.0)
            while True:
                try:
                    await self._write(batch)
                    self._troubles.over("flush")
                    break
                except DATABASE_ERRORS as error:
                    self._troubles.tell("flush", error)
                    await asyncio.sleep(next(pauses))

    async def _write(self, batch: list[Result]) -> None:
        """Writes the buffer's oldest results and lets go of them."""
        with metrics.FLUSH_SECONDS.time():
            try:
                _tell_rests(await self._database.run(partial(flush.write, owner=self._owner, results=batch)))
            except _UNWRITABLE:
                await self._write_singly(batch)
        self._upkeep.tallies.count(batch)
        self._buffer.written(len(batch))
        self._claimer.written([result.claim for result in batch])

    async def _write_singly(self, batch: list[Result]) -> None:
        """A result that PostgreSQL cannot take must not hold up the others; its delivery comes back with its lease."""
        for result in batch:
            try:
                _tell_rests(await self._database.run(partial(flush.write, owner=self._owner, results=[result])))
            except _UNWRITABLE as error:
                self._troubles.failed("result", error, delivery=str(result.claim.id))

    # Around it

    async def _listen_forever(self) -> None:
        pauses = backoff(0.1, cap=2.0)
        while True:
            try:
                await listen(self._database, CHANNEL, self._heard, self._claimer.call)
                pauses = backoff(0.1, cap=2.0)
            except DATABASE_ERRORS as error:
                self._troubles.tell("listen", error)
            await asyncio.sleep(next(pauses))

    def _heard(self) -> None:
        """From now on calls are heard. What was missed before is found by the next look."""
        self._troubles.over("listen")
        self._claimer.call()


def _tell_rests(rests: Mapping[UUID, float]) -> None:
    """Once, when it begins. A rest as short as those that nobody asked for is not worth a line."""
    for endpoint_id, seconds in rests.items():
        if seconds > THROTTLED:
            log.warning("endpoint_asked_for_a_rest", endpoint=str(endpoint_id), seconds=round(seconds))
