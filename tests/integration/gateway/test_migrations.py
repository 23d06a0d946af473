# SPDX-License-Identifier: Apache-2.0
import asyncio

import asyncpg
import pytest
from castwarden_gateway.db.migrate import Migration, MigrationError, migrate, migrations


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
