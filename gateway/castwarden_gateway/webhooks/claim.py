# SPDX-License-Identifier: Apache-2.0
"""Leases due deliveries, a few of each endpoint, with all that is needed to send them."""

import math
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from asyncpg import Record

from castwarden_gateway.db import Connection, statements
from castwarden_gateway.webhooks.payloads import Payload, StoredEvent
from castwarden_gateway.webhooks.schedule import Policy
from castwarden_gateway.webhooks.sign import Profile

SQL = statements(__file__)


@dataclass(frozen=True, slots=True)
class Claim:
    """One leased delivery. `attempt` counts the attempts made so far; `event` is None when its row is gone.

    `waited_seconds` is how long it had been due, `latest_start` when (on this process's clock) it is too late to begin.
    """

    tenant_id: UUID
    id: UUID
    event_id: UUID
    endpoint_id: UUID
    attempt: int
    created_at: datetime
    waited_seconds: float
    url: str
    profile: Profile
    payload: Payload
    retry: Policy
    timeout_seconds: float
    max_in_flight: int
    secret: bytes | None
    tenant_key: bytes | None
    event: StoredEvent | None
    retry_waits: Sequence[float] | None = None
    ordered: bool = False
    headers: bytes | None = None
    client_certificate: bytes | None = None
    old_secrets: Sequence[bytes] = ()
    latest_start: float = math.inf


async def claim(
    connection: Connection,
    owner: UUID,
    free: Mapping[UUID, int],
    shares: Mapping[UUID, int],
    share: int,
    most: int,
    grace_seconds: float,
    others: int | None = None,
    only: Sequence[UUID] | None = None,
) -> list[Claim]:
    """Leases up to `most` due deliveries to `owner`, each for its endpoint's timeout plus the grace.

    `free` names the endpoints that may take fewer than their usual number, and how many; `shares`
    the tenants that may take fewer than a whole `share`; `others`: what an endpoint may take that is not named;
    `only`: no endpoints but these are looked at.
    """
    latest_start = time.monotonic() + grace_seconds
    busy, begun = _by_text(free), _by_text(shares)
    rows = await connection.fetch(SQL.claim, busy, begun, share, most, owner, grace_seconds, others, only)
    return [_claim(row, latest_start) for row in rows]


async def claim_in_turn(
    connection: Connection,
    owner: UUID,
    turns: Mapping[UUID, int],
    shares: Mapping[UUID, int],
    share: int,
    most: int,
    grace_seconds: float,
) -> list[Claim]:
    """The same of endpoints that go by turns, and how many each may give; those of an ordered one in their order."""
    latest_start = time.monotonic() + grace_seconds
    ours, begun = (list(turns), list(turns.values())), _by_text(shares)
    rows = await connection.fetch(SQL.claim_in_turn, *ours, begun, share, most, owner, grace_seconds)
    return [_claim(row, latest_start) for row in rows]


async def give_back(connection: Connection, owner: UUID, unsent: Collection[Claim]) -> None:
    """What was claimed and not begun is due again, as long as it had been before."""
    ids, waited = [claim.id for claim in unsent], [claim.waited_seconds for claim in unsent]
    await connection.execute(SQL.give_back, owner, [claim.tenant_id for claim in unsent], ids, waited)


async def release(connection: Connection, owner: UUID, except_ids: Collection[UUID]) -> None:
    """Gives back what `owner` has leased, except what it is still working on."""
    await connection.execute(SQL.release, owner, list(except_ids))


def _by_text(counts: Mapping[UUID, int]) -> dict[str, int]:
    return {str(id_): count for id_, count in counts.items()}


def _claim(row: Record, latest_start: float) -> Claim:
    event = row["type"] and StoredEvent(
        id=row["event_id"],
        type=row["type"],
        kind=row["kind"],
        namespace=row["namespace"],
        name=row["name"],
        uid=row["uid"],
        occurred_at=row["occurred_at"],
        data=row["data"],
        metadata=row["metadata"],
        source_url=row["source_url"],
    )
    return Claim(
        tenant_id=row["tenant_id"],
        id=row["id"],
        event_id=row["event_id"],
        endpoint_id=row["endpoint_id"],
        attempt=row["attempt"],
        created_at=row["created_at"],
        waited_seconds=row["waited_seconds"],
        url=row["url"],
        profile=row["profile"],
        payload=row["payload"],
        retry=row["retry"],
        retry_waits=row["retry_waits"],
        timeout_seconds=row["timeout_seconds"],
        max_in_flight=1 if row["ordered"] else row["max_in_flight"],
        ordered=row["ordered"],
        headers=row["headers"],
        client_certificate=row["client_certificate"],
        secret=row["secret"],
        old_secrets=row["old_secrets"] or (),
        tenant_key=row["tenant_key"],
        event=event or None,
        latest_start=latest_start,
    )
