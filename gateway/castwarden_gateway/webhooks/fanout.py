# SPDX-License-Identifier: Apache-2.0
"""Turns events into deliveries, in the transaction that records the events, and wakes the engines once it commits."""

from collections.abc import Sequence
from typing import Any, Protocol
from uuid import UUID

from asyncpg import Record
from castwarden_base.ids import uuid7
from castwarden_model.events import Event

from castwarden_gateway.db import Connection, call, statements
from castwarden_gateway.webhooks import conditions
from castwarden_gateway.webhooks.filters import matches, patterns_for

SQL = statements(__file__)
CHANNEL = "castwarden_webhooks"


class Recorded(Protocol):
    """An event and the tenant that owns it."""

    @property
    def tenant_id(self) -> UUID: ...
    @property
    def event(self) -> Event: ...


async def fan_out(connection: Connection, events: Sequence[Recorded]) -> int:
    """Queues every event for every endpoint that wants it; returns how many deliveries that made.

    Takes no lock on endpoints, so that transactions which report do not wait for each other.
    """
    if not events:
        return 0
    tenants = list({recorded.tenant_id for recorded in events})
    uids = list({recorded.event.subject.uid for recorded in events})
    patterns = list({pattern for recorded in events for pattern in patterns_for(recorded.event.type)})
    rows = await connection.fetch(SQL.interested, tenants, uids, patterns)
    pairs = [
        (recorded.tenant_id, uuid7(), recorded.event.id, row["id"])
        for recorded in events
        for row in rows
        if row["tenant_id"] == recorded.tenant_id and wants(row, recorded.event)
    ]
    if pairs:
        await enqueue(connection, pairs)
    return len(pairs)


def wants(endpoint: Record, event: Event) -> bool:
    """Whether an endpoint (a row of `interested`), bound to one resource or to none, gets the event."""
    bound_to, labels, condition = endpoint["resource_uid"], endpoint["labels"], endpoint["filter"]
    return (
        (bound_to is None or bound_to == event.subject.uid)
        and matches(endpoint["events"], event.type)
        and all(event.metadata.get(name) == value for name, value in labels.items())
        and (not condition or conditions.matches(condition, _seen(event)))
    )


def _seen(event: Event) -> dict[str, Any]:
    """What a condition can look at."""
    return {
        "type": event.type,
        "subject": event.subject.model_dump(),
        "data": event.data,
        "metadata": event.metadata,
    }


async def enqueue(connection: Connection, deliveries: Sequence[tuple[UUID, UUID, UUID, UUID]]) -> None:
    """Queues (tenant, delivery, event, endpoint) rows, due at once."""
    tenants, ids, events, endpoints = map(list, zip(*deliveries, strict=True))
    await connection.execute(SQL.enqueue, tenants, ids, events, endpoints)
    await call(connection, CHANNEL)
