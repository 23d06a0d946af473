# SPDX-License-Identifier: Apache-2.0
"""Rate limits: one bucket for all gateways, strangers by address, open while PostgreSQL is away."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from uuid import UUID, uuid4

import aiohttp
import asyncpg
import pytest
from castwarden_base.waiting import wait_until
from castwarden_gateway.db import Database
from castwarden_gateway.http import buckets
from castwarden_gateway.http.buckets import OPEN, Buckets

from tests.integration.gateway.conftest import PATIENCE, Gateways, public
from tests.plugins.databases import see_all


@asynccontextmanager
async def limiter(url: str) -> AsyncIterator[Buckets]:
    """What one gateway has of the buckets."""
    database = (await Database.open(url, max_size=2)).of_all()
    found = Buckets(database)
    running = asyncio.create_task(found.run())
    try:
        yield found
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running
        await database.close()


@pytest.fixture
async def three(database_url: str) -> AsyncIterator[list[Buckets]]:
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(limiter(database_url)) for _ in range(3)]


async def passed(limiter: Buckets, key: UUID, requests: int, limit: int, window: int, at_once: int = 10) -> int:
    """How many of so many requests get through."""
    count = 0
    for _ in range(requests // at_once):
        verdicts = await asyncio.gather(*(limiter.take(key, limit, window) for _ in range(at_once)))
        count += sum(verdict.retry_after == 0 for verdict in verdicts)
    return count


async def tokens(url: str, key: UUID) -> float:
    connection = await see_all(url)
    try:
        return float(await connection.fetchval("select tokens from rate_buckets where key = $1", key) or 0)
    finally:
        await connection.close()


async def test_three_gateways_together_let_one_limit_through_at_once(three: list[Buckets]) -> None:
    key = uuid4()
    await asyncio.gather(*(each.take(uuid4(), 300, 36_000) for each in three))  # all are connected
    through = await asyncio.gather(*(passed(each, key, 600, 300, 36_000) for each in three))
    assert 270 <= sum(through) <= 303
    assert all(count > 0 for count in through)


async def test_the_whole_limit_is_there_for_whichever_gateway_is_asked(three: list[Buckets], database_url: str) -> None:
    key = uuid4()
    first = await passed(three[0], key, 100, 300, 36_000)
    second = await passed(three[1], key, 100, 300, 36_000)

    async def given_back() -> bool:
        return await tokens(database_url, key) >= 99

    await wait_until(given_back, PATIENCE)
    assert (first, second) == (100, 100)
    assert 99 <= await passed(three[2], key, 200, 300, 36_000) <= 102


async def test_what_three_gateways_let_through_for_a_while_is_the_rate(three: list[Buckets]) -> None:
    key, limit, window = uuid4(), 300, 5  # a bucket of 5 s: a test that is held up for a while loses nothing
    loop = asyncio.get_running_loop()
    began, through = loop.time(), 0
    while loop.time() - began < 3:
        counts = await asyncio.gather(*(passed(each, key, 10, limit, window, at_once=5) for each in three))
        through += sum(counts)
        await asyncio.sleep(0.005)  # a refusal costs nothing: leave the others some time
    allowed = limit + (loop.time() - began) * limit / window
    assert 0.9 * allowed <= through <= 1.1 * allowed


async def test_a_request_does_not_cost_a_query(three: list[Buckets], monkeypatch: pytest.MonkeyPatch) -> None:
    asked = 0
    ask = Buckets._ask

    async def counted(self: Buckets, *arguments: object, **options: object) -> object:
        nonlocal asked
        asked += 1
        return await ask(self, *arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(Buckets, "_ask", counted)
    assert await passed(three[0], uuid4(), 6400, 6400, 3600) == 6400
    assert asked <= 2 * buckets_of(6400)


def buckets_of(requests: int) -> int:
    """The portions in which so many requests are drawn."""
    return requests // (requests // 32)


async def test_what_a_request_is_told_counts_down(three: list[Buckets]) -> None:
    key = uuid4()
    told = [(await limiter.take(key, 6, 3600)).remaining for limiter in (*three, *three)]
    assert told == [5, 4, 3, 2, 1, 0]
    refused = await three[0].take(key, 6, 3600)
    assert refused.headers["RateLimit-Policy"] == '"default";q=6;w=3600'
    assert 590 <= int(refused.headers["Retry-After"]) <= 600


async def test_requests_pass_and_are_counted_while_the_database_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    before = OPEN._value.get()
    async with limiter("postgresql://127.0.0.1:9/none") as lonely:
        assert await passed(lonely, uuid4(), 50, 10, 3600) == 50
    assert OPEN._value.get() - before == 50


async def test_limits_hold_again_once_the_database_is_back(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async def away(*_: object) -> None:
        raise OSError("gone")

    key = uuid4()
    monkeypatch.setattr(buckets, "_AWAY_SECONDS", 0.05)
    async with limiter(database_url) as each:
        with monkeypatch.context() as broken:
            broken.setattr(asyncpg.pool.PoolConnectionProxy, "fetch", away, raising=False)
            assert await passed(each, key, 30, 10, 3600) == 30

        async def refused() -> bool:
            return (await each.take(key, 10, 3600)).retry_after > 0

        await wait_until(refused, PATIENCE)


async def test_strangers_are_limited_by_the_address_that_a_trusted_proxy_saw(
    gateways: Gateways, session: aiohttp.ClientSession
) -> None:
    gateway = await gateways.start(rate_limit=3, rate_limit_window=3600, trusted_proxies="127.0.0.0/8")
    stranger = public(gateway, session).with_key("yttr_unknown")

    async def statuses(*forwarded: str) -> list[int]:
        answers = [await stranger.with_headers(X_Forwarded_For=each).get("/api/v1/monitors") for each in forwarded]
        return [answer.status for answer in answers]

    spoofed = [f"198.51.100.{number}, 203.0.113.7" for number in range(5)]
    assert await statuses(*spoofed) == [401, 401, 401, 429, 429]
    assert await statuses("203.0.113.8") == [401]
    refused = await stranger.with_headers(X_Forwarded_For="203.0.113.7").get("/api/v1/monitors")
    assert (refused.body["code"], int(refused.headers["Retry-After"]) > 0) == ("rate-limit-exceeded", True)
    assert (await public(gateway, session).get("/api/v1/monitors")).status == 200


async def test_without_trusted_proxies_a_forwarded_address_changes_nothing(
    gateways: Gateways, session: aiohttp.ClientSession
) -> None:
    gateway = await gateways.start(rate_limit=2, rate_limit_window=3600)
    stranger = public(gateway, session).with_key("yttr_unknown")
    for number, status in enumerate([401, 401, 429]):
        answer = await stranger.with_headers(X_Forwarded_For=f"203.0.113.{number}").get("/api/v1/monitors")
        assert answer.status == status
