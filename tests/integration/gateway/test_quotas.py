# SPDX-License-Identifier: Apache-2.0
"""What one tenant may have, so that there is something left for the others."""

import aiohttp

from tests.integration.gateway.conftest import Api, Gateways, public
from tests.integration.gateway.kube_double import KubeDouble
from tests.plugins.databases import see_all


async def test_a_tenant_has_no_more_channels_than_it_may_have(
    gateways: Gateways, session: aiohttp.ClientSession
) -> None:
    api = public(await gateways.start(max_channels=2), session)
    bodies = [{"feed_url": f"https://a.example/{number}"} for number in range(3)]
    answers = [await api.post("/api/v1/channels", body) for body in bodies]
    assert [answer.status for answer in answers] == [201, 201, 429]
    assert answers[2].body["code"] == "max-channels-exceeded"
    assert (await api.post("/api/v1/channels", bodies[0])).status == 200


async def test_a_tenant_has_no_more_unfinished_downloads_than_it_may_have(
    gateways: Gateways, session: aiohttp.ClientSession, kube_api: KubeDouble
) -> None:
    ended = {"spec": {"source": {"url": "https://a.example/old"}}, "status": {"state": "Failed"}}
    kube_api.put("downloadjobs", {"kind": "DownloadJob", "metadata": {"name": "old"}, **ended})
    api = public(await gateways.start(max_downloads=2), session)
    bodies = [{"url": f"https://a.example/{number}"} for number in range(3)]
    answers = [await api.post("/api/v1/downloads", body) for body in bodies]
    assert [answer.status for answer in answers] == [201, 201, 429]
    assert answers[2].body["code"] == "max-downloads-exceeded"
    assert (await api.post("/api/v1/downloads", bodies[0])).status == 200
    await api.delete(f"/api/v1/downloads/{answers[0].data['id']}")
    assert (await api.post("/api/v1/downloads", bodies[2])).status == 201


async def test_a_tenant_has_no_more_active_keys_than_it_may_have(api: Api, database_url: str) -> None:
    connection = await see_all(database_url)
    await connection.execute(
        """insert into api_keys (id, tenant_id, name, key_hash, key_prefix, scopes)
        select gen_random_uuid(), tenants.id, 'one of many', number::text, '', '{*}'
        from tenants, generate_series(1, 98) number where slug = 'public'"""
    )
    await connection.close()
    last = await api.post("/api/v1/api_keys", {"name": "the hundredth"})
    refused = await api.post("/api/v1/api_keys", {"name": "one too many"})
    assert (last.status, refused.status, refused.body["code"]) == (201, 429, "max-api-keys-exceeded")
    await api.delete(f"/api/v1/api_keys/{last.data['id']}")
    assert (await api.post("/api/v1/api_keys", {"name": "in its place"})).status == 201


async def test_nobody_gives_away_a_higher_rate_than_their_own(api: Api) -> None:
    made = await api.post("/api/v1/api_keys", {"name": "own", "rate_limit": 100, "rate_window_seconds": 60})
    own = api.with_key(made.data["key"])
    for faster in ({"rate_limit": 101}, {"rate_window_seconds": 59}, {"rate_limit": 200, "rate_window_seconds": 600}):
        refused = await own.post("/api/v1/api_keys", {"name": "faster", **faster})
        assert (refused.status, refused.pointers) == (422, ["/rate_limit"])
    slower = await own.post("/api/v1/api_keys", {"name": "slower", "rate_limit": 5})
    assert (slower.data["rate_limit"], slower.data["rate_window_seconds"]) == (5, 60)
    same = await own.post("/api/v1/api_keys", {"name": "same"})
    assert (same.data["rate_limit"], same.data["rate_window_seconds"]) == (100, 60)
    granted = await api.post("/api/v1/api_keys", {"name": "granted", "rate_limit": 1_000_000})
    assert granted.status == 201


async def test_a_tenants_keys_together_have_ten_times_the_usual_rate(
    gateways: Gateways, session: aiohttp.ClientSession
) -> None:
    api = public(await gateways.start(rate_limit=2, rate_limit_window=3600), session)
    keys = [(await api.post("/api/v1/api_keys", {"name": "one of many"})).data["key"] for _ in range(11)]
    statuses = [(await api.with_key(key).get("/api/v1/monitors")).status for key in keys for _ in range(2)]
    assert statuses == [200] * 20 + [429] * 2
    assert (await api.get("/api/v1/monitors")).status == 200
