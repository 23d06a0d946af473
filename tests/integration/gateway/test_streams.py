# SPDX-License-Identifier: Apache-2.0
"""Event streams: every event once and in one order, whatever commits when, whoever reads slowly or comes back."""

import asyncio
import json
import random
from uuid import UUID

import aiohttp
import pytest
from castwarden_base.ids import uuid7
from castwarden_base.waiting import wait_until
from castwarden_gateway.app import Gateway
from castwarden_gateway.db import Database
from castwarden_gateway.events import feed, streams
from castwarden_gateway.events.store import EventFilter
from castwarden_gateway.events.streams import DROPPED
from prometheus_client import REGISTRY

from tests.integration.gateway.conftest import KEY, PATIENCE, Api, Gateways, inside, monitor, public, report
from tests.integration.gateway.kube_double import KubeDouble
from tests.integration.gateway.stream_reader import STREAM, Events, Reader, reading


@pytest.fixture
def events(database_url: str) -> Events:
    return Events(database_url)


async def test_what_a_worker_reports_comes_at_once_as_get_events_shows_it(
    gateway: Gateway, session: aiohttp.ClientSession, kube_api: KubeDouble, api: Api
) -> None:
    obj = kube_api.put("monitors", monitor("one"))
    kube_api.put("monitors", monitor("two"))
    await wait_until(lambda: gateway.resources.monitors.get("default", "two"), PATIENCE)
    ended = {"id": str(uuid7()), "type": "stream.ended", "data": {"reason": "x"}, "at": "2026-11-20T12:00:00Z"}
    mine, other = f"/api/v1/monitors/one{STREAM[7:]}", f"/api/v1/monitors/two{STREAM[7:]}"
    async with reading(gateway, session) as all_, reading(gateway, session, mine) as one:
        async with reading(gateway, session, other) as two:
            body = report(obj, occurrences=[ended])
            assert (await inside(gateway, session).post("/internal/v1/reports", body)).status == 200
            await wait_until(lambda: all_.events and one.events, PATIENCE)
            assert all_.events == one.events == (await api.get("/api/v1/events")).data
            assert all_.ids == [all_.events[0]["id"]]
            assert two.events == []
        headers = all_.response.headers
    assert headers["Content-Type"] == "text/event-stream"
    assert headers["Cache-Control"] == "no-store"
    assert headers["X-Request-Id"]


async def test_a_transaction_that_commits_late_loses_nothing(
    gateway: Gateway, session: aiohttp.ClientSession, events: Events
) -> None:
    async with reading(gateway, session) as reader, events.connection() as early, events.connection() as late:
        async with early.transaction():
            first = await events.insert(early)
            second = await events.insert(late)
            last_of_all = await events.insert(late, id_=UUID(int=1))  # an id made long ago
        await wait_until(lambda: len(reader.events) == 3, PATIENCE)
        assert reader.ids == [first, second, last_of_all]
        async with reading(gateway, session, after=first) as again:
            await wait_until(lambda: len(again.events) == 2, PATIENCE)
            assert again.ids == [second, last_of_all]


async def test_readers_that_come_and_go_under_concurrent_writers_get_every_event_once_in_one_order(
    gateway: Gateway, session: aiohttp.ClientSession, events: Events
) -> None:
    dice = random.Random(7)
    written: list[str] = []

    async def write(rounds: int) -> None:
        async with events.connection() as connection:
            for _ in range(rounds):
                transaction = connection.transaction()
                await transaction.start()
                ids = [await events.insert(connection) for _ in range(dice.randint(1, 3))]
                await asyncio.sleep(dice.random() / 50)  # the others commit meanwhile
                if dice.random() < 0.2:
                    await transaction.rollback()
                else:
                    await transaction.commit()
                    written.extend(ids)

    async def enough(reader: Reader, wanted: int, before: int) -> None:
        await wait_until(lambda: len(reader.ids) >= min(wanted, len(written) - before), PATIENCE)

    async def read_in_pieces(got: list[str], done: asyncio.Event) -> None:
        after = None if not got else got[-1]
        while not (done.is_set() and len(got) == len(written)):
            async with reading(gateway, session, after=after) as reader:
                await enough(reader, dice.randint(1, 20), len(got))
            got.extend(reader.ids)
            after = got[-1] if got else None

    done = asyncio.Event()
    async with reading(gateway, session) as steady, events.connection() as connection:
        pieces = [[await events.insert(connection)] for _ in range(1)]
        written.extend(pieces[0])
        readers = [asyncio.create_task(read_in_pieces(got, done)) for got in pieces]
        await asyncio.gather(*(write(15) for _ in range(6)))
        done.set()
        await asyncio.gather(*readers)
        await wait_until(lambda: len(steady.ids) == len(written), PATIENCE)
    assert sorted(steady.ids) == sorted(written)
    assert steady.ids != sorted(steady.ids)
    assert all(got == steady.ids for got in pieces)


