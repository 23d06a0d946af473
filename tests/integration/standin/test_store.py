# SPDX-License-Identifier: Apache-2.0
"""The store on real PostgreSQL: order, durability, lost connections, two owners, compaction."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from castwarden_base.waiting import wait_until
from castwarden_local.standin.errors import Expired
from castwarden_local.standin.storage.database import Database, Taken
from castwarden_local.standin.storage.records import Key
from castwarden_local.standin.storage.store import Store

from .conftest import Postgres


def key(name: str) -> Key:
    return Key("things", "n", name)


def thing(name: str, **labels: str) -> dict[str, Any]:
    return {"metadata": {"name": name, "namespace": "n", "uid": f"uid-{name}", "labels": labels}}


@asynccontextmanager
async def opened(postgres: Postgres, history_limit: int = 10_000) -> AsyncIterator[Store]:
    database = Database(postgres.url)
    store = Store(database, lambda _, __: {}, history_limit)
    await store.open()
    task = asyncio.create_task(store.run())
    try:
        yield store
        assert not task.done()
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await database.close()


async def test_revisions_grow_by_one_with_every_change_and_are_written_into_the_object(postgres: Postgres) -> None:
    async with opened(postgres) as store:
        first = await store.stage(key("a"), thing("a"))
        second = await store.stage(key("b"), thing("b"))
        third = await store.stage(key("a"), None)
        assert [first.revision, second.revision, third.revision] == [2, 3, 4]
        assert second.load()["metadata"]["resourceVersion"] == "3"
        assert [record.key.name for record in store.records("things")] == ["b"]
        assert [(c.type, c.revision) for c in store.changes("things", 1)] == [
            ("ADDED", 2),
            ("ADDED", 3),
            ("DELETED", 4),
        ]


async def test_a_reader_sees_only_what_is_committed_and_a_writer_what_is_staged(postgres: Postgres) -> None:
    async with opened(postgres) as store:
        done = store.stage(key("a"), thing("a", x="1"))
        staged = store.latest(key("a"))
        assert staged is not None
        assert store.get(key("a")) is None
        assert await done == staged == store.get(key("a"))


async def test_changes_of_one_object_staged_together_end_as_the_last_of_them(postgres: Postgres) -> None:
    async with opened(postgres) as store:
        steps: list[dict[str, Any] | None] = [thing("a"), thing("a", x="1"), None, thing("a", x="2"), None]
        await asyncio.gather(*(store.stage(key("a"), step) for step in steps))
        assert store.latest(key("a")) is None
        await store.stage(key("a"), thing("a", x="3"))
    assert [dict(row) for row in await postgres.fetch("SELECT name, revision FROM standin_objects")] == [
        {"name": "a", "revision": 7}
    ]


async def test_objects_history_and_revision_outlive_the_process(postgres: Postgres) -> None:
    async with opened(postgres) as store:
        await store.stage(key("a"), thing("a", x="1"))
        await store.stage(key("a"), thing("a", x="2"))
        await store.stage(key("b"), thing("b"))
        await store.stage(key("b"), None)
    async with opened(postgres) as store:
        assert store.revision == 5
        assert [record.labels for record in store.records("things")] == [{"x": "2"}]
        changes = store.changes("things", 2)
        assert [(change.type, change.revision) for change in changes] == [("MODIFIED", 3), ("ADDED", 4), ("DELETED", 5)]
        assert changes[0].previous is not None
        assert changes[0].previous.labels == {"x": "1"}
        assert (await store.stage(key("c"), thing("c"))).revision == 6


async def test_a_write_waits_for_postgresql_to_come_back_and_is_made_once(postgres: Postgres) -> None:
    async with opened(postgres) as store:
        await store.stage(key("a"), thing("a"))
        await postgres.go_away()
        waiting = asyncio.gather(*(store.stage(key(f"b{n}"), thing(f"b{n}")) for n in range(20)))
        done, _ = await asyncio.wait([waiting], timeout=0.5)
        assert not done
        assert store.get(key("b0")) is None
        await postgres.come_back()
        assert [record.revision for record in await asyncio.wait_for(waiting, 30)] == list(range(3, 23))
    assert (await postgres.fetch("SELECT count(*) FROM standin_history"))[0][0] == 21


async def test_writes_go_on_through_one_lost_connection_after_another(postgres: Postgres) -> None:
    async with opened(postgres) as store:
        for round_ in range(8):
            writes = asyncio.gather(*(store.stage(key(f"{round_}-{n}"), thing(f"{round_}-{n}")) for n in range(10)))
            await postgres.disconnect()
            await asyncio.wait_for(writes, 30)
        assert len(store.records("things")) == 80
    rows = await postgres.fetch("SELECT revision FROM standin_history ORDER BY revision")
    assert [row["revision"] for row in rows] == list(range(2, 82))


async def test_a_batch_that_was_committed_before_the_connection_broke_is_not_doubled(postgres: Postgres) -> None:
    async with opened(postgres) as store:
        await store.stage(key("a"), thing("a"))
        (change,) = store.changes("things", 1)
        database = Database(postgres.url)
        await postgres.disconnect()
        await database.open()
        await database.commit([change])
        await database.commit([change])
        await database.close()
    assert (await postgres.fetch("SELECT count(*) FROM standin_history"))[0][0] == 1


async def test_a_database_has_one_owner(postgres: Postgres, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("castwarden_local.standin.storage.database.LOCK_SECONDS", 0.2)
    async with opened(postgres):
        with pytest.raises(Taken):
            await Database(postgres.url).open()


async def test_an_owner_that_lost_its_database_to_another_stops_instead_of_writing(postgres: Postgres) -> None:
    database = Database(postgres.url)
    store = Store(database, lambda _, __: {})
    await store.open()
    running = asyncio.create_task(store.run())
    await postgres.disconnect()
    async with opened(postgres) as other:
        await other.stage(key("theirs"), thing("theirs"))
    store.stage(key("ours"), thing("ours"))
    with pytest.raises(Taken):
        await asyncio.wait_for(running, 30)
    await database.close()
    assert [row["name"] for row in await postgres.fetch("SELECT name FROM standin_objects")] == ["theirs"]


async def test_history_is_bounded_and_says_so(postgres: Postgres) -> None:
    async with opened(postgres, history_limit=10) as store:
        for number in range(30):
            await store.stage(key("a"), thing("a", n=str(number)))
        await wait_until(lambda: store.compacted > 1, 10)
        assert len(store.changes("things", store.compacted)) <= 10
        with pytest.raises(Expired, match=r"too old resource version: 1 \("):
            store.changes("things", 1)
        edge = store.compacted
    async with opened(postgres) as store:
        assert store.compacted == edge
        assert store.get(key("a")) is not None
        with pytest.raises(Expired):
            store.changes("things", edge - 1)


async def test_dependents_are_found_by_their_owner(postgres: Postgres) -> None:
    child = thing("child")
    child["metadata"]["ownerReferences"] = [{"uid": "uid-a"}]
    async with opened(postgres) as store:
        await store.stage(key("child"), child)
        assert [record.key.name for record in store.dependents("uid-a")] == ["child"]
        assert store.key_of("uid-child") == key("child")
        await store.stage(key("child"), None)
        assert list(store.dependents("uid-a")) == []
        assert store.key_of("uid-child") is None
