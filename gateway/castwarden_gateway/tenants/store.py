# SPDX-License-Identifier: Apache-2.0
"""Tenants and API keys in PostgreSQL."""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeAlias
from uuid import UUID

from asyncpg import Record
from castwarden_base.ids import uuid7

from castwarden_gateway.db import Connection, Database, statements
from castwarden_gateway.http.media import example
from castwarden_gateway.tenants.keys import hash_of, shown_prefix
from castwarden_gateway.tenants.principal import Principal, Tenant

SQL = statements(__file__)
Note: TypeAlias = Callable[[Connection, UUID], Awaitable[None]]
"""Writes down, in the transaction that makes something, what has been made."""


@dataclass(frozen=True, slots=True)
class NewKey:
    """What a key may do, before it exists."""

    name: str
    scopes: Sequence[str]
    rate_limit: int | None = None
    rate_window_seconds: int | None = None
    expires_at: datetime | None = None
    id: UUID = field(default_factory=uuid7)


@dataclass(frozen=True, slots=True)
class Rotation:
    """Another key in the place of `id`, which works on for a while. `allowed` raises when the caller may not."""

    id: UUID
    new_id: UUID
    key: str
    overlap_seconds: int
    allowed: Callable[[Sequence[str], int | None, int | None], None]


class NoSuchKey(Exception):
    """The tenant has no such key, or it was revoked."""


class KeyIsOver(Exception):
    """The key has expired, or another has taken its place."""


@example(
    id="019a9f3c-6f2e-7c5e-9d3b-0a1b2c3d4e5f",
    name="dashboard",
    key_prefix="yttr_mzxw6yt",
    scopes=["monitors:read", "events:read"],
    rate_limit=None,
    rate_window_seconds=None,
    expires_at=None,
    replaced_by=None,
    last_used_at="2026-11-20T12:05:10Z",
    created_at="2026-11-20T12:00:00Z",
)
@dataclass(frozen=True, slots=True)
class KeyRow:
    """A key as its owner sees it later: without the key. `replaced_by` is the id of the one that rotation made."""

    id: UUID
    name: str
    key_prefix: str
    scopes: Sequence[str]
    rate_limit: int | None
    rate_window_seconds: int | None
    expires_at: datetime | None
    replaced_by: UUID | None
    last_used_at: datetime | None
    created_at: datetime


@example(
    id="019a9f3c-6f2e-7c5e-9d3b-0a1b2c3d4e5f",
    name="dashboard",
    key_prefix="yttr_mzxw6yt",
    scopes=["monitors:read", "events:read"],
    rate_limit=None,
    rate_window_seconds=None,
    expires_at=None,
    replaced_by=None,
    last_used_at=None,
    created_at="2026-11-20T12:00:00Z",
    key="yttr_mzxw6ytboi3dgnbvgy3tqojqmfrggzdfmztwq2lknnwg23tpobyxe43u",
)
@dataclass(frozen=True, slots=True)
class KeyCreated(KeyRow):
    """The only answer that holds the key."""

    key: str


