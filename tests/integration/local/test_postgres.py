# SPDX-License-Identifier: Apache-2.0
"""The embedded PostgreSQL: made once, healed when killed, kept between starts."""

import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest
from castwarden_base.waiting import wait_until
from castwarden_local.errors import DiskFull, StartFailed
from castwarden_local.postgres import DATABASES, Postgres

TIMEOUT = 60.0


@pytest.fixture
async def postgres(folder: Path) -> AsyncIterator[Postgres]:
    server = Postgres(folder, folder / "logs")
    await server.start()
    yield server
    await server.stop()


async def ask(server: Postgres, query: str, database: str = "castwarden") -> object:
    connection = await asyncpg.connect(server.url(database))
    try:
        return await connection.fetchval(query)
    finally:
        await connection.close()


async def answers(server: Postgres) -> bool:
    try:
        return await ask(server, "SELECT 1") == 1
    except (OSError, asyncpg.PostgresError):
        return False


async def test_both_databases_are_there_and_nothing_listens_on_tcp(postgres: Postgres) -> None:
    for database in DATABASES:
        assert await ask(postgres, "SELECT current_database()", database) == database
    assert await ask(postgres, "SHOW listen_addresses") == ""
    assert await ask(postgres, "SHOW fsync") == "on"


async def test_a_killed_server_comes_back_with_what_was_committed(postgres: Postgres) -> None:
    await ask(postgres, "CREATE TABLE kept AS SELECT 42 AS answer")
    first = postgres.pid
    assert first is not None
    os.kill(first, signal.SIGKILL)
    await wait_until(lambda: postgres.pid not in (None, first), TIMEOUT)
    await wait_until(lambda: answers(postgres), TIMEOUT)
    assert await ask(postgres, "SELECT answer FROM kept") == 42


async def test_the_databases_login_is_bound_by_row_level_security_and_takes_over_what_a_superuser_made(
    postgres: Postgres,
) -> None:
    superuser = postgres.url("castwarden").replace("castwarden@", "postgres@")
    connection = await asyncpg.connect(superuser)
    await connection.execute("alter database castwarden owner to postgres")
    await connection.execute("create table kept (x int); create function one() returns int language sql as 'select 1'")
    await connection.close()
    await postgres.stop()
    await postgres.start()
    assert await ask(postgres, "select rolsuper or rolbypassrls from pg_roles where rolname = current_user") is False
    await ask(postgres, "alter table kept add column y int")
    await ask(postgres, "drop function one()")
    await ask(postgres, "create table also_new ()")


async def test_data_outlives_a_stop(folder: Path) -> None:
    for expected in (None, "kept"):
        server = Postgres(folder, folder / "logs")
        await server.start()
        assert await ask(server, "SELECT to_regclass('kept')::text") == expected
        await ask(server, "CREATE TABLE IF NOT EXISTS kept ()")
        await server.stop()
        assert server.pid is None


async def test_a_directory_whose_path_is_too_long_for_a_socket_works_too(folder: Path) -> None:
    data = folder / ("long" * 30)
    data.mkdir()
    server = Postgres(data, data / "logs")
    await server.start()
    assert await answers(server)
    await server.stop()


async def test_an_interrupted_initdb_is_begun_anew(folder: Path) -> None:
    (folder / "postgres.new").mkdir()
    (folder / "postgres.new" / "PG_VERSION").write_text("18", "ascii")
    server = Postgres(folder, folder / "logs")
    await server.start()
    assert await answers(server)
    await server.stop()


async def test_a_database_of_another_version_is_named_as_the_reason(folder: Path) -> None:
    (folder / "postgres").mkdir()
    (folder / "postgres" / "PG_VERSION").write_text("9", "ascii")
    with pytest.raises(StartFailed, match="made by PostgreSQL 9"):
        await Postgres(folder, folder / "logs").start()


async def test_too_little_room_is_named_as_the_reason(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("castwarden_local.postgres.NEEDED_BYTES", 1 << 60)
    with pytest.raises(DiskFull, match="not enough room"):
        await Postgres(folder, folder / "logs").start()
