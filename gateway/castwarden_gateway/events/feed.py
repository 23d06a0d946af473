# SPDX-License-Identifier: Apache-2.0
"""Tells the open streams of this process what has been recorded, each event once and in one order for all.

UUIDv7 ids of transactions that run at once commit in any order, so "what is greater than the last id" loses events.
Here the order is (transaction, id), and an event is told only when no transaction before its own is still open: then
nothing can come to lie before it. A transaction that stays open holds the streams up; nothing is lost by that.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import NamedTuple
from uuid import UUID

import orjson
from asyncpg import Record
from castwarden_base.logs import get_logger
from castwarden_base.retry import backoff

from castwarden_gateway.db import DRIVER_ERRORS, Database, DatabaseUnavailable, statements
from castwarden_gateway.db.listen import listen
from castwarden_gateway.events.store import CHANNEL, EventFilter, EventView, view
from castwarden_gateway.http.sse import message

SQL = statements(__file__)
log = get_logger(__name__)
_AWAY = (*DRIVER_ERRORS, DatabaseUnavailable)
_POLL_SECONDS = 1.0  # the table is looked at this often even when nobody calls
_OPEN_SECONDS = 0.03  # and sooner at first, while a transaction is open before an event that has come
_PAGE = 500
_MOST_WAITING = 500  # events that a stream may be behind
_NIL = UUID(int=0)


class Position(NamedTuple):
    """How far a reader has come."""

    xid: int
    id: UUID


@dataclass(frozen=True, slots=True)
class Told:
    position: Position
    event: EventView
    message: bytes


@dataclass(eq=False, slots=True)
class Follower:
    """One stream. `overrun` is called once when it has fallen too far behind; it is told nothing after that."""

    tenant_id: UUID
    wanted: EventFilter
    overrun: Callable[[], None]
    waiting: deque[Told] = field(default_factory=deque)
    woken: asyncio.Event = field(default_factory=asyncio.Event)

    def take(self) -> list[Told]:
        """All that has come since it was asked last."""
        self.woken.clear()
        waiting = list(self.waiting)
        self.waiting.clear()
        return waiting

    def tell(self, told: Told) -> bool:
        """False when it cannot take it."""
        if len(self.waiting) >= _MOST_WAITING:
            self.waiting.clear()
            self.overrun()
            return False
        self.waiting.append(told)
        self.woken.set()
        return True


@dataclass(slots=True)
class _Tail:
    """How far a tenant's events have been told, and to whom."""

    position: Position
    followers: set[Follower] = field(default_factory=set)


class Feed:
    """`run()` and `hear()` work while the process lives; both rest while nobody follows."""

    def __init__(self, database: Database) -> None:
        self._db = database
        self._tails: dict[UUID, _Tail] = {}
        self._followed = asyncio.Event()
        self._woken = asyncio.Event()
        self._held_up = backoff(_OPEN_SECONDS, cap=_POLL_SECONDS)

    async def now(self) -> Position:
        """Before all that is recorded from now on. Raises DatabaseUnavailable, as the following do."""
        return Position(await self._db.fetchval(SQL.now), _NIL)

    async def position(self, tenant_id: UUID, event_id: UUID) -> Position:
        """Of this event, or where it was."""
        row = await self._db.of(tenant_id).fetchrow(SQL.position, tenant_id, event_id)
        row = row or await self._db.of(tenant_id).fetchrow(SQL.nearest, tenant_id, event_id)
        return Position(row["xid"], row["id"]) if row else Position(0, _NIL)

    async def page(self, tenant_id: UUID, after: Position) -> tuple[list[Told], bool]:
        """What follows, and whether there is more to read at once."""
        rows = await self._db.of(tenant_id).fetch(SQL.after, [tenant_id], [after.xid], [after.id], _PAGE)
        told = _settled(rows)
        return told, len(told) == _PAGE

    def follow(self, follower: Follower, after: Position) -> Position:
        """Tells the follower all that comes behind the position that is returned, perhaps some of it twice.

        That is `after`, or a later one: then it has to read what lies between itself.
        """
        tail = self._tails.setdefault(follower.tenant_id, _Tail(after))
        tail.followers.add(follower)
        self._followed.set()
        self._woken.set()
        return max(tail.position, after)

    def leave(self, follower: Follower) -> None:
        tail = self._tails.get(follower.tenant_id)
        if tail is not None:  # else the last of the others took it away, after this one was overrun
            tail.followers.discard(follower)
            if not tail.followers:
                del self._tails[follower.tenant_id]
        if not self._tails:
            self._followed.clear()

    async def run(self) -> None:
        """Looks at the table when somebody calls, and once a second."""
        pauses = backoff(0.1, cap=2.0)
        while True:
            await self._followed.wait()
            try:
                pause = await self.look()
                pauses = backoff(0.1, cap=2.0)
            except _AWAY as error:
                log.warning("events_not_followed", reason=str(error) or type(error).__name__)
                pause = next(pauses)
            try:
                async with asyncio.timeout(pause):
                    await self._woken.wait()
            except TimeoutError:
                continue

    async def hear(self) -> None:
        """The one connection that listens for all streams."""
        pauses = backoff(0.1, cap=2.0)
        while True:
            await self._followed.wait()
            try:
                await listen(self._db, CHANNEL, self._woken.set, self._woken.set)
            except _AWAY as error:
                log.warning("events_not_heard", reason=str(error) or type(error).__name__)
            await asyncio.sleep(next(pauses))

    async def look(self) -> float:
        """Tells what has come; the seconds until the next look is due."""
        self._woken.clear()
        tails = list(self._tails.items())
        rows = await self._db.of_all().fetch(
            SQL.after,
            [tenant_id for tenant_id, _ in tails],
            [tail.position.xid for _, tail in tails],
            [tail.position.id for _, tail in tails],
            _PAGE,
        )
        known = dict(tails)
        for tenant_id, own in groupby(rows, lambda row: row["tenant_id"]):
            self._tell(known[tenant_id], _settled(own))
        if any(not row["settled"] for row in rows):
            return next(self._held_up)
        self._held_up = backoff(_OPEN_SECONDS, cap=_POLL_SECONDS)
        return 0.0 if len(rows) >= _PAGE else _POLL_SECONDS

    def _tell(self, tail: _Tail, events: Sequence[Told]) -> None:
        for told in events:
            tail.position = told.position
            for follower in list(tail.followers):
                if follower.wanted.takes(told.event) and not follower.tell(told):
                    tail.followers.discard(follower)


async def adopt(database: Database) -> None:
    """Events from a dump of another server come first: its transaction ids mean nothing here."""
    if await database.fetchval(SQL.foreign_xids):
        log.warning("events_of_another_server")
        await database.execute(SQL.adopt)


def _settled(rows: Iterable[Record]) -> list[Told]:
    return [_told(row) for row in rows if row["settled"]]


def _told(row: Record) -> Told:
    event = view(row)
    text = orjson.dumps(event, default=str, option=orjson.OPT_UTC_Z)
    return Told(Position(row["xid"], row["id"]), event, message(text, id_=str(row["id"])))
