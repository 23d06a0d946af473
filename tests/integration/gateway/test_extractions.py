# SPDX-License-Identifier: Apache-2.0
"""The budget of extractions: shared by all gateways, refilled with time, bound to the worker's own resource."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator

import aiohttp
import pytest
from castwarden_base.waiting import wait_until
from castwarden_gateway.app import Gateway
from castwarden_gateway.db import Database
from castwarden_gateway.internal.extractions import Extractions
from castwarden_gateway.settings import GatewaySettings
from pydantic import ValidationError

from tests.integration.gateway.conftest import PATIENCE, Api, Gateways, inside, monitor, ref_of
from tests.integration.gateway.kube_double import KubeDouble, Object
from tests.plugins.databases import see_all

PATH = "/internal/v1/extractions"
QUARTER_BACK = "update extraction_buckets set at = at - interval '15 minutes'"
HOUR_BACK = "update extraction_buckets set at = at - interval '1 hour'"


@pytest.fixture
async def obj(gateway: Gateway, kube_api: KubeDouble) -> Object:
    found = kube_api.put("monitors", monitor("one"))
    await wait_until(lambda: gateway.resources.monitors.get("default", "one"), PATIENCE)
    return found


@pytest.fixture
async def databases(database_url: str) -> AsyncIterator[list[Database]]:
    """As two gateways have them."""
    both = [(await Database.open(database_url)).of_all() for _ in range(2)]
    yield both
    for database in both:
        await database.close()


async def test_two_gateways_grant_no_more_together_than_one_would(databases: list[Database]) -> None:
    gateways = [Extractions(database, {"youtube.com": 40}) for database in databases]
    asked = [gateway.take("youtube.com", "one") for gateway in gateways for _ in range(50)]
    granted = Counter(grant.granted for grant in await asyncio.gather(*asked))
    assert granted == {True: 10, False: 90}  # a quarter of an hour's worth at once; the next comes in 90 s


async def test_a_bucket_fills_with_time_up_to_its_brim_and_says_when_there_is_more(databases: list[Database]) -> None:
    extractions = Extractions(databases[0], {"youtube.com": 8})
    assert [(await extractions.take("youtube.com", "one")).granted for _ in range(3)] == [True, True, False]
    refused = await extractions.take("youtube.com", "one")
    assert 400 < refused.retry_after_seconds <= 450
    await databases[0].execute(HOUR_BACK)
    assert [(await extractions.take("youtube.com", "one")).granted for _ in range(3)] == [True, True, False]


async def test_a_clock_that_goes_back_takes_nothing_away(databases: list[Database]) -> None:
    extractions = Extractions(databases[0], {"youtube.com": 8})
    await extractions.take("youtube.com", "one")
    await databases[0].execute("update extraction_buckets set at = at + interval '1 hour'")
    assert (await extractions.take("youtube.com", "one")).granted
    assert not (await extractions.take("youtube.com", "one")).granted


async def test_a_site_without_a_rate_is_free_and_one_with_none_is_closed(databases: list[Database]) -> None:
    extractions = Extractions(databases[0], {"twitch.tv": 0})
    assert all([(await extractions.take("vimeo.com", "one")).granted for _ in range(50)])
    closed = await extractions.take("twitch.tv", "one")
    assert (closed.granted, closed.retry_after_seconds) == (False, 3600)


async def test_a_namespace_alone_gets_all_and_beside_others_half(databases: list[Database]) -> None:
    extractions = Extractions(databases[0], {"youtube.com": 40})  # ten at once

    async def granted(namespace: str, times: int) -> int:
        return sum([(await extractions.take("youtube.com", namespace)).granted for _ in range(times)])

    assert await granted("greedy", 50) == 10
    refused = await extractions.take("youtube.com", "modest")
    assert (refused.granted, 60 < refused.retry_after_seconds <= 90) == (False, True)
    await databases[0].execute(QUARTER_BACK)
    assert await granted("greedy", 50) == 5
    refused = await extractions.take("youtube.com", "greedy")
    assert 120 < refused.retry_after_seconds <= 180  # it gets half as many
    assert await granted("modest", 50) == 5
    await databases[0].execute(HOUR_BACK)
    await databases[0].execute(QUARTER_BACK)
    assert await granted("greedy", 50) == 10  # nobody else has asked for an hour


async def test_namespaces_that_ask_at_the_same_time_get_no_more_than_there_is(databases: list[Database]) -> None:
    gateways = [Extractions(database, {"youtube.com": 80}) for database in databases]
    for namespace in ("one", "two", "three"):
        await gateways[0].take("youtube.com", namespace)
    await databases[0].execute(QUARTER_BACK)
    names = ("one", "two", "three", "one") * 40
    asked = [gateways[at % 2].take("youtube.com", name) for at, name in enumerate(names)]
    grants = await asyncio.gather(*asked)
    counts = Counter(name for name, grant in zip(names, grants, strict=True) if grant.granted)
    assert sum(counts.values()) == 20
    assert max(counts.values()) <= 10


async def test_a_worker_asks_for_its_own_resource(
    gateways: Gateways, session: aiohttp.ClientSession, kube_api: KubeDouble
) -> None:
    gateway = await gateways.start(extractions_per_hour="youtube.com=4")
    obj = kube_api.put("monitors", monitor("one"))
    await wait_until(lambda: gateway.resources.monitors.get("default", "one"), PATIENCE)
    url = f"http://127.0.0.1:{gateway.internal_port}"
    mine, other = (
        Api(session, url, {"Authorization": f"Bearer {kube_api.add_pod(f'monitor-{name}', 'Monitor', name)}"})
        for name in ("one", "two")
    )
    body = {"resource": ref_of(obj), "site": "youtube.com"}
    assert (await mine.post(PATH, body)).body == {"granted": True, "retry_after_seconds": 0.0}
    assert (await other.post(PATH, body)).body["code"] == "forbidden"
    refused = (await inside(gateway, session).post(PATH, body)).body
    assert (refused["granted"], refused["retry_after_seconds"] > 0) == (False, True)


@pytest.mark.parametrize("site", ["", "You Tube", "https://youtube.com", "x" * 254])
async def test_a_site_is_a_host_name(internal: Api, obj: Object, site: str) -> None:
    assert (await internal.post(PATH, {"resource": ref_of(obj), "site": site})).status == 422


async def test_a_database_that_cannot_count_is_no_refusal(internal: Api, obj: Object, database_url: str) -> None:
    connection = await see_all(database_url)
    await connection.execute(
        "create function full_disk() returns trigger language plpgsql as $$"
        " begin raise exception 'no space' using errcode = 'disk_full'; end $$;"
        " create trigger full_disk before insert on extraction_buckets execute function full_disk()"
    )
    await connection.close()
    answer = await internal.post(PATH, {"resource": ref_of(obj), "site": "youtube.com"})
    assert answer.status == 503


@pytest.mark.parametrize(
    ("text", "rates"),
    [("youtube.com=300", {"youtube.com": 300}), (" Twitch.tv=5, a.b=0 ", {"twitch.tv": 5, "a.b": 0})],
)
def test_rates_are_read_from_the_environment(text: str, rates: dict[str, int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://")
    monkeypatch.setenv("CASTWARDEN_SECRET_KEY", "A" * 43 + "=")
    monkeypatch.setenv("CASTWARDEN_EXTRACTIONS_PER_HOUR", text)
    assert GatewaySettings.load().extractions_per_hour == rates


@pytest.mark.parametrize("text", ["300", "youtube.com=", "youtube.com=many", "=3", "youtube.com=-1"])
def test_a_wrong_rate_is_refused_in_words(text: str) -> None:
    with pytest.raises(ValidationError, match=r"must be like youtube\.com=300,twitch\.tv=600"):
        GatewaySettings(database_url="postgresql://", secret_keys=(bytes(32),), extractions_per_hour=text)
