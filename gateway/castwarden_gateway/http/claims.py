# SPDX-License-Identifier: Apache-2.0
"""The rows of Idempotency-Keys: taken with a lease, kept while the work lasts, answered, forgotten after a day."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID, uuid4

from castwarden_base.ids import uuid7
from castwarden_base.logs import get_logger

from castwarden_gateway.db import Database, DatabaseUnavailable, statements
from castwarden_gateway.http.operations import Claim, Operation
from castwarden_gateway.webhooks.secrets import Keyring, UnreadableSecret

SQL = statements(__file__)
log = get_logger(__name__)
LEASE_SECONDS = 15.0  # how long a repeat is refused after the process that worked on it has died
LIFE_SECONDS = 86_400.0
_RENEW_SECONDS = 5.0
_TIDY_SECONDS = 3600.0
_PRUNED_AT_ONCE = 5000


@dataclass(frozen=True, slots=True)
class Kept:
    """What is known of a key that cannot be taken. `status` None: a run works on it."""

    request_hash: bytes
    status: int | None
    headers: Mapping[str, str]
    body: bytes


class Claims:
    """Raises DatabaseUnavailable."""

    def __init__(self, database: Database, keyring: Keyring) -> None:
        self._db = database
        self._all = database.of_all()
        self._keyring = keyring
        self._held: set[Claim] = set()

    async def take(
        self, tenant_id: UUID, method: str, path: str, digest: bytes, request_hash: bytes
    ) -> Operation | Kept:
        """The operation to run now, or what a run before has left or is at."""
        claim = Claim(tenant_id, digest, uuid4())
        wanted = (tenant_id, digest, method, path, request_hash, uuid7(), claim.owner, LEASE_SECONDS, LIFE_SECONDS)
        while True:
            row = await self._db.of(tenant_id).fetchrow(SQL.claim, *wanted)
            if row is not None:
                self._held.add(claim)
                return Operation(claim, row["resumed"], row["operation_id"])
            row = await self._db.of(tenant_id).fetchrow(SQL.found, tenant_id, digest)
            if row is not None:  # else it was pruned in between
                body = self._opened(row["body"], digest) if row["sealed"] else row["body"]
                return Kept(row["request_hash"], row["status"], row["headers"], body)

    async def finish(self, claim: Claim, status: int, headers: Mapping[str, str], body: bytes, secret: bool) -> bool:
        """Records the answer; False when another run has taken over."""
        kept = self._keyring.seal(body.decode(), claim.digest) if secret else body
        key = (claim.tenant_id, claim.digest, claim.owner)
        values = (*key, status, dict(headers), kept, secret)
        return await self._db.of(claim.tenant_id).fetchval(SQL.finish, *values) is not None

    def let_go(self, claim: Claim) -> None:
        """The run has ended, however: its lease is no longer kept."""
        self._held.discard(claim)

    async def release(self, claim: Claim) -> None:
        """The run ended without an answer to keep: the next one need not wait."""
        try:
            await self._db.of(claim.tenant_id).execute(SQL.release, claim.tenant_id, claim.digest, claim.owner)
        except DatabaseUnavailable:
            log.warning("idempotency_key_not_released")  # its lease runs out

    async def run(self) -> None:
        """Keeps the leases of work under way, and tidies, until cancelled."""
        loop = asyncio.get_running_loop()
        tidied = -_TIDY_SECONDS
        while True:
            try:
                if self._held:
                    await self._renew()
                if loop.time() - tidied >= _TIDY_SECONDS:
                    await self.tidy()
                    tidied = loop.time()
            except DatabaseUnavailable:
                log.warning("idempotency_keys_not_kept")
            await asyncio.sleep(_RENEW_SECONDS)

    async def tidy(self) -> None:
        """Forgets what is older than a day, and seals with the newest key what an older one sealed."""
        while await self._all.execute(SQL.prune, LIFE_SECONDS, _PRUNED_AT_ONCE) == f"DELETE {_PRUNED_AT_ONCE}":
            pass
        for row in await self._all.fetch(SQL.sealed_bodies):
            if self._keyring.is_current(row["body"]):
                continue
            if body := self._opened(row["body"], row["digest"]):
                anew = self._keyring.seal(body.decode(), row["digest"])
                await self._all.execute(SQL.reseal, row["tenant_id"], row["digest"], row["owner"], anew, row["body"])

    async def _renew(self) -> None:
        held = list(self._held)
        columns = [claim.tenant_id for claim in held], [claim.digest for claim in held], [claim.owner for claim in held]
        await self._all.execute(SQL.renew, *columns, LEASE_SECONDS)

    def _opened(self, sealed: bytes, digest: bytes) -> bytes:
        """The body in the clear; empty when no key of the keyring opens it any more."""
        try:
            return self._keyring.open(sealed, digest).encode()
        except UnreadableSecret as error:
            log.error("idempotency_answer_unreadable", error=str(error))
            return b""