async def test_a_long_past_is_read_in_pages_and_goes_over_into_the_present(
    gateway: Gateway, session: aiohttp.ClientSession, events: Events, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed, "_PAGE", 7)
    async with events.connection() as connection:
        past = [await events.insert(connection) for _ in range(30)]
        async with reading(gateway, session, after=past[0]) as reader:
            past += [await events.insert(connection) for _ in range(30)]
            await wait_until(lambda: len(reader.ids) == 59, PATIENCE)
    assert reader.ids == past[1:]


async def test_after_an_event_that_is_gone_the_next_one_follows(
    gateway: Gateway, session: aiohttp.ClientSession, events: Events
) -> None:
    async with events.connection() as connection:
        ids = [await events.insert(connection) for _ in range(3)]
        await connection.execute("delete from events where id = $1", UUID(ids[1]))
    for path, after in ((STREAM, ids[1]), (f"{STREAM}?last_event_id={ids[1]}", None)):
        async with reading(gateway, session, path, after) as reader:
            await wait_until(lambda: reader.ids, PATIENCE)
            assert reader.ids == ids[2:]


async def test_filters_pass_what_get_events_would_show(
    gateway: Gateway, session: aiohttp.ClientSession, events: Events, api: Api
) -> None:
    await api.post("/api/v1/tenants", {"slug": "acme"})
    filters = ["type=stream.ended", "type=alert.*", "kind=Channel", "name=two"]
    async with events.connection() as connection:
        before = await events.insert(connection, "channel.added")
        made = [
            await events.insert(connection, "alert.blackout", name="one"),
            await events.insert(connection, "stream.ended", name="two"),
            await events.insert(connection, "alert.silence", kind="Channel"),
        ]
        await events.insert(connection, "alert.silence", tenant="acme")
    for each in filters:
        shown = [row["id"] for row in (await api.get(f"/api/v1/events?{each}")).data if row["id"] in made][::-1]
        async with reading(gateway, session, f"{STREAM}?{each}", before) as reader:
            await wait_until(lambda: len(reader.ids) == len(shown), PATIENCE)  # noqa: B023
            assert reader.ids == shown, each


async def test_wrong_wishes_are_refused(api: Api) -> None:
    for query in ("type=Alerts", "colour=red", "limit=5", "last_event_id=yesterday"):
        assert (await api.get(f"{STREAM}?{query}")).status == 422
    assert (await api.get(STREAM, headers={"Last-Event-ID": "x"})).pointers == ["last_event_id"]
    assert (await api.get("/api/v1/monitors/none/events/stream")).status == 404
    assert (await api.with_key("wrong").get(STREAM)).status == 401


async def test_a_quiet_stream_has_a_heartbeat_and_ends_with_its_key(
    gateway: Gateway, session: aiohttp.ClientSession, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "_HEARTBEAT_SECONDS", 0.05)
    made = (await api.post("/api/v1/api_keys", {"name": "app"})).data
    async with reading(gateway, session, key=made["key"]) as reader:
        await wait_until(lambda: reader.heartbeats > 2, PATIENCE)
        assert 2000 <= reader.retry < 5000
        await api.delete(f"/api/v1/api_keys/{made['id']}")
        await wait_until(lambda: reader.ended, PATIENCE)


async def test_streams_are_capped_per_key_and_per_process(gateways: Gateways, session: aiohttp.ClientSession) -> None:
    gateway = await gateways.start(streams=3, streams_per_key=2)
    api = public(gateway, session)
    other = (await api.post("/api/v1/api_keys", {"name": "other"})).data["key"]
    async with reading(gateway, session), reading(gateway, session):
        refused = await api.get(STREAM)
        assert (refused.status, refused.body["code"]) == (429, "too-many-streams")
        assert int(refused.headers["Retry-After"]) > 0
        async with reading(gateway, session, key=other):
            refused = await api.with_key(other).get(STREAM)
            assert (refused.status, refused.body["code"]) == (429, "too-many-streams")

    async def free() -> bool:
        return REGISTRY.get_sample_value("castwarden_gateway_streams") == 0

    await wait_until(free, PATIENCE)
    async with reading(gateway, session):
        pass


