# SPDX-License-Identifier: Apache-2.0
import asyncio
import os
import sys

import asyncpg
import pytest
from castwarden_gateway.db.migrate import Migration, MigrationError, migrate, migrations, outstanding


async def test_a_second_migration_run_finds_nothing_to_do(empty_database_url: str) -> None:
    assert await migrate(empty_database_url) == [migration.name for migration in migrations()]
    assert await migrate(empty_database_url) == []


async def test_two_gateways_that_start_together_migrate_once(empty_database_url: str) -> None:
    both = await asyncio.gather(migrate(empty_database_url), migrate(empty_database_url))
    assert sorted(map(len, both)) == [0, len(migrations())]


async def test_a_file_that_changed_after_it_was_applied_is_refused(empty_database_url: str) -> None:
    await migrate(empty_database_url, [Migration(1, "0001_pre_a", "create table a (x int)")])
    with pytest.raises(MigrationError, match="0001_pre_a was changed"):
        await migrate(empty_database_url, [Migration(1, "0001_pre_a", "create table a (y int)")])


async def test_a_file_that_fails_leaves_nothing_behind(empty_database_url: str) -> None:
    broken = Migration(1, "0001_pre_a", "create table a (x int); select 1/0;")
    with pytest.raises(asyncpg.DivisionByZeroError):
        await migrate(empty_database_url, [broken])
    assert await migrate(empty_database_url, [Migration(1, "0001_pre_a", "create table a (x int)")]) == ["0001_pre_a"]


PRE, POST = Migration(2, "0002_pre_b", "create table b ()"), Migration(1, "0001_post_a", "create table a ()")


async def test_what_old_code_would_not_live_with_waits_unless_the_database_is_empty(empty_database_url: str) -> None:
    first = Migration(3, "0003_pre_c", "create table c ()")
    assert await migrate(empty_database_url, [first, POST], post=False) == ["0003_pre_c", "0001_post_a"]
    later = Migration(4, "0004_post_d", "create table d ()")
    assert await migrate(empty_database_url, [first, PRE, POST, later], post=False) == ["0002_pre_b"]
    assert await outstanding(empty_database_url, [first, PRE, POST, later], post=False) == []
    assert await outstanding(empty_database_url, [first, PRE, POST, later]) == ["0004_post_d"]
    assert await migrate(empty_database_url, [first, PRE, POST, later]) == ["0004_post_d"]


async def test_asking_what_is_missing_changes_nothing(empty_database_url: str) -> None:
    assert await outstanding(empty_database_url, [PRE]) == ["0002_pre_b"]
    assert await outstanding(empty_database_url, [PRE]) == ["0002_pre_b"]
    assert await migrate(empty_database_url, [PRE]) == ["0002_pre_b"]


async def test_an_index_can_be_made_without_a_transaction_while_another_migration_waits(
    empty_database_url: str,
) -> None:
    table = Migration(1, "0001_pre_a", "create table a (x int)")
    text = "-- no-transaction\ncreate index concurrently if not exists a_x on a (x);\ninsert into a values (1);\n"
    both = [table, Migration(2, "0002_pre_index", text)]
    done = await asyncio.gather(migrate(empty_database_url, both), migrate(empty_database_url, both))
    assert sorted(map(len, done)) == [0, 2]


async def test_a_file_without_transaction_that_fails_runs_again_from_its_start(empty_database_url: str) -> None:
    text = "-- no-transaction\ncreate table if not exists a (x int);\nselect 1 / {};\n"
    with pytest.raises(asyncpg.DivisionByZeroError):
        await migrate(empty_database_url, [Migration(1, "0001_pre_a", text.format(0))])
    assert await migrate(empty_database_url, [Migration(1, "0001_pre_a", text.format(1))]) == ["0001_pre_a"]


async def test_a_migration_changes_the_rows_of_all_tenants(empty_database_url: str) -> None:
    await migrate(empty_database_url)
    insert = "insert into tenants (id, slug, name, namespace) values (gen_random_uuid(), 'a', 'a', 'a')"
    assert await migrate(empty_database_url, [Migration(9001, "9001_pre_row", insert)]) == ["9001_pre_row"]


async def test_the_command_leaves_what_must_wait_and_says_with_check_whether_anything_is_missing(
    empty_database_url: str,
) -> None:
    last = next(migration for migration in migrations() if migration.post)
    assert await run(empty_database_url, "--check") == 1
    assert await run(empty_database_url) == 0
    connection = await asyncpg.connect(empty_database_url)
    await connection.execute("delete from schema_migrations where version = $1", last.version)
    await connection.close()
    calls = [(), ("--check",), ("--check", "--post"), ("--post",), ("--check", "--post")]
    assert [await run(empty_database_url, *options) for options in calls] == [0, 0, 1, 0, 0]


async def run(url: str, *options: str) -> int:
    command = [sys.executable, "-m", "castwarden_gateway", "migrate", *options]
    process = await asyncio.create_subprocess_exec(*command, env={**os.environ, "DATABASE_URL": url})
    return await asyncio.wait_for(process.wait(), 60)
