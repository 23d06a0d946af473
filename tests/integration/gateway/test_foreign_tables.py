# SPDX-License-Identifier: Apache-2.0
"""Walks every table of the migrated database as another tenant. A table without a wall fails here, whoever made it."""

from collections.abc import AsyncIterator
from uuid import uuid4

import asyncpg
import pytest
from castwarden_gateway.db import Database
from castwarden_gateway.webhooks import maintain

A, B = uuid4(), uuid4()
UID = "uid-of-a"
OF_NO_TENANT = {"reports", "extraction_buckets", "rate_buckets"}
"""Only parts of the gateway that work for all tenants see these."""
OPEN = {"schema_migrations"}

TABLES = """
select c.oid, c.relname as name, c.relispartition as partition,
    c.relrowsecurity and c.relforcerowsecurity as walled
from pg_class c where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p')
order by c.relname <> 'tenants', c.relname <> 'resources', c.relname
"""
COLUMNS = """
select a.attname as name, t.typname as type, exists (
    select from pg_constraint k
    where k.conrelid = a.attrelid and k.conkey = array[a.attnum] and k.confrelid = 'resources'::regclass
) as of_resource
from pg_attribute a join pg_type t on t.oid = a.atttypid
where a.attrelid = $1 and a.attnum > 0 and not a.attisdropped and a.attgenerated = ''
order by a.attnum
"""
VALUES = {
    "uuid": "gen_random_uuid()",
    "text": "gen_random_uuid()::text",
    "bytea": "'x'",
    "jsonb": "'{}'",
    "timestamptz": "now()",
    "bool": "true",
    "xid8": "pg_current_xact_id()",
} | dict.fromkeys(("int4", "int8", "float4", "float8"), "1")


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    database = await Database.open(database_url)
    await database.of_all().run(lambda connection: maintain.tidy(connection, 30))  # makes partitions as the engine does
    insert = "insert into tenants (id, slug, name, namespace) values ($1, $2, $2, $2)"
    await database.of_all().execute(insert, B, "b")
    yield database
    await database.close()


async def insert_of(database: Database, table: asyncpg.Record) -> str:
    """A statement that inserts a row of A with a value in every column."""
    names, values = [], []
    for column in await database.fetch(COLUMNS, table["oid"]):
        value = "'{}'" if column["type"].startswith("_") else VALUES[column["type"]]
        if column["name"] == "tenant_id" or (table["name"], column["name"]) == ("tenants", "id"):
            value = f"'{A}'"
        elif column["of_resource"] or (table["name"], column["name"]) == ("resources", "uid"):
            value = f"'{UID}'"
        names.append(column["name"])
        values.append(value)
    return f"insert into {table['name']} ({', '.join(names)}) values ({', '.join(values)})"


async def rows(database: Database, name: str) -> int:
    """Of a table, without B's own entry in `tenants`."""
    mine = f" where id <> '{B}'" if name == "tenants" else ""
    return int(await database.fetchval(f"select count(*) from {name}{mine}"))


async def test_every_table_hides_a_tenants_rows_from_others_and_takes_none_from_them(database: Database) -> None:
    tables = [table for table in await database.fetch(TABLES) if table["name"] not in OPEN]
    assert [table["name"] for table in tables if not table["walled"]] == [], "say `call wall_off('<table>')`"
    for table in tables:
        if not table["partition"]:  # its row came by the table that it is part of
            await database.of_all().execute(await insert_of(database, table))
    for table in tables:
        name = table["name"]
        there = await rows(database.of_all(), name)
        assert there == 1 or (there == 0 and table["partition"]), name
        assert await rows(database.of(A), name) == (0 if name in OF_NO_TENANT else there), name
        for stranger in (database, database.of(B)):
            assert await rows(stranger, name) == 0, name
            await refuses_to_write(stranger, database, table)
        assert await rows(database.of_all(), name) == there, name


async def refuses_to_write(stranger: Database, database: Database, table: asyncpg.Record) -> None:
    name, column = table["name"], (await database.fetch(COLUMNS, table["oid"]))[0]["name"]
    mine = f" where id <> '{B}'" if name == "tenants" else ""
    assert await stranger.execute(f"update {name} set {column} = {column}{mine}") == "UPDATE 0", name
    assert await stranger.execute(f"delete from {name}{mine}") == "DELETE 0", name
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="row-level security"):
        await stranger.execute(await insert_of(database, table))


async def test_a_table_that_is_made_without_a_wall_is_found(database: Database) -> None:
    await database.execute("create table forgotten (id uuid primary key, tenant_id uuid not null)")
    assert [table["name"] for table in await database.fetch(TABLES) if not table["walled"]] == [
        "forgotten",
        "schema_migrations",
    ]
    await database.execute("call wall_off('forgotten')")
    assert [table["name"] for table in await database.fetch(TABLES) if not table["walled"]] == ["schema_migrations"]