async def test_a_reader_that_does_not_read_is_dropped_and_the_others_are_not(
    gateway: Gateway, session: aiohttp.ClientSession, events: Events, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed, "_MOST_WAITING", 50)
    before = DROPPED._value.get()
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.public_port, limit=1024)
    writer.write(f"GET {STREAM} HTTP/1.1\r\nHost: x\r\nX-API-Key: {KEY}\r\n\r\n".encode())
    assert b"200" in await reader.readline()
    async with reading(gateway, session) as steady, events.connection() as connection:
        await wait_until(lambda: REGISTRY.get_sample_value("castwarden_gateway_streams") == 2, PATIENCE)
        sent = 0
        while DROPPED._value.get() == before:
            await connection.execute(
                "insert into events (id, tenant_id, type, kind, namespace, name, uid, occurred_at, data)"
                " select gen_random_uuid(), id, 'stream.ended', 'Monitor', 'default', 'one', 'u', now(), $1"
                " from tenants, generate_series(1, 40)",
                json.dumps({"text": "x" * 10_000}),
            )
            await connection.execute("select pg_notify('castwarden_events', '')")
            sent += 40
            await wait_until(lambda: len(steady.events) == sent, PATIENCE)  # noqa: B023
            assert sent < 100_000
        assert not steady.ended
        await wait_until(lambda: REGISTRY.get_sample_value("castwarden_gateway_streams") == 1, PATIENCE)
    writer.close()


async def test_a_gateway_that_ends_ends_its_streams_and_another_goes_on(
    gateways: Gateways, session: aiohttp.ClientSession, events: Events
) -> None:
    first, second = await gateways.start(), await gateways.start()
    async with reading(first, session) as reader, events.connection() as connection:
        known = await events.insert(connection)
        await wait_until(lambda: reader.ids == [known], PATIENCE)
        await asyncio.wait_for(gateways.stop(first), PATIENCE)
        await wait_until(lambda: reader.ended, PATIENCE)
        missed = await events.insert(connection)
        async with reading(second, session, after=known) as again:
            await wait_until(lambda: again.ids == [missed], PATIENCE)


async def test_streams_outlive_a_lost_connection_to_the_database(
    gateway: Gateway, session: aiohttp.ClientSession, events: Events
) -> None:
    async with reading(gateway, session) as reader, events.connection() as connection:
        await connection.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity"
            " where datname = current_database() and pid <> pg_backend_pid()"
        )
        ids = [await events.insert(connection) for _ in range(3)]
        await wait_until(lambda: reader.ids == ids, PATIENCE)


async def test_events_from_the_dump_of_another_server_come_first(
    gateways: Gateways, session: aiohttp.ClientSession, events: Events
) -> None:
    gateway = await gateways.start()
    async with events.connection() as connection:
        old = [await events.insert(connection) for _ in range(2)]
        await connection.execute("update events set xid = '9000000000000000000'")
        await gateways.stop(gateway)
        gateway = await gateways.start()
        async with reading(gateway, session, after=old[0]) as reader:
            new = await events.insert(connection)
            await wait_until(lambda: len(reader.ids) == 2, PATIENCE)
            assert reader.ids == [old[1], new]


async def test_a_reader_that_was_overrun_may_leave_after_the_last_of_the_others(database_url: str) -> None:
    database = await Database.open(database_url)
    told, tenant, start = feed.Feed(database), UUID(int=1), feed.Position(0, UUID(int=0))
    slow, other = (feed.Follower(tenant, EventFilter(), lambda: None) for _ in range(2))
    for follower in (slow, other):
        told.follow(follower, start)
    told._tails[tenant].followers.discard(slow)
    told.leave(other)
    told.leave(slow)
    assert not told._tails
    await database.close()


@pytest.mark.parametrize("mode", ["force_custom_plan", "force_generic_plan"])
async def test_a_page_of_a_stream_is_read_along_its_index(events: Events, mode: str) -> None:
    async with events.connection() as connection:
        await connection.execute(
            "insert into events (id, tenant_id, type, kind, namespace, name, uid, occurred_at, data)"
            " select gen_random_uuid(), lpad((n % 50)::text, 32, '0')::uuid, '', '', '', '', '', now(), '{}'"
            " from generate_series(1, 5000) n"
        )
        await connection.execute(f"set plan_cache_mode = {mode}")
        await connection.execute(f"prepare page as {feed.SQL.after}")
        plan = await connection.fetch(
            "explain execute page (array[gen_random_uuid()], '{0}', array[gen_random_uuid()], 9)"
        )
    lines = "\n".join(line[0] for line in plan)
    assert "events_by_commit" in lines
    assert "Seq Scan on events" not in lines


async def test_a_head_request_for_a_stream_ends(gateway: Gateway, session: aiohttp.ClientSession) -> None:
    url = f"http://127.0.0.1:{gateway.public_port}{STREAM}"
    async with session.head(url, headers={"X-API-Key": KEY}) as response:
        assert (response.status, response.content_type) == (200, "text/event-stream")
