# SPDX-License-Identifier: Apache-2.0
"""Records events and reads them back. `record` is the only way an event comes to be."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from asyncpg import Record
from castwarden_base.ids import first_uuid7
from castwarden_model.events import CATALOGUE, Event
from typing_extensions import TypedDict  # pydantic reads no other before Python 3.12

from castwarden_gateway.db import Connection, Database, call, statements
from castwarden_gateway.http.media import example
from castwarden_gateway.webhooks.fanout import fan_out

SQL = statements(__file__)
_PRUNED_AT_ONCE = 1000
CHANNEL = "castwarden_events"  # wakes the streams, once the transaction commits


@dataclass(frozen=True, slots=True)
class EventRecord:
    """An event as a tenant owns it. `source_url` is what its resource watches; the Stream Tracker's envelope has it."""

    tenant_id: UUID
    event: Event
    source_url: str = ""


async def record(connection: Connection, events: Sequence[EventRecord]) -> None:
    """Inserts the events and their deliveries in the caller's transaction."""
    if not events:
        return
    await connection.execute(SQL.insert_events, [_row(one) for one in events])
    await call(connection, CHANNEL)
    await fan_out(connection, events)


def _row(one: EventRecord) -> dict[str, Any]:
    event, subject = one.event, one.event.subject
    return {
        "id": event.id,
        "tenant_id": one.tenant_id,
        "type": event.type,
        "kind": subject.kind,
        "namespace": subject.namespace,
        "name": subject.name,
        "uid": subject.uid,
        "occurred_at": event.timestamp,
        "data": event.data,
        "metadata": event.metadata,
        "source_url": one.source_url,
    }


@dataclass(frozen=True, slots=True)
class EventFilter:
    """What to list; None leaves a field open. `type` may end in `.*`."""

    type: str | None = None
    kind: str | None = None
    name: str | None = None
    uid: str | None = None
    since: datetime | None = None
    until: datetime | None = None

    def takes(self, event: "EventView") -> bool:
        """Whether an event is among those wanted; times are not looked at."""
        subject = event["subject"]
        return (
            (self.type is None or _fits(self.type, event["type"]))
            and self.kind in (None, subject["kind"])
            and self.name in (None, subject["name"])
            and self.uid in (None, subject["uid"])
        )


@example(
    id="019a9f3c-6f2e-7c5e-9d3b-0a1b2c3d4e5f",
    type="stream.started",
    timestamp="2026-11-20T11:58:04Z",
    subject={
        "kind": "Monitor",
        "namespace": "default",
        "name": "mon-019a9f3c-5d2e-7c41-9b7a-0f6f3b1c2d4e",
        "uid": "3f1f0a52-0c5e-4e0c-9a57-5a3b8f6f2d11",
    },
    data=CATALOGUE["stream.started"].example,
    metadata={"desk": "7"},
)
class EventView(TypedDict):
    """An event; `data` depends on its type."""

    id: UUID
    type: str
    timestamp: datetime
    subject: dict[str, str]
    data: dict[str, Any]
    metadata: dict[str, str]


class EventStore:
    """A tenant's events, as the API shows them."""

    def __init__(self, database: Database) -> None:
        self._db = database

    async def page(self, tenant_id: UUID, wanted: EventFilter, before: UUID | None, limit: int) -> list[EventView]:
        """Newest first, those before the event `before`."""
        wild = wanted.type is not None and wanted.type.endswith("*")
        exact = None if wild else wanted.type
        prefix = wanted.type.removesuffix("*") if wanted.type is not None and wild else None
        rows = await self._db.of(tenant_id).fetch(
            SQL.page,
            tenant_id,
            before,
            limit,
            exact,
            prefix,
            wanted.kind,
            wanted.name,
            wanted.uid,
            wanted.since,
            wanted.until,
        )
        return [view(row) for row in rows]

    async def get(self, tenant_id: UUID, event_id: UUID) -> EventView | None:
        row = await self._db.of(tenant_id).fetchrow(SQL.event, tenant_id, event_id)
        return view(row) if row else None


async def prune(database: Database, days: int) -> None:
    """Drops events that are older, a few at a time so that nothing waits for it."""
    oldest = first_uuid7(datetime.now(UTC) - timedelta(days=days))
    while await database.fetchval(SQL.prune, oldest, _PRUNED_AT_ONCE) > 0:
        pass


def view(row: Record) -> EventView:
    return {
        "id": row["id"],
        "type": row["type"],
        "timestamp": row["occurred_at"],
        "subject": {name: row[name] for name in ("kind", "namespace", "name", "uid")},
        "data": row["data"],
        "metadata": row["metadata"],
    }


def _fits(pattern: str, type_: str) -> bool:
    return type_.startswith(pattern[:-1]) if pattern.endswith("*") else type_ == pattern
