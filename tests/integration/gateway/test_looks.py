# SPDX-License-Identifier: Apache-2.0
"""The newest look of a Monitor: what a worker may send, what a client gets, and when it goes away."""

import asyncio
import base64
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import Any

import aiohttp
import av
import numpy as np
import pytest
from castwarden_base.waiting import wait_until
from castwarden_gateway.app import Gateway
from castwarden_gateway.looks.store import LookStore

from tests.integration.gateway.conftest import PATIENCE, Api, monitor, ref_of
from tests.integration.gateway.kube_double import KubeDouble, Object
from tests.integration.gateway.test_tenants import other_tenant
from tests.plugins.databases import see_all

LOOKS = "/internal/v1/looks"
MONITOR = "/api/v1/monitors/one"
COUNT = "select count(*) from looks"
NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


def jpeg(width: int = 160, height: int = 90, grey: int = 128) -> bytes:
    encoder = av.CodecContext.create("mjpeg", "w")
    assert isinstance(encoder, av.VideoCodecContext)
    encoder.width, encoder.height, encoder.pix_fmt = width, height, "yuvj420p"
    encoder.time_base = Fraction(1, 25)
    picture = av.VideoFrame.from_ndarray(np.full((height, width, 3), grey, np.uint8), format="rgb24")
    return b"".join(bytes(packet) for packet in encoder.encode(picture.reformat(format="yuvj420p")))


def look(obj: Object, at: datetime = NOON, picture: bytes | None = None, epoch: int = 1, **fields: Any) -> Object:
    points = [{"at": (at - timedelta(seconds=10)).isoformat(), "state": "Live", "luma": 0.5, "level_db": -20.0}]
    encoded = None if picture is None else base64.b64encode(picture).decode()
    taken = {"resource": ref_of(obj), "epoch": epoch, "taken_at": at.isoformat(), "strip": points}
    return taken | {"thumbnail": encoded} | fields


@pytest.fixture
async def obj(gateway: Gateway, kube_api: KubeDouble) -> Object:
    found = kube_api.put("monitors", monitor("one"))
    await wait_until(lambda: gateway.resources.monitors.get("default", "one"), PATIENCE)
    return found


async def put(internal: Api, body: Object) -> Any:
    return await internal.call("PUT", LOOKS, body)


async def test_a_thumbnail_is_served_as_it_came_and_once_per_picture(api: Api, internal: Api, obj: Object) -> None:
    picture = jpeg()
    assert (await put(internal, look(obj, picture=picture))).status == 204
    found = await api.get(f"{MONITOR}/thumbnail")
    assert (found.status, found.body) == (200, picture)
    assert found.headers["Content-Type"] == "image/jpeg"
    assert found.headers["X-Content-Type-Options"] == "nosniff"
    assert found.headers["Cache-Control"].startswith("private")
    assert found.headers["Last-Modified"] == "Fri, 20 Nov 2026 12:00:00 GMT"
    known = {"If-None-Match": f'"other", {found.headers["ETag"]}'}
    again = await api.get(f"{MONITOR}/thumbnail", headers=known)
    assert (again.status, again.body, again.headers["ETag"]) == (304, "", found.headers["ETag"])

    newer = jpeg(grey=20)
    await put(internal, look(obj, NOON + timedelta(seconds=30), newer))
    assert (await api.get(f"{MONITOR}/thumbnail", headers=known)).body == newer


async def test_measurements_are_those_of_the_newest_look(api: Api, internal: Api, obj: Object) -> None:
    await put(internal, look(obj, NOON))
    found = await api.get(f"{MONITOR}/measurements")
    assert found.data == {
        "taken_at": "2026-11-20T12:00:00Z",
        "points": [{"at": "2026-11-20T11:59:50Z", "state": "Live", "luma": 0.5, "level_db": -20.0}],
    }
    known = {"If-None-Match": found.headers["ETag"]}
    assert (await api.get(f"{MONITOR}/measurements", headers=known)).status == 304


async def test_before_the_first_look_there_is_nothing_and_its_code_says_so(
    api: Api, internal: Api, obj: Object
) -> None:
    answers = {name: await api.get(f"{MONITOR}/{name}") for name in ("thumbnail", "measurements")}
    assert [(a.status, a.body["code"]) for a in answers.values()] == [(404, "no-thumbnail"), (404, "no-measurements")]
    await put(internal, look(obj))
    assert (await api.get(f"{MONITOR}/thumbnail")).body["code"] == "no-thumbnail"
    assert (await api.get(f"{MONITOR}/measurements")).status == 200


async def test_a_look_without_a_picture_keeps_the_one_before_with_its_time(
    api: Api, internal: Api, obj: Object
) -> None:
    picture = jpeg()
    await put(internal, look(obj, NOON, picture))
    await put(internal, look(obj, NOON + timedelta(seconds=30)))
    found = await api.get(f"{MONITOR}/thumbnail")
    assert (found.body, found.headers["Last-Modified"]) == (picture, "Fri, 20 Nov 2026 12:00:00 GMT")
    assert (await api.get(f"{MONITOR}/measurements")).data["taken_at"] == "2026-11-20T12:00:30Z"


async def test_a_look_that_comes_late_changes_nothing(api: Api, internal: Api, obj: Object) -> None:
    await put(internal, look(obj, NOON))
    assert (await put(internal, look(obj, NOON - timedelta(seconds=30), jpeg()))).status == 204
    assert (await api.get(f"{MONITOR}/measurements")).data["taken_at"] == "2026-11-20T12:00:00Z"
    assert (await api.get(f"{MONITOR}/thumbnail")).status == 404


