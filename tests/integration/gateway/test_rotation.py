# SPDX-License-Identifier: Apache-2.0
"""API keys over time: rotation with an overlap, expiry under way, last use."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest
from castwarden_base.waiting import wait_until
from castwarden_gateway.app import Gateway
from castwarden_gateway.tenants import auth
from castwarden_gateway.tenants import routes as tenant_routes

from tests.integration.gateway.conftest import PATIENCE, Api
from tests.plugins.databases import see_all

KEYS = "/api/v1/api_keys"


@pytest.fixture
async def admin(database_url: str) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
    connection = await see_all(database_url)
    yield connection
    await connection.close()


async def make(api: Api, **fields: Any) -> Any:
    return (await api.post(KEYS, {"name": "app", **fields})).data


async def rotate(api: Api, id_: str, **body: Any) -> Any:
    return await api.post(f"{KEYS}/{id_}/rotate", body)


async def works(api: Api, key: str) -> bool:
    return (await api.with_key(key).get("/api/v1/status")).status == 200


async def test_the_new_key_may_do_what_the_old_one_may_and_both_work_for_a_day(api: Api) -> None:
    limits = {"rate_limit": 7, "rate_window_seconds": 11, "expires_at": "2099-01-01T00:00:00Z"}
    old = await make(api, scopes=["monitors:*"], **limits)
    answer = await rotate(api, old["id"])
    new = answer.data
    assert (answer.status, answer.headers["Location"]) == (201, f"{KEYS}/{new['id']}")
    same = ("name", "scopes", *limits)
    assert {name: new[name] for name in same} == {name: old[name] for name in same}
    assert new["key"] != old["key"]
    assert await works(api, old["key"])
    assert await works(api, new["key"])
    listed = {row["id"]: row for row in (await api.get(KEYS)).data}
    left = datetime.fromisoformat(listed[old["id"]]["expires_at"]) - datetime.now(UTC)
    assert timedelta(hours=23, minutes=55) < left <= timedelta(days=1)
    assert listed[old["id"]]["replaced_by"] == new["id"]
    assert "key" not in listed[new["id"]]


async def test_the_old_key_ends_with_its_overlap(api: Api, admin: "asyncpg.Connection[asyncpg.Record]") -> None:
    old = await make(api)
    new = (await rotate(api, old["id"], overlap_seconds=3)).data  # as much longer than a request as a test can wait
    assert await works(api, old["key"])

    async def over() -> bool:
        return not await works(api, old["key"])

    await wait_until(over, PATIENCE)
    expired = await admin.fetchval("select expires_at < now() from api_keys where id = $1::uuid", old["id"])
    assert expired, "remembered no longer than it works, and no shorter"
    assert await works(api, new["key"])


async def test_without_an_overlap_the_old_key_ends_at_once(api: Api) -> None:
    old = await make(api)
    assert await works(api, old["key"])
    new = (await rotate(api, old["id"], overlap_seconds=0)).data
    assert not await works(api, old["key"])
    assert await works(api, new["key"])


async def test_an_overlap_never_lengthens_a_life(api: Api) -> None:
    soon = (datetime.now(UTC) + timedelta(minutes=5)).isoformat()
    old = await make(api, expires_at=soon)
    await rotate(api, old["id"], overlap_seconds=604_800)
    listed = {row["id"]: row for row in (await api.get(KEYS)).data}
    assert listed[old["id"]]["expires_at"] == old["expires_at"]


@pytest.mark.parametrize("overlap", [-1, 604_801, 1.5, "1d", None])
async def test_an_overlap_is_a_number_of_seconds_of_a_week_at_most(api: Api, overlap: Any) -> None:
    old = await make(api)
    assert (await rotate(api, old["id"], overlap_seconds=overlap)).pointers == ["/overlap_seconds"]
    assert (await rotate(api, old["id"], overlap_seconds=604_800)).status == 201


async def test_a_key_that_is_over_is_not_rotated(api: Api, admin: "asyncpg.Connection[asyncpg.Record]") -> None:
    replaced, expired, revoked = await make(api), await make(api), await make(api)
    await rotate(api, replaced["id"])
    await admin.execute("update api_keys set expires_at = now() where id = $1::uuid", expired["id"])
    await api.delete(f"{KEYS}/{revoked['id']}")
    codes = [(await rotate(api, one["id"])).body["code"] for one in (replaced, expired, revoked)]
    assert codes == ["api-key-over", "api-key-over", "not-found"]
    assert (await rotate(api, "no-id")).status == 404


async def test_many_rotations_at_once_make_one_key(api: Api, admin: "asyncpg.Connection[asyncpg.Record]") -> None:
    old = await make(api)
    answers = await asyncio.gather(*(rotate(api, old["id"]) for _ in range(5)))
    assert sorted(answer.status for answer in answers) == [201, 409, 409, 409, 409]
    assert await admin.fetchval("select count(*) from api_keys where name = 'app'") == 2


async def test_nobody_gets_by_rotation_what_their_own_key_may_not_do(api: Api) -> None:
    mighty, fast = await make(api, scopes=["*"]), await make(api, scopes=["monitors:read"], rate_limit=1000)
    limits = {"rate_limit": 10, "rate_window_seconds": 60}
    weak = api.with_key((await make(api, scopes=["api_keys:write", "monitors:read"], **limits))["key"])
    for key in (mighty, fast):
        refused = await rotate(weak, key["id"])
        assert (refused.status, refused.body["code"]) == (403, "forbidden")
        assert await works(api, key["key"])
    assert (await rotate(api, mighty["id"])).status == 201


async def test_a_key_rotates_itself(api: Api) -> None:
    old = await make(api, scopes=["api_keys:write"])
    new = (await rotate(api.with_key(old["key"]), old["id"], overlap_seconds=0)).data
    assert (await rotate(api.with_key(new["key"]), new["id"])).status == 201


async def test_overlaps_do_not_pile_up_without_end(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tenant_routes, "_MOST_KEYS", 2)
    newest = await make(api)
    refused = await api.post(KEYS, {"name": "one too many"})
    assert (refused.status, refused.body["code"]) == (429, "max-api-keys-exceeded")
    for _ in range(2):
        newest = (await rotate(api, newest["id"])).data
    assert (await rotate(api, newest["id"])).body["code"] == "max-api-keys-exceeded"


async def test_a_key_that_expires_while_it_is_remembered_is_refused(
    api: Api, admin: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    soon = (datetime.now(UTC) + timedelta(seconds=2)).isoformat()
    key = (await make(api, expires_at=soon))["key"]

    async def over() -> bool:
        return not await works(api, key)

    await wait_until(over, PATIENCE)
    assert await admin.fetchval("select now() >= $1::timestamptz", datetime.fromisoformat(soon))


async def test_a_revoked_key_is_refused_by_another_gateway_once_that_looks_again(
    api: Api, gateway: Gateway, admin: "asyncpg.Connection[asyncpg.Record]", monkeypatch: pytest.MonkeyPatch
) -> None:
    key = await make(api)
    assert await works(api, key["key"])
    await admin.execute("update api_keys set revoked_at = now() where id = $1::uuid", key["id"])
    assert await works(api, key["key"]), "remembered"
    later = gateway._authenticator._clock() + auth._REMEMBER_SECONDS
    monkeypatch.setattr(gateway._authenticator, "_clock", lambda: later)
    assert not await works(api, key["key"])


async def test_last_use_is_written_of_keys_that_were_used_and_no_others(api: Api, gateway: Gateway) -> None:
    used, idle = await make(api), await make(api)
    await works(api, used["key"])
    writing = asyncio.create_task(gateway._authenticator.flush_uses(every=0.01))

    async def noted() -> bool:
        return any(row["id"] == used["id"] and row["last_used_at"] for row in (await api.get(KEYS)).data)

    await wait_until(noted, PATIENCE)
    writing.cancel()
    await asyncio.gather(writing, return_exceptions=True)
    listed = {row["id"]: row["last_used_at"] for row in (await api.get(KEYS)).data}
    assert listed[idle["id"]] is None
