# SPDX-License-Identifier: Apache-2.0
"""Takes from the queue what this process has room for: the one claimer of a process.

It looks when it is called and now and then without; quick looks may follow each other closely. Endpoints are found by
going through all that have something waiting. Where that takes long, because thousands do, or much has gone out that
nobody answers, those that answer are looked at by themselves, and all others beside them, a few deliveries at a time.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from uuid import UUID

from castwarden_base.retry import backoff
from castwarden_base.tasks import Supervisor

from castwarden_gateway.db import Connection, Database
from castwarden_gateway.webhooks import claim as claims
from castwarden_gateway.webhooks.claim import Claim
from castwarden_gateway.webhooks.hand import Hand
from castwarden_gateway.webhooks.lanes import Shares
from castwarden_gateway.webhooks.options import Options
from castwarden_gateway.webhooks.troubles import DATABASE_ERRORS, Troubles
from castwarden_gateway.webhooks.turns import Turns

_LONG_SECONDS = 0.004  # when a look at all endpoints takes longer, those that answer are looked at by themselves
_LONG_AGAIN = 2  # times shorter than that must it be before all are looked at together again
_ROW_SECONDS = 0.0001  # what a delivery adds to a look
_SWEPT = 256  # deliveries taken in one look at endpoints that have not answered lately: each costs a connection
_SWEEP_RESTS = 2  # times as long as the look before


@dataclass(frozen=True, slots=True)
class Room:
    """How much may be taken in one look, in all and of each endpoint and tenant.

    `others`: of an endpoint that is not named (None: its limit); a tenant that is not named has a whole share. `only`:
    no endpoints but these are looked at.
    """

    endpoints: Mapping[UUID, int]
    others: int | None
    tenants: Mapping[UUID, int]
    most: int
    only: Sequence[UUID] | None = None

    @property
    def is_wary(self) -> bool:
        """Whether much has gone out that nobody answers."""
        return self.only is None and self.others is not None


class Claimer:
    """`begin` is told of each endpoint that has got something into the hand. `held`: ours, and not yet written."""

    def __init__(
        self,
        database: Database,
        owner: UUID,
        hand: Hand,
        options: Options,
        troubles: Troubles,
        begin: Callable[[UUID], None],
    ) -> None:
        self._database = database
        self._owner = owner
        self._hand = hand
        self._options = options
        self._troubles = troubles
        self._begin = begin
        self._shares = Shares(options.share)
        self._turns = Turns(owner, options.lease_grace_seconds, options.poll_seconds)
        self._unsent: list[Claim] = []  # to be given back, for their endpoints take nothing now
        self._hungry: set[UUID] = set()  # endpoints and tenants that got as much as they could: there may be more
        self._full = False  # the last look was cut short by max_in_flight
        self._unsure = False  # a claim may have been committed whose answer we did not get
        self._apart = False  # those that answer are looked at by themselves
        self._stopping = False
        self._called, self._sweep_called = asyncio.Event(), asyncio.Event()
        self._looking, self._sweeping = asyncio.Lock(), asyncio.Lock()
        self.held: set[UUID] = set()

    def start(self, tasks: Supervisor, ready: asyncio.Event) -> None:
        """Begins once `ready` is set."""

        async def forever(look: Callable[[], Awaitable[float]], called: asyncio.Event, part: str) -> None:
            await ready.wait()
            await self._forever(look, called, part)

        tasks.start("webhook-claim", forever(self._look, self._called, "claim"))
        tasks.start("webhook-sweep", forever(self._sweep, self._sweep_called, "sweep"))

    async def stop(self) -> None:
        """Takes no more. A look under way ends first, so that nothing is leased and forgotten."""
        self._stopping = True
        async with self._looking, self._sweeping:
            pass

    async def release(self) -> None:
        """Gives back all that is still ours."""
        await self._database.retry(lambda connection: claims.release(connection, self._owner, ()))
        await self._database.retry(self._turns.end)

    def call(self) -> None:
        """There may be something in the queue, or room for more."""
        self._called.set()
        if self._apart:
            self._sweep_called.set()

    def answered(self, claim: Claim) -> None:
        """One delivery is over: there may be room for more of its endpoint and tenant."""
        satisfied = self._hungry & {claim.endpoint_id, claim.tenant_id}
        if satisfied and self._hand.runs_low(claim.endpoint_id):
            self._hungry -= satisfied
            self.call()

    def done(self, claim: Claim) -> None:
        """It counts no more against its tenant."""
        self._shares.give_back(claim.tenant_id)

    def give_back(self, unsent: Sequence[Claim]) -> None:
        """They have not begun and go back to the queue."""
        for claim in unsent:
            self._shares.give_back(claim.tenant_id)
            self._unsent.append(claim)
            self.call()

    def written(self, done: Sequence[Claim]) -> None:
        """PostgreSQL knows what came of them."""
        self.held.difference_update(claim.id for claim in done)
        if self._full or any(claim.ordered for claim in done):  # what comes after them is due now
            self._full = False
            self.call()

    # When

    async def _forever(self, look: Callable[[], Awaitable[float]], called: asyncio.Event, part: str) -> None:
        """Makes one look after the other; each says how long to rest after it."""
        pauses = backoff(0.1, cap=2.0)
        while True:
            try:
                rest = await look()
                pauses = backoff(0.1, cap=2.0)
                self._troubles.over(part)
            except DATABASE_ERRORS as error:
                self._unsure = True
                self._troubles.tell(part, error)
                await asyncio.sleep(next(pauses))
                continue
            ended = time.monotonic()
            with suppress(TimeoutError):
                async with asyncio.timeout(min(self._options.poll_seconds, self._turns.look_seconds)):
                    await called.wait()
            await asyncio.sleep(max(0.0, ended + rest - time.monotonic()))

    async def _look(self) -> float:
        """At all endpoints, or at those that answer while the others are looked at apart."""
        self._called.clear()
        began = time.monotonic()
        async with self._looking:
            if self._stopping:
                return 0.0
            if self._unsure:
                await self._forget_unsure()
            if self._unsent:
                await self._return_unsent()
            room = self._known() if self._apart else self._room()
            if room.is_wary:
                self._set_apart()
                room = self._known()
            found = await self._claim(room, turns=True)
        took = time.monotonic() - began
        if _is_long(took, found):
            self._set_apart()
        return min(self._options.pass_seconds, took)

    async def _sweep(self) -> float:
        """At all endpoints but those that answer, a few deliveries at a time."""
        self._sweep_called.clear()
        if not self._apart:
            return 0.0
        began = time.monotonic()
        async with self._sweeping:
            if self._stopping:
                return 0.0
            room = self._room()
            answering = dict.fromkeys(self._hand.answering(), 0)
            few = replace(room, endpoints={**room.endpoints, **answering}, most=min(room.most, _SWEPT))
            found = await self._claim(few, turns=False)
        took = time.monotonic() - began
        self._apart = room.is_wary or _is_long(took * _LONG_AGAIN, found)
        return took * _SWEEP_RESTS

    def _set_apart(self) -> None:
        self._apart = True
        self._sweep_called.set()

    # What

    def _room(self) -> Room:
        endpoints, others = self._hand.free()
        return Room(endpoints, others, self._shares.free(), self._most())

    def _known(self) -> Room:
        endpoints = self._hand.answering()
        return Room(endpoints, 0, self._shares.free(), self._most(), only=list(endpoints))

    def _most(self) -> int:
        return min(self._options.max_in_flight - len(self.held), self._options.batch)

    async def _claim(self, room: Room, *, turns: bool) -> int:
        """Takes what there is room for; how many deliveries that were."""
        if room.most <= 0:
            self._full = True
            return 0
        share, grace, found = self._shares.most, self._options.lease_grace_seconds, []
        async with self._database.connection() as connection:
            if turns:
                found = await self._in_turn(connection, room)
            if (left := room.most - len(found)) > 0 and room.only != []:
                taken = Counter(claim.tenant_id for claim in found)
                rest = {**room.tenants, **self._shares.left_of(room.tenants, taken)}
                found += await claims.claim(
                    connection, self._owner, room.endpoints, rest, share, left, grace, room.others, room.only
                )
        self._take(found, room)
        return len(found)

    async def _forget_unsure(self) -> None:
        """What was claimed without our hearing of it goes back; what a sweep has just claimed must not."""
        async with self._sweeping, self._database.connection() as connection:
            await claims.release(connection, self._owner, self.held)
            self._unsure = False

    async def _in_turn(self, connection: Connection, room: Room) -> list[Claim]:
        """Of endpoints that are ordered or have a rate: before the others, which get at least half of each look."""
        ours = await self._turns.take(connection, lambda: self._hand.free()[0])
        if not ours:
            return []
        grace, share, most = self._options.lease_grace_seconds, self._shares.most, room.most // 2 + 1
        return await claims.claim_in_turn(connection, self._owner, ours, room.tenants, share, most, grace)

    def _take(self, found: Sequence[Claim], room: Room) -> None:
        taken = Counter(claim.endpoint_id for claim in found)
        limits = {claim.endpoint_id: claim.max_in_flight for claim in found}
        self._hungry |= {id_ for id_, count in taken.items() if count >= room.endpoints.get(id_, limits[id_])}
        for claim in found:
            if claim.id not in self.held:  # else our own lease ran out while its result waits to be written
                self.held.add(claim.id)
                self._shares.take(claim.tenant_id)
                self._hand.take(claim)
        for endpoint_id in taken:
            self._begin(endpoint_id)
        tenants = Counter(claim.tenant_id for claim in found)
        used_up = {id_ for id_, count in tenants.items() if count >= room.tenants.get(id_, self._shares.most)}
        self._hungry |= used_up
        cut_short = len(found) >= room.most
        self._full = self._full or cut_short
        if used_up or cut_short:
            self.call()  # they may have taken the place of others, who get theirs now

    async def _return_unsent(self) -> None:
        unsent = list(self._unsent)
        async with self._database.connection() as connection:
            await claims.give_back(connection, self._owner, unsent)
        del self._unsent[: len(unsent)]
        self.held.difference_update(claim.id for claim in unsent)


def _is_long(took: float, found: int) -> bool:
    """Whether it is the endpoints that take long and not the deliveries."""
    return took > _LONG_SECONDS + found * _ROW_SECONDS
