# SPDX-License-Identifier: Apache-2.0
"""The audit log in PostgreSQL: an entry is begun before a change and finished after it, and never changed again."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal
from uuid import UUID

from asyncpg import Record
from castwarden_base.ids import uuid7

from castwarden_gateway.db import Connection, Database, statements
from castwarden_gateway.http.media import example

SQL = statements(__file__)
_PRUNED_AT_ONCE = 5000
Outcome = Literal["done", "refused", "failed", "unknown"]


@dataclass(frozen=True, slots=True)
class Entry:
    """A change that is about to be made. Without `key_id` it is the gateway's own."""

    tenant_id: UUID
    action: str
    kind: str
    route: str
    subject: str | None = None
    key_id: UUID | None = None
    key_name: str = ""
    key_prefix: str = ""
    key_tenant: str = ""
    client_address: str | None = None
    user_agent: str | None = None
    request_id: str = ""
    status: int | None = None
    id: UUID = field(default_factory=uuid7)


@dataclass(frozen=True, slots=True)
class Finish:
    """What became of an entry."""

    id: UUID
    status: int
    subject: str | None


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to list; None leaves a field open."""

    since: datetime | None = None
    until: datetime | None = None
    action: str | None = None
    key_id: UUID | None = None


@example(
    id="019a9f3c-6f2e-7c5e-9d3b-0a1b2c3d4e5f",
    at="2026-11-20T12:00:00Z",
    action="create_monitor",
    kind="monitor",
    subject="mon-019a9f3c-5d2e-7c41-9b7a-0f6f3b1c2d4e",
    route="POST /api/v1/monitors",
    outcome="done",
    status_code=201,
    key_id="019a9f3c-1c3d-7b52-8a4e-2f1e0d9c8b7a",
    key_name="dashboard",
    key_prefix="yttr_mzxw6yt",
    key_tenant="acme",
    client_address="198.51.100.7",
    user_agent="curl/8.9.1",
    request_id="1b0a7f3c9d2e-4f",
)
@dataclass(frozen=True, slots=True)
class AuditView:
    """A change, or the attempt of one. Without `key_id` the gateway made it itself, at its first start.

    `outcome` is `unknown` while the change is under way, and stays so when the gateway died in it. `key_prefix` is
    shown of the tenant's own keys only: an administrator of another tenant may have acted for it.
    """

    id: UUID
    at: datetime
    action: str
    kind: str
    subject: str | None
    route: str
    outcome: Outcome
    status_code: int | None
    key_id: UUID | None
    key_name: str
    key_prefix: str | None
    key_tenant: str
    client_address: str | None
    user_agent: str | None
    request_id: str


class AuditStore:
    """Raises DatabaseUnavailable."""

    def __init__(self, database: Database) -> None:
        self._db = database
        self._all = database.of_all()

    async def begin(self, entry: Entry) -> None:
        await self._db.of(entry.tenant_id).retry(lambda connection: note(connection, entry))

    async def finish(self, ended: Sequence[Finish]) -> None:
        columns = [one.id for one in ended], [one.status for one in ended], [one.subject for one in ended]
        await self._all.execute(SQL.finish, *columns)

    async def page(
        self, tenant_id: UUID, slug: str, wanted: Wanted, before: tuple[datetime, UUID] | None, limit: int
    ) -> list[AuditView]:
        """Newest first, those before the position `before`. `slug` is the tenant's."""
        filters = (wanted.since, wanted.until, wanted.action, wanted.key_id)
        rows = await self._db.of(tenant_id).fetch(SQL.page, tenant_id, *(before or (None, None)), limit, *filters)
        return [_view(row, slug) for row in rows]

    async def prune(self, days: int) -> None:
        """Forgets what is older."""
        while await self._all.execute(SQL.prune, days, _PRUNED_AT_ONCE) == f"DELETE {_PRUNED_AT_ONCE}":
            pass


async def note(connection: Connection, entry: Entry) -> None:
    """Writes an entry in the caller's transaction, or in one of its own."""
    await connection.execute(
        SQL.begin,
        entry.id,
        entry.tenant_id,
        entry.key_id,
        entry.key_name,
        entry.key_prefix,
        entry.key_tenant,
        entry.action,
        entry.kind,
        entry.subject,
        entry.route,
        entry.client_address,
        entry.user_agent,
        entry.request_id,
        entry.status,
    )


def _view(row: Record, slug: str) -> AuditView:
    own = row["key_tenant"] == slug
    return AuditView(
        row["id"],
        row["at"],
        row["action"],
        row["kind"],
        row["subject"],
        row["route"],
        outcome_of(row["status"]),
        row["status"],
        row["key_id"],
        row["key_name"],
        row["key_prefix"] if own else None,
        row["key_tenant"],
        row["client_address"],
        row["user_agent"],
        row["request_id"],
    )


def outcome_of(status: int | None) -> Outcome:
    if status is None:
        return "unknown"
    if status < 400:
        return "done"
    return "refused" if status < 500 else "failed"
