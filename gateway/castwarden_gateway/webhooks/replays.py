# SPDX-License-Identifier: Apache-2.0
"""Replays: an endpoint gets what it never got of the past, for it was not there yet, wanted less or was disabled.

A replay is a row with a cursor over the tenant's events. Whichever gateway finds it looks at a page of events, queues
what is missing and moves the cursor in one transaction, so that a crash neither skips nor repeats any. It rests while
much is waiting for the endpoint, so that the past does not bury what is new.
"""

from datetime import UTC, datetime, timedelta
from uuid import UUID

from asyncpg import Record
from castwarden_base.ids import first_uuid7, uuid7
from castwarden_model.events import Event, Subject

from castwarden_gateway.db import Connection, Database, statements
from castwarden_gateway.http.operations import Operation
from castwarden_gateway.http.problems import Conflict, FieldError, InvalidRequest
from castwarden_gateway.webhooks import store
from castwarden_gateway.webhooks.errors import found, refuse_disabled
from castwarden_gateway.webhooks.fanout import enqueue, wants
from castwarden_gateway.webhooks.replay_models import ReplayStart

SQL = statements(__file__)
_PAGE = 500  # events looked at in one transaction
_MUCH = 2000  # deliveries that wait for an endpoint: no more are added meanwhile


class ReplayIsRunning(Conflict):
    code, title = "webhook-replay-running", "A replay of this endpoint is running"


class Replays:
    """Of one tenant's endpoints. Raises Problems. What was sent is known for `retention_days`."""

    def __init__(self, database: Database, retention_days: int) -> None:
        self._database = database
        self._retention_days = retention_days

    async def start(self, tenant_id: UUID, endpoint_id: UUID, wanted: ReplayStart, operation: Operation) -> Record:
        until = wanted.until or datetime.now(UTC)
        if not operation.resumed:
            self._check(wanted.since, until)

        async def work(connection: Connection) -> Record:
            found(await store.lock_endpoint(connection, tenant_id, endpoint_id))
            before = await connection.fetchrow(SQL.replay, tenant_id, operation.id)
            if before is not None:
                return before
            await refuse_disabled(connection, tenant_id, endpoint_id)
            if (running := await connection.fetchval(SQL.running, endpoint_id)) is not None:
                raise ReplayIsRunning(f"Wait until {running} has finished, or cancel it.")
            first = first_uuid7(wanted.since)
            await connection.execute(SQL.begin, operation.id, tenant_id, endpoint_id, wanted.since, until, first)
            return found(await connection.fetchrow(SQL.replay, tenant_id, operation.id))

        return await self._database.of(tenant_id).run(work)

    def _check(self, since: datetime, until: datetime) -> None:
        now = datetime.now(UTC)
        wrong = []
        if since < now - timedelta(days=self._retention_days):
            wrong.append(FieldError(f"is more than {self._retention_days} days ago: not known what was sent", "/since"))
        if until > now:
            wrong.append(FieldError("lies in the future; what comes is sent anyway", "/until"))
        elif since >= until:
            wrong.append(FieldError("must be before until", "/since"))
        if wrong:
            raise InvalidRequest(f"Wrong fields in the body: {len(wrong)}; see errors.", errors=wrong)

    async def get(self, tenant_id: UUID, id_: UUID) -> Record:
        return found(await self._database.of(tenant_id).fetchrow(SQL.replay, tenant_id, id_))

    async def page(self, tenant_id: UUID, endpoint_id: UUID | None, before: UUID | None, limit: int) -> list[Record]:
        """Newest first."""
        return await self._database.of(tenant_id).fetch(SQL.replays, tenant_id, endpoint_id, before, limit)

    async def cancel(self, tenant_id: UUID, id_: UUID) -> Record:
        """Queues no more; what is queued is sent. One that has ended stays as it ended."""

        async def work(connection: Connection) -> Record:
            await connection.execute(SQL.cancel, tenant_id, id_)
            return found(await connection.fetchrow(SQL.replay, tenant_id, id_))

        return await self._database.of(tenant_id).run(work)


async def step(connection: Connection, size: int = _PAGE, much: int = _MUCH) -> bool:
    """One page of one replay, in the caller's transaction. False: there is nothing to do now."""
    replay = await connection.fetchrow(SQL.take, much)
    if replay is None:
        return False
    if not replay["wanted"]:
        await connection.execute(SQL.finish, replay["id"], "cancelled", "the endpoint was disabled")
        return True
    tenant_id, endpoint_id = replay["tenant_id"], replay["endpoint_id"]
    events = await connection.fetch(SQL.page, tenant_id, replay["cursor"], first_uuid7(replay["until"]), size)
    missing = await connection.fetch(
        SQL.missing, endpoint_id, [row["id"] for row in events if wants(replay, _event(row))]
    )
    if missing:
        await enqueue(connection, [(tenant_id, uuid7(), row["id"], endpoint_id) for row in missing])
    if events:
        await connection.execute(SQL.advance, replay["id"], events[-1]["id"], len(events), len(missing))
    if len(events) < size:
        await connection.execute(SQL.finish, replay["id"], "completed", None)
    return True


def _event(row: Record) -> Event:
    """What a filter sees of it."""
    subject = Subject.model_construct(**{name: row[name] for name in ("kind", "namespace", "name", "uid")})
    seen = {name: row[name] for name in ("id", "type", "data", "metadata")}
    return Event.model_construct(timestamp=row["occurred_at"], subject=subject, **seen)
