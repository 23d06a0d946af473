# SPDX-License-Identifier: Apache-2.0
"""Row-level security: whose rows a connection of the pool shows, also behind a pooler."""

from collections.abc import AsyncIterator
from uuid import UUID, uuid4

import asyncpg
import pytest
from castwarden_gateway.db import Connection, Database
from castwarden_gateway.db.walls import Walled, ignored

A, B = uuid4(), uuid4()
COUNT = "select count(*) from api_keys"
INSERT = "insert into api_keys (id, tenant_id, name, key_hash, key_prefix, scopes) values ($1, $2, '', $3, '', '{}')"


async def add_key(database: Database, tenant_id: UUID) -> None:
    await database.execute(INSERT, uuid4(), tenant_id, uuid4().hex)


@pytest.fixture(params=[False, True], ids=["direct", "pooled"])
async def database(
    database_url: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Database]:
    """One connection, so that whatever is left on it meets the next call. A and B have a key each."""
    if request.param:
        monkeypatch.setattr(Walled, "get_server_pid", lambda _: 0)  # as PgBouncer does, which knows no process id
    database = await Database.open(database_url, max_size=1)
    for tenant_id in (A, B):
        await database.of_all().execute(
            "insert into tenants (id, slug, name, namespace) values ($1, $2, '', $2)", tenant_id, tenant_id.hex
        )
        await add_key(database.of(tenant_id), tenant_id)
    yield database
    await database.close()


async def test_the_login_is_one_that_row_level_security_binds(database: Database) -> None:
    assert not await database.retry(ignored)


async def test_a_connection_shows_the_rows_of_whoever_uses_it_now(database: Database) -> None:
    everybody, nobody, a = database.of_all(), database.of_none(), database.of(A)
    seen = [await one.fetchval(COUNT) for one in (nobody, a, everybody, nobody, a, a, database, everybody)]
    assert seen == [0, 1, 2, 0, 1, 1, 0, 2]
    assert await a.fetchval("select tenant_id from api_keys") == A


async def test_nobody_writes_rows_of_another_tenant(database: Database) -> None:
    for other in (database, database.of(B)):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await add_key(other, A)
    assert await database.of(B).execute("update api_keys set name = 'stolen' where tenant_id = $1", A) == "UPDATE 0"
    assert await database.of(B).execute("delete from api_keys where tenant_id = $1", A) == "DELETE 0"
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await database.of(B).execute("update api_keys set tenant_id = $1", A)


async def test_a_transaction_that_fails_leaves_the_wall_where_it_was(database: Database) -> None:
    async def work(connection: Connection) -> None:
        assert await connection.fetchval(COUNT) == 1
        await connection.execute("select 1 / 0")

    with pytest.raises(asyncpg.DivisionByZeroError):
        await database.of(A).run(work)
    assert await database.of(B).fetchval("select tenant_id from api_keys") == B
    assert await database.fetchval(COUNT) == 0


@pytest.mark.parametrize("database", [True], indirect=True, ids=["pooled"])
async def test_behind_a_pooler_nothing_outlasts_the_transaction(database: Database) -> None:
    assert await database.of(A).fetchval(COUNT) == 1
    assert await database.fetchval("select current_setting('castwarden.tenant', true)") == ""


@pytest.mark.parametrize("database", [False], indirect=True, ids=["direct"])
async def test_a_connection_of_our_own_is_set_once_for_many_calls_of_a_tenant(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    statements: list[str] = []
    execute = Walled.execute

    async def noted(self: Walled, query: str, *args: object) -> str:
        statements.append(query)
        return await execute(self, query, *args)

    monkeypatch.setattr(Walled, "execute", noted)
    for _ in range(3):
        await database.of(A).fetchval(COUNT)
    assert statements == [f"set castwarden.tenant = '{A.hex}'"]
