# SPDX-License-Identifier: Apache-2.0
"""What can be done with an endpoint beside changing it: a new secret, a pause."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

from asyncpg import Record

from castwarden_gateway.db import Connection, Database, call, statements
from castwarden_gateway.http.operations import Operation
from castwarden_gateway.http.problems import Conflict, FieldError, InvalidRequest
from castwarden_gateway.webhooks import checks, store
from castwarden_gateway.webhooks.control_models import RotateSecret
from castwarden_gateway.webhooks.errors import EndpointIsBound, found
from castwarden_gateway.webhooks.fanout import CHANNEL
from castwarden_gateway.webhooks.signing import Signer, active

SQL = statements(__file__)
_MOST_OLD = 4


class TooManySecrets(Conflict):
    code, title = "webhook-secrets-too-many", "Too many old secrets still sign"


class Controls:
    """Of one tenant's endpoints. Raises Problems."""

    def __init__(self, database: Database, signer: Signer) -> None:
        self._database = database
        self._signer = signer

    async def rotate(
        self, tenant_id: UUID, id_: UUID, wanted: RotateSecret, operation: Operation
    ) -> tuple[Record, str | None]:
        """The row with its new secret, and the secret, which is never told again; v1a has none to tell."""

        async def work(connection: Connection) -> Record:
            row = found(await store.lock_endpoint(connection, tenant_id, id_))

            async def rotate() -> bool:
                await self._rotate(connection, row, wanted)
                return True

            await operation.once(connection, rotate)
            return found(await store.endpoint(connection, tenant_id, id_))

        row = await self._database.of(tenant_id).run(work)
        return row, self._signer.shown(row)

    async def _rotate(self, connection: Connection, row: Record, wanted: RotateSecret) -> None:
        if row["secret"] is None:
            raise EndpointIsBound("It is signed with the signing key; rotate that one.")
        signature = wanted.signature or ("v1a" if row["public_key"] else "v1")
        checks.check({"profile": row["profile"], "signature": signature})
        old: list[tuple[bytes, datetime]] = []
        if wanted.overlap_seconds > 0:
            now = await connection.fetchval(SQL.clock)  # by which a claim judges whether a secret still signs
            old = [(row["secret"], now + timedelta(seconds=wanted.overlap_seconds)), *active(row, now)]
        if len(old) > _MOST_OLD:
            raise TooManySecrets(f"At most {_MOST_OLD}; with overlap_seconds 0 they all stop at once.")
        key = self._signer.new_key(signature, row["tenant_id"])
        await connection.execute(
            SQL.rotate_secret,
            row["tenant_id"],
            row["id"],
            key.sealed,
            key.public,
            [secret for secret, _ in old],
            [until for _, until in old],
        )

    async def pause(self, tenant_id: UUID, id_: UUID, until: datetime | None, operation: Operation) -> Record:
        if until is not None and until <= datetime.now(UTC) and not operation.resumed:
            past = FieldError("lies in the past", "/until")
            raise InvalidRequest("Wrong fields in the body: 1; see errors.", errors=[past])
        return found(await self._database.of(tenant_id).fetchrow(SQL.pause, tenant_id, id_, until))

    async def resume(self, tenant_id: UUID, id_: UUID) -> Record:
        async def work(connection: Connection) -> Record:
            row = found(await connection.fetchrow(SQL.resume, tenant_id, id_))
            await call(connection, CHANNEL)
            return row

        return await self._database.of(tenant_id).run(work)
