# SPDX-License-Identifier: Apache-2.0
"""Endpoints, signing keys and deliveries as rows, always of one tenant. The engine's own statements lie elsewhere."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from asyncpg import Record
from castwarden_base.ids import uuid7

from castwarden_gateway.db import Connection, statements
from castwarden_gateway.webhooks import maintain, turns
from castwarden_gateway.webhooks.fanout import CHANNEL, enqueue
from castwarden_gateway.webhooks.secrets import Keyring
from castwarden_gateway.webhooks.sign import new_secret
from castwarden_gateway.webhooks.signing import SigningKey

SQL = statements(__file__)
STATES = ("pending", "sent", "failed", "dead")
_BOUND_TIMEOUT_SECONDS = 15.0
_BOUND_IN_FLIGHT = 8


async def insert_endpoint(
    connection: Connection, tenant_id: UUID, id_: UUID, key: SigningKey, columns: Mapping[str, Any]
) -> Record:
    """The new row, given its options by column. Doing it again under the same id changes nothing."""
    row = await connection.fetchrow(SQL.insert_endpoint, id_, tenant_id, key.sealed, key.public, columns)
    assert row is not None  # noqa: S101 - an upsert without a condition returns its row
    return row


async def lock_endpoint(connection: Connection, tenant_id: UUID, id_: UUID) -> Record | None:
    """As it is, and as it stays until the transaction ends."""
    return await connection.fetchrow(SQL.lock_endpoint, tenant_id, id_)


async def endpoint(connection: Connection, tenant_id: UUID, id_: UUID) -> Record | None:
    return await connection.fetchrow(SQL.endpoint, tenant_id, id_)


async def endpoints(connection: Connection, tenant_id: UUID, before: UUID | None, limit: int) -> list[Record]:
    """Newest first."""
    return await connection.fetch(SQL.endpoints, tenant_id, before, limit)


async def update_endpoint(
    connection: Connection, tenant_id: UUID, id_: UUID, columns: Mapping[str, Any]
) -> Record | None:
    """Changes what is given. Disabling parks what waits; what waits for one that is ordered now gets its place."""
    row = await connection.fetchrow(SQL.update_endpoint, tenant_id, id_, columns)
    if row is not None and not row["enabled"]:
        await maintain.bury(connection, [id_])
    if columns.get("ordered"):
        await connection.execute(turns.SQL.place, id_)
    return row


async def delete_endpoint(connection: Connection, tenant_id: UUID, id_: UUID) -> bool:
    """Also drops what waits for it and its dead; attempts stay until they are too old."""
    return await connection.fetchrow(SQL.delete_endpoint, tenant_id, id_) is not None


async def ensure_bound_endpoint(
    connection: Connection, keyring: Keyring, *, tenant_id: UUID, resource_uid: str, url: str, description: str = ""
) -> None:
    """The endpoint of a Monitor's webhookUrl: the Stream Tracker's headers and envelope, events of this Monitor alone.

    Writes nothing when it is there already with this URL. Check the URL before.
    """
    await connection.execute(SQL.add_signing_key, tenant_id, keyring.seal(new_secret(), tenant_id.bytes))
    await connection.execute(
        SQL.bind_endpoint,
        uuid7(),
        tenant_id,
        resource_uid,
        url,
        description,
        _BOUND_TIMEOUT_SECONDS,
        _BOUND_IN_FLIGHT,
    )


async def drop_bound_endpoint(connection: Connection, resource_uid: str) -> None:
    """The Monitor or its webhookUrl is gone: no new deliveries, but what is queued still goes out."""
    await connection.execute(SQL.retire_endpoint, resource_uid)


async def signing_key(connection: Connection, tenant_id: UUID) -> Record | None:
    return await connection.fetchrow(SQL.signing_key, tenant_id)


async def show_signing_key(connection: Connection, keyring: Keyring, tenant_id: UUID) -> Record | None:
    """The row of the tenant's key the first time that it is asked for, else None."""
    await connection.execute(SQL.add_signing_key, tenant_id, keyring.seal(new_secret(), tenant_id.bytes))
    return await connection.fetchrow(SQL.show_signing_key, tenant_id)


async def replace_signing_key(connection: Connection, keyring: Keyring, tenant_id: UUID) -> Record:
    """Makes a new key, which counts as shown."""
    row = await connection.fetchrow(SQL.replace_signing_key, tenant_id, keyring.seal(new_secret(), tenant_id.bytes))
    assert row is not None  # noqa: S101 - an upsert without a condition returns its row
    return row


async def deliveries(
    connection: Connection,
    tenant_id: UUID,
    endpoint_id: UUID | None,
    state: str | None,
    before: UUID | None,
    limit: int,
) -> list[Record]:
    """Newest first, whether unfinished, dead or sent."""
    states = STATES if state is None else (state,)
    return await connection.fetch(SQL.deliveries, tenant_id, endpoint_id, states, before, limit)


async def delivery(connection: Connection, tenant_id: UUID, id_: UUID) -> Record | None:
    return await connection.fetchrow(SQL.delivery, tenant_id, id_)


async def attempts(connection: Connection, tenant_id: UUID, id_: UUID) -> list[Record]:
    return await connection.fetch(SQL.attempts, tenant_id, id_)


async def resend(connection: Connection, tenant_id: UUID, found: Record) -> UUID:
    """Sends a delivery (a row of `delivery`) again and returns the id under which it goes.

    Unfinished: due at once. Dead: back into the queue. Sent: a new delivery of the same event, so the same webhook-id.
    """
    id_: UUID = found["id"]
    if found["state"] == "dead":
        await revive(connection, tenant_id, found["endpoint_id"], found["created_at"], id_)
    elif found["state"] == "sent":
        id_ = uuid7()
        await enqueue(connection, [(tenant_id, id_, found["event_id"], found["endpoint_id"])])
    else:
        await connection.execute(SQL.hasten, tenant_id, id_, CHANNEL)
    return id_


async def revive(
    connection: Connection, tenant_id: UUID, endpoint_id: UUID, since: datetime, id_: UUID | None = None
) -> int:
    """Puts dead deliveries of an endpoint back into the queue, with all attempts before them."""
    revived: int = await connection.fetchval(SQL.revive, tenant_id, endpoint_id, since, id_, CHANNEL)
    return revived
