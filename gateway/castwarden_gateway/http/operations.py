# SPDX-License-Identifier: Apache-2.0
"""What one unsafe request does, once in effect however often it is sent under one Idempotency-Key.

A run may die after its work and before its answer is recorded. The next run of the same request then gets the same
`Operation`, marked `resumed`, and each route is written so that running it again changes nothing more:

- what it makes is named by `operation.id`, and making it again under that name finds it;
- work in PostgreSQL that is not so by nature goes through `operation.once`, which commits work and memory together;
- a change sets values, so that a second time sets the same; what was to be deleted and is gone has been deleted.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar
from uuid import UUID

from castwarden_base.ids import uuid7

from castwarden_gateway.db import Connection, statements
from castwarden_gateway.http.problems import NotFound

SQL = statements(__file__)
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Claim:
    """The row of an Idempotency-Key, taken by one run of the request."""

    tenant_id: UUID
    digest: bytes
    owner: UUID


@dataclass(slots=True)
class Operation:
    """`resumed`: a run before this one began and left no answer, so its work may have been done."""

    claim: Claim | None = None
    resumed: bool = False
    _id: UUID | None = field(default=None)

    @property
    def id(self) -> UUID:
        """A UUIDv7, the same in every run."""
        if self._id is None:
            self._id = uuid7()
        return self._id

    async def deleted(self, work: Awaitable[None]) -> None:
        """Awaits a deletion; that there is nothing to delete is as it should be when a run before may have done it."""
        try:
            await work
        except NotFound:
            if not self.resumed:
                raise

    async def once(self, connection: Connection, work: Callable[[], Awaitable[T]]) -> T:
        """Does `work` in the caller's transaction and remembers with it what it returns, which must be JSON.

        A later run gets what is remembered instead. Call it once in a request, with nothing written beside it.
        """
        if self.claim is None:
            return await work()
        key = (self.claim.tenant_id, self.claim.digest, self.id)
        before: dict[str, Any] | None = await connection.fetchval(SQL.effect, *key)
        if before is not None:
            done: T = before["returned"]
            return done
        returned = await work()
        await connection.execute(SQL.note_effect, *key, {"returned": returned})
        return returned
