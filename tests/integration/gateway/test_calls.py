# SPDX-License-Identifier: Apache-2.0
"""Whoever listens hears of a commit, and of nothing that was not committed."""

import asyncio
from collections.abc import AsyncIterator

import asyncpg
import pytest
from castwarden_base.waiting import wait_until
from castwarden_gateway.db import Connection, Database, call
from castwarden_gateway.db.calls import Calls


@pytest.fixture
async def database(empty_database_url: str) -> AsyncIterator[Database]:
    database = await Database.open(empty_database_url)
    yield database
    await database.close()


@pytest.fixture
async def heard(empty_database_url: str) -> AsyncIterator[list[str]]:
    found: list[str] = []
    connection = await asyncpg.connect(empty_database_url)
    for channel in ("a", "b"):
        await connection.add_listener(channel, lambda *args: found.append(args[2]))
    yield found
    await connection.close()


async def test_a_transaction_calls_once_it_is_committed_each_channel_once(database: Database, heard: list[str]) -> None:
    async def work(connection: Connection) -> None:
        for channel in ("a", "b", "a"):
            await call(connection, channel)

    await database.run(work)
    await wait_until(lambda: len(heard) == 2, 10)
    assert sorted(heard) == ["a", "b"]


async def test_a_transaction_that_fails_calls_nobody(database: Database, heard: list[str]) -> None:
    async def fail(connection: Connection) -> None:
        await call(connection, "a")
        raise ValueError

    with pytest.raises(ValueError):
        await database.run(fail)

    async def work(connection: Connection) -> None:
        await call(connection, "b")

    await database.run(work)
    await wait_until(lambda: heard, 10)
    assert heard == ["b"]


async def test_without_such_a_transaction_the_call_goes_out_at_once(database: Database, heard: list[str]) -> None:
    async with database.connection() as connection:
        await call(connection, "a")
    await wait_until(lambda: heard == ["a"], 10)


async def test_calls_made_while_one_is_on_its_way_become_one() -> None:
    sent: list[set[str]] = []
    release = asyncio.Event()

    async def notify(channels: set[str]) -> None:
        sent.append(channels)
        await release.wait()

    calls = Calls(notify)
    calls.send({"a"})
    await asyncio.sleep(0)
    for channel in ("a", "b", "a"):
        calls.send({channel})
    release.set()
    await calls.close()
    assert sent == [{"a"}, {"a", "b"}]
    calls.send({"a"})
    await calls.close()
    assert sent[2:] == [{"a"}]


async def test_a_call_that_cannot_be_made_fails_nothing(empty_database_url: str) -> None:
    database = await Database.open(empty_database_url)

    async def work(connection: Connection) -> None:
        await call(connection, "x" * 100)  # PostgreSQL refuses so long a name

    await database.run(work)
    assert await database.fetchval("select 1") == 1
    await database.close()
