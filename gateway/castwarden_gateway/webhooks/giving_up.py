# SPDX-License-Identifier: Apache-2.0
"""Endpoints that are given up: the receiver said that it is gone, or has done nothing but fail for days.

What waits for one goes to the dead, from where it can be recovered; the tenant's other endpoints are told.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import UUID

from asyncpg import Record
from castwarden_base.ids import uuid7
from castwarden_model.events import Event, Subject

from castwarden_gateway.db import Connection, statements
from castwarden_gateway.events.store import EventRecord, record
from castwarden_gateway.webhooks import maintain

SQL = statements(__file__)
GONE = "the receiver answered 410 Gone"
_DAYS = 5
_FAILING = f"nothing but failures for {_DAYS} days"
_KIND = "WebhookEndpoint"


async def disable(connection: Connection, endpoint_ids: Sequence[UUID], reason: str) -> None:
    """In the caller's transaction. Those that are disabled already stay as they are, and nobody is told again."""
    disabled = await connection.fetch(SQL.disable, endpoint_ids, reason)
    await maintain.bury(connection, [row["id"] for row in disabled])
    await record(connection, [EventRecord(row["tenant_id"], _told(row), row["url"]) for row in disabled])


async def disable_failing(connection: Connection) -> None:
    """Those that have done nothing but fail for five days."""
    failing = [row["id"] for row in await connection.fetch(SQL.failing, _DAYS)]
    if failing:
        await disable(connection, failing, _FAILING)


def _told(row: Record) -> Event:
    id_ = str(row["id"])
    return Event(
        id=uuid7(),
        type="webhook.disabled",
        timestamp=datetime.now(UTC),
        subject=Subject(kind=_KIND, namespace=row["namespace"], name=id_, uid=id_),
        data={
            "endpoint_id": id_,
            "url": row["url"],
            "reason": row["disabled_reason"],
            **({"last_error": row["last_error"]} if row["last_error"] else {}),
            **({"failing_since": row["failing_since"].isoformat()} if row["failing_since"] else {}),
        },
    )