class TenantStore:
    def __init__(self, database: Database, max_monitors: int) -> None:
        """`max_monitors` is what a new tenant may have when nobody says otherwise."""
        self._db = database
        self._all = database.of_all()
        self._max_monitors = max_monitors

    async def create(
        self,
        slug: str,
        name: str,
        namespace: str,
        max_monitors: int | None = None,
        id_: UUID | None = None,
        note: Note | None = None,
    ) -> Tenant | None:
        """The new tenant, or None when the slug or the namespace is taken. `note` is written with it."""
        allowed = self._max_monitors if max_monitors is None else max_monitors
        values = (id_ or uuid7(), slug, name, namespace, allowed)
        row = await self._all.run(lambda connection: _made(connection, note, SQL.insert_tenant, *values))
        return _tenant(row) if row else None

    async def by_slug(self, slug: str) -> Tenant | None:
        row = await self._all.fetchrow(SQL.tenant_by_slug, slug)
        return _tenant(row) if row else None

    async def by_namespace(self, namespace: str) -> Tenant | None:
        row = await self._all.fetchrow(SQL.tenant_by_namespace, namespace)
        return _tenant(row) if row else None

    async def page(self, before: UUID | None, limit: int) -> list[Tenant]:
        return [_tenant(row) for row in await self._all.fetch(SQL.tenants, before, limit)]

    async def has_keys(self, tenant_id: UUID) -> bool:
        return bool(await self._db.of(tenant_id).fetchval(SQL.has_keys, tenant_id))

    async def count_keys(self, tenant_id: UUID) -> int:
        """How many keys work now."""
        return int(await self._db.of(tenant_id).fetchval(SQL.count_keys, tenant_id))

    async def add_key(self, tenant_id: UUID, key: str, new: NewKey, note: Note | None = None) -> KeyRow | None:
        """Stores a key's hash, and `note` with it. None when exactly this key exists already."""
        values = (
            new.id,
            tenant_id,
            new.name,
            hash_of(key),
            shown_prefix(key),
            list(new.scopes),
            new.rate_limit,
            new.rate_window_seconds,
            new.expires_at,
        )
        row = await self._db.of(tenant_id).run(lambda connection: _made(connection, note, SQL.insert_key, *values))
        return _key(row) if row else None

    async def remake_key(self, tenant_id: UUID, key_id: UUID, key: str) -> KeyRow | None:
        """Another key in the place of one that nobody has ever seen, for its maker died; None when there is none."""
        row = await self._db.of(tenant_id).fetchrow(SQL.remake_key, tenant_id, key_id, hash_of(key), shown_prefix(key))
        return _key(row) if row else None

    async def rotate(self, tenant_id: UUID, rotation: Rotation) -> tuple[KeyRow, str]:
        """The key that takes another's place, and the hash of that other. Raises NoSuchKey, KeyIsOver.

        Again with the same `new_id` it gives another key in the place of the new one, which nobody has seen.
        """

        async def work(connection: Connection) -> tuple[Record, str]:
            old = await connection.fetchrow(SQL.key_to_rotate, tenant_id, rotation.id)
            if old is None:
                raise NoSuchKey
            rotation.allowed(old["scopes"], old["rate_limit"], old["rate_window_seconds"])
            key = (hash_of(rotation.key), shown_prefix(rotation.key))
            if old["replaced_by"] == rotation.new_id:
                made = await connection.fetchrow(SQL.remake_key, tenant_id, rotation.new_id, *key)
            elif old["replaced_by"] is not None or old["expired"]:
                raise KeyIsOver
            else:
                same = old["scopes"], old["rate_limit"], old["rate_window_seconds"], old["expires_at"]
                values = (rotation.new_id, tenant_id, old["name"], *key, *same)
                made = await connection.fetchrow(SQL.insert_key, *values)
                await connection.execute(
                    SQL.replace_key, tenant_id, rotation.id, rotation.new_id, rotation.overlap_seconds
                )
            if made is None:
                raise KeyIsOver
            return made, old["key_hash"]

        row, old_hash = await self._db.of(tenant_id).run(work)
        return _key(row), old_hash

    async def principal(self, key_hash: str) -> tuple[Principal, datetime | None] | None:
        """Who holds this key, and when it expires; None for unknown, expired and revoked keys."""
        row = await self._all.fetchrow(SQL.key_by_hash, key_hash)
        if row is None:
            return None
        found = Principal(
            _tenant(row),
            row["key_id"],
            tuple(row["scopes"]),
            row["rate_limit"],
            row["rate_window_seconds"],
            row["key_name"],
            row["key_prefix"],
            row["slug"],
        )
        return found, row["expires_at"]

    async def keys(self, tenant_id: UUID, before: UUID | None, limit: int) -> list[KeyRow]:
        return [_key(row) for row in await self._db.of(tenant_id).fetch(SQL.keys, tenant_id, before, limit)]

    async def revoke(self, tenant_id: UUID, key_id: UUID) -> str | None:
        """The revoked key's hash; None when the tenant has no such key."""
        found: str | None = await self._db.of(tenant_id).fetchval(SQL.revoke_key, tenant_id, key_id)
        return found

    async def touch(self, used: Iterable[UUID]) -> None:
        """Notes that these keys have just been used."""
        await self._all.execute(SQL.touch_keys, list(used))


async def _made(connection: Connection, note: Note | None, statement: str, *values: Any) -> Record | None:
    """The row that a statement makes, if it does."""
    row = await connection.fetchrow(statement, *values)
    if row is not None and note is not None:
        await note(connection, row["id"])
    return row


def _tenant(row: Record) -> Tenant:
    return Tenant(row["id"], row["slug"], row["name"], row["namespace"], row["max_monitors"])


def _key(row: Record) -> KeyRow:
    return KeyRow(
        row["id"],
        row["name"],
        row["key_prefix"],
        row["scopes"],
        row["rate_limit"],
        row["rate_window_seconds"],
        row["expires_at"],
        row["replaced_by"],
        row["last_used_at"],
        row["created_at"],
    )