async def test_a_look_of_a_newer_worker_wins_though_its_clock_is_behind(api: Api, internal: Api, obj: Object) -> None:
    await put(internal, look(obj, NOON, jpeg(), epoch=1))
    behind = NOON - timedelta(hours=1)
    await put(internal, look(obj, behind, epoch=2))
    await put(internal, look(obj, NOON + timedelta(hours=1), epoch=1))
    assert (await api.get(f"{MONITOR}/measurements")).data["taken_at"] == "2026-11-20T11:00:00Z"


@pytest.mark.parametrize(
    "picture",
    [
        b"<html><script>alert(1)</script></html>",
        b"\xff\xd8\xff<html>\xff\xd9",
        b"\x89PNG\r\n\x1a\n" + bytes(64),
        jpeg()[:-2],
        jpeg()[: len(jpeg()) // 50] + b"\xff\xd9",
        jpeg(640, 360),
        jpeg(90, 400),
        b"\xff\xd8\xff" + bytes(64 * 1024) + b"\xff\xd9",
        b"",
    ],
    ids=["page", "page in disguise", "png", "cut off", "without a frame", "too wide", "too high", "too long", "empty"],
)
async def test_what_is_no_small_jpeg_is_never_kept(api: Api, internal: Api, obj: Object, picture: bytes) -> None:
    answer = await put(internal, look(obj, picture=picture))
    assert (answer.status, answer.body["code"]) == (422, "validation-error")
    assert (await api.get(f"{MONITOR}/thumbnail")).status == 404


@pytest.mark.parametrize(
    "wrong",
    [
        {"strip": [{"at": NOON.isoformat(), "state": "Live"}] * 61},
        {"strip": [{"at": NOON.isoformat(), "state": "Live", "luma": 2}]},
        {"strip": [{"at": NOON.isoformat(), "state": "Live", "level_db": 1e300}]},
        {"strip": [{"at": NOON.isoformat(), "state": "Dancing"}]},
        {"thumbnail": "no base64!"},
    ],
    ids=["too many points", "too bright", "too loud", "no state", "no base64"],
)
async def test_measurements_have_bounds(internal: Api, obj: Object, wrong: Object) -> None:
    assert (await put(internal, look(obj) | wrong)).status == 422


async def test_a_worker_sends_looks_of_its_own_resource_alone_and_only_while_it_is_the_current_one(
    gateway: Gateway, session: aiohttp.ClientSession, kube_api: KubeDouble, obj: Object
) -> None:
    def of(token: str) -> Api:
        url = f"http://127.0.0.1:{gateway.internal_port}"
        return Api(session, url, {"Authorization": f"Bearer {token}"})

    mine = of(kube_api.add_pod("monitor-one", "Monitor", "one"))
    stranger = of(kube_api.add_pod("monitor-two", "Monitor", "two"))
    assignment = f"/internal/v1/assignments/Monitor/default/one?uid={obj['metadata']['uid']}"
    epoch = (await mine.get(assignment)).body["epoch"]
    assert (await put(mine, look(obj, epoch=epoch))).status == 204
    assert (await put(stranger, look(obj, epoch=epoch))).body["code"] == "forbidden"
    await mine.get(assignment)  # it begins anew
    assert (await put(mine, look(obj, NOON + timedelta(hours=1), epoch=epoch))).body["code"] == "fenced"


async def test_another_tenant_sees_neither_picture_nor_measurements(api: Api, internal: Api, obj: Object) -> None:
    await put(internal, look(obj, picture=jpeg()))
    stranger = await other_tenant(api)
    for name in ("thumbnail", "measurements"):
        answer = await stranger.get(f"{MONITOR}/{name}")
        assert (answer.status, answer.body["code"]) == (404, "not-found")
        assert (await api.get(f"{MONITOR}/{name}")).status == 200


async def test_a_look_goes_with_its_resource_and_one_made_anew_has_none(
    gateway: Gateway, api: Api, internal: Api, kube_api: KubeDouble, obj: Object, database_url: str
) -> None:
    await put(internal, look(obj, picture=jpeg()))
    kube_api.remove("monitors", "default", "one")
    anew = kube_api.put("monitors", monitor("one"))["metadata"]["uid"]
    connection = await see_all(database_url)

    async def dropped() -> bool:
        there = gateway.resources.monitors.get("default", "one")
        return there is not None and there.metadata.uid == anew and not await connection.fetchval(COUNT)

    await wait_until(dropped, PATIENCE)
    await connection.close()
    assert (await api.get(f"{MONITOR}/thumbnail")).body["code"] == "no-thumbnail"
    assert (await put(internal, look(obj, picture=jpeg()))).body["code"] == "gone"


async def test_a_look_that_nobody_has_renewed_for_a_week_is_dropped(
    gateway: Gateway, internal: Api, kube_api: KubeDouble, obj: Object, database_url: str
) -> None:
    other = kube_api.put("monitors", monitor("other"))
    await wait_until(lambda: gateway.resources.monitors.get("default", "other"), PATIENCE)
    await put(internal, look(obj))
    await put(internal, look(other))
    connection = await see_all(database_url)
    renewed = "update looks set updated_at = now() - $2::interval where uid = $1"
    await connection.execute(renewed, obj["metadata"]["uid"], timedelta(days=7, minutes=1))
    await connection.execute(renewed, other["metadata"]["uid"], timedelta(days=6, hours=23))

    async def dropped() -> bool:
        return bool(await connection.fetchval(COUNT) == 1)

    pruning = asyncio.create_task(LookStore(gateway.database, gateway._tenants).run())
    await wait_until(dropped, PATIENCE)
    pruning.cancel()
    await asyncio.gather(pruning, return_exceptions=True)
    assert await connection.fetchval("select uid from looks") == other["metadata"]["uid"]
    await connection.close()
