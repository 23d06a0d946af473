# SPDX-License-Identifier: Apache-2.0
"""The delivery engine of one gateway process: claims what is due, sends it, writes what came of it.

At-least-once: no transaction stays open over HTTP; a process that dies leaves leases, which run out. Every repeat of a
delivery carries the same webhook-id.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack, suppress
from datetime import UTC, datetime
from functools import partial
from uuid import UUID, uuid4

import asyncpg
from castwarden_base.retry import backoff
from castwarden_base.tasks import Supervisor

from castwarden_gateway.db import Connection, Database
from castwarden_gateway.db.listen import listen
from castwarden_gateway.outbound.client import Client
from castwarden_gateway.webhooks import claim as claims
from castwarden_gateway.webhooks import flush, metrics
from castwarden_gateway.webhooks.claim import Claim
from castwarden_gateway.webhooks.deliver import attempt, receiver_is_well
from castwarden_gateway.webhooks.fanout import CHANNEL
from castwarden_gateway.webhooks.flush import Buffer, Result
from castwarden_gateway.webhooks.hand import Hand
from castwarden_gateway.webhooks.lanes import Shares
from castwarden_gateway.webhooks.options import Options
from castwarden_gateway.webhooks.schedule import decide
from castwarden_gateway.webhooks.send import Answer
from castwarden_gateway.webhooks.signing import Signer
from castwarden_gateway.webhooks.troubles import DATABASE_ERRORS, Troubles
from castwarden_gateway.webhooks.turns import Turns
from castwarden_gateway.webhooks.upkeep import Upkeep

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
        self._shares = Shares(options.share)
        self._buffer: Buffer[Result] = Buffer(options.flush_seconds, options.flush_size)
        self._held: set[UUID] = set()  # claimed by us and not yet written
        self._unsent: list[Claim] = []  # to be given back, for their endpoints take nothing now
        self._attempts: set[asyncio.Task[None]] = set()
        self._hungry: set[UUID] = set()  # endpoints and tenants that got as much as they could: there may be more
        self._full = False  # the last look was cut short by max_in_flight
        self._unsure = False  # a claim may have been committed whose answer we did not get
        self._troubles = Troubles()
        self._turns = Turns(self._owner, options.lease_grace_seconds, options.poll_seconds)
        self._upkeep = Upkeep(database, signer.keyring, self._troubles, self._hand.forget, options)
        self._stopping = False
        self._wake = asyncio.Event()
        self._claiming = asyncio.Lock()
        self._stack = AsyncExitStack()
        self._tasks = Supervisor()

    async def start(self) -> None:
        """Begins to deliver. Does not wait for the database."""
        await self._stack.enter_async_context(self._tasks)
        self._tasks.start("webhook-claim", self._claim_forever())
        self._tasks.start("webhook-flush", self._flush_forever())
        self._tasks.start("webhook-listen", self._listen_forever())
        self._upkeep.start(self._tasks)

    async def stop(self) -> None:
        """Claims no more, lets attempts under way end, writes what came of them, gives the rest back."""
        self._stopping = True
        async with self._claiming:
            pass  # a claim under way ends first, so that nothing is leased and forgotten
        if self._attempts:
            await asyncio.wait(self._attempts, timeout=self._options.stop_seconds)
        for task in self._attempts:
            task.cancel()
        await asyncio.gather(*self._attempts, return_exceptions=True)
        await self._stack.aclose()
        try:
            while batch := self._buffer.oldest():
                await self._write(batch)
            await self._database.retry(lambda connection: claims.release(connection, self._owner, ()))
            await self._database.retry(self._turns.end)
            await self._upkeep.tell_tallies()
        except DATABASE_ERRORS as error:
            self._troubles.failed("stop", error, left_behind=str(len(self._buffer)))

    def failure(self) -> str | None:
        return self._tasks.failure()

    # Claiming

    async def _claim_forever(self) -> None:
        await self._upkeep.tidied.wait()
        pauses = backoff(0.1, cap=2.0)
        while True:
            began = time.monotonic()
            try:
                async with self._claiming:
                    if not self._stopping:
                        await self._claim_once()
                pauses = backoff(0.1, cap=2.0)
                self._troubles.over("claim")
            except DATABASE_ERRORS as error:
                self._unsure = True
                self._troubles.tell("claim", error)
                await asyncio.sleep(next(pauses))
                continue
            ended = time.monotonic()
            await self._woken()
            rest = min(self._options.pass_seconds, ended - began)  # quick looks may come often
            await asyncio.sleep(max(0.0, ended + rest - time.monotonic()))

    async def _woken(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(min(self._options.poll_seconds, self._turns.look_seconds)):
                await self._wake.wait()

    async def _claim_once(self) -> None:
        self._wake.clear()
        if self._unsent:
            await self._return_unsent()
        most = min(self._options.max_in_flight - len(self._held), self._options.batch)
        if most <= 0:
            self._full = True
            return
        (free, others), shares, share = self._hand.free(), self._shares.free(), self._shares.most
        async with self._database.connection() as connection:
            if self._unsure:
                await claims.release(connection, self._owner, self._held)
                self._unsure = False
            found = await self._in_turn(connection, free, shares, most // 2 + 1)
            if (left := most - len(found)) > 0:
                rest = {**shares, **self._shares.left_of(shares, Counter(claim.tenant_id for claim in found))}
                grace = self._options.lease_grace_seconds
                found += await claims.claim(connection, self._owner, free, rest, share, left, grace, others)
        taken = Counter(claim.endpoint_id for claim in found)
        limits = {claim.endpoint_id: claim.max_in_flight for claim in found}
        self._hungry |= {id_ for id_, count in taken.items() if count >= free.get(id_, limits[id_])}
        self._full = len(found) >= most
        for claim in found:
            if claim.id not in self._held:  # else our own lease ran out while its result waits to be written
                self._held.add(claim.id)
                self._shares.take(claim.tenant_id)
                self._hand.take(claim)
        for endpoint_id in taken:
            self._begin(endpoint_id)
        tenants = Counter(claim.tenant_id for claim in found)
        if used_up := {id_ for id_, count in tenants.items() if count >= shares.get(id_, share)}:
            self._hungry |= used_up
        if used_up or (self._full and found):
            self._wake.set()  # they may have taken the place of others, who get theirs now

    async def _in_turn(
        self, connection: Connection, free: Mapping[UUID, int], shares: Mapping[UUID, int], most: int
    ) -> list[Claim]:
        """Of endpoints that are ordered or have a rate: before the others, which get at least half of each look."""
        if not (ours := await self._turns.take(connection, free)):
            return []
        grace, share = self._options.lease_grace_seconds, self._shares.most
        return await claims.claim_in_turn(connection, self._owner, ours, shares, share, most, grace)

    def _begin(self, endpoint_id: UUID) -> None:
        """Whatever of this endpoint may begin; what will not goes back to the queue."""
        now = time.monotonic()
        while (claim := self._hand.next(endpoint_id)) is not None:
            if now > claim.latest_start:
                self._hand.done(endpoint_id, receiver_is_well=None)
                self._give_back([claim])
                continue
            metrics.IN_FLIGHT.inc()
            if claim.attempt == 0:
                metrics.FIRST_ATTEMPT_SECONDS.observe(claim.waited_seconds)
            task = asyncio.create_task(self._deliver(claim))
            self._attempts.add(task)
            task.add_done_callback(self._attempts.discard)
        self._give_back(self._hand.unwanted(endpoint_id))

    def _give_back(self, unsent: Sequence[Claim]) -> None:
        for claim in unsent:
            self._shares.give_back(claim.tenant_id)
            self._unsent.append(claim)
            self._wake.set()

    async def _return_unsent(self) -> None:
        unsent = list(self._unsent)
        async with self._database.connection() as connection:
            await claims.give_back(connection, self._owner, unsent)
        del self._unsent[: len(unsent)]
        self._held.difference_update(claim.id for claim in unsent)

    # Delivering

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
            self._shares.give_back(claim.tenant_id)
        if verdict.disable or verdict.pause:
            self._hand.close(claim.endpoint_id, _CLOSED_SECONDS)
        if claim.ordered and verdict.outcome == "failed":
            self._give_back(self._hand.drop(claim.endpoint_id))  # nothing gets ahead of it
        self._buffer.put(Result(claim, at, answer, verdict, rest))
        metrics.attempted(verdict.outcome, answer.status, answer.ms)
        if not self._stopping:
            self._begin(claim.endpoint_id)
        satisfied = self._hungry & {claim.endpoint_id, claim.tenant_id}
        if satisfied and self._hand.runs_low(claim.endpoint_id):
            self._hungry -= satisfied
            self._wake.set()

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
                await self._database.run(partial(flush.write, owner=self._owner, results=batch))
            except _UNWRITABLE:
                await self._write_singly(batch)
        self._upkeep.tallies.count(batch)
        self._buffer.written(len(batch))
        self._held.difference_update(result.claim.id for result in batch)
        if self._full or any(result.claim.ordered for result in batch):  # what comes after them is due now
            self._wake.set()

    async def _write_singly(self, batch: list[Result]) -> None:
        """A result that PostgreSQL cannot take must not hold up the others; its delivery comes back with its lease."""
        for result in batch:
            try:
                await self._database.run(partial(flush.write, owner=self._owner, results=[result]))
            except _UNWRITABLE as error:
                self._troubles.failed("result", error, delivery=str(result.claim.id))

    # Around it

    async def _listen_forever(self) -> None:
        pauses = backoff(0.1, cap=2.0)
        while True:
            try:
                await listen(self._database, CHANNEL, self._heard, self._wake.set)
                pauses = backoff(0.1, cap=2.0)
            except DATABASE_ERRORS as error:
                self._troubles.tell("listen", error)
            await asyncio.sleep(next(pauses))

    def _heard(self) -> None:
        """From now on calls are heard. What was missed before is found by the next look."""
        self._troubles.over("listen")
        self._wake.set()
