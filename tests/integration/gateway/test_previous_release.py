# SPDX-License-Identifier: Apache-2.0
"""While a release is rolled out, the code of the one before works on the new schema, beside the new code.

Its code comes from the history of the repository. Whoever makes a release sets PREVIOUS to its commit.
"""

import asyncio
import io
import os
import subprocess
import sys
import tarfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from castwarden_base.ids import uuid7
from castwarden_base.waiting import wait_until
from castwarden_gateway.db.migrate import migrate, outstanding
from standardwebhooks import Webhook

from tests.integration.gateway.conftest import INTERNAL_KEY, KEY, monitor, report
from tests.integration.gateway.gateway_process import GatewayProcess, gateway_process
from tests.integration.gateway.kube_double import KubeDouble

PREVIOUS = "81a3a07dbd75cc4df8c32b72f141702d4cc3d18f"
LATER = "/openapi.json"  # a route that only the new code has
REPOSITORY = Path(__file__).parents[3]
PACKAGES = ("base", "gateway", "model")


@pytest.fixture(scope="module")
def previous(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The PYTHONPATH of the release before this one."""
    git = ["git", "-c", f"safe.directory={REPOSITORY}", "-C", str(REPOSITORY)]
    try:
        found = subprocess.run([*git, "archive", PREVIOUS, *PACKAGES], capture_output=True, check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        reason = error if isinstance(error, OSError) else error.stderr.decode().strip()
        missing = f"the code of the release before ({PREVIOUS}) is not at hand: {reason}"
        if os.environ.get("CASTWARDEN_REQUIRE_PREVIOUS"):
            pytest.fail(f"{missing}; a shallow clone needs `git fetch --unshallow`", pytrace=False)
        pytest.skip(missing)
    folder = tmp_path_factory.mktemp("previous")
    with tarfile.open(fileobj=io.BytesIO(found.stdout)) as archive:
        archive.extractall(folder, filter="data")
    return os.pathsep.join(str(folder / package) for package in PACKAGES)


class Side:
    """A gateway as its clients and its workers see it."""

    def __init__(self, gateway: GatewayProcess, session: aiohttp.ClientSession, key: str = KEY) -> None:
        self._gateway, self._session, self._key = gateway, session, key

    def with_key(self, key: str) -> "Side":
        return Side(self._gateway, self._session, key)

    async def call(self, method: str, path: str, body: Any = None, *, inside: bool = False, tenant: str = "") -> Any:
        port = self._gateway.internal_port if inside else self._gateway.public_port
        headers = {"Authorization": f"Bearer {self._key}", "X-Internal-API-Key": INTERNAL_KEY}
        headers |= {"X-Tenant-Id": tenant} if tenant else {}
        url = f"http://127.0.0.1:{port}{path}"
        async with self._session.request(method, url, json=body, headers=headers) as response:
            answer = await response.json()
        assert response.status < 300, (method, path, answer)
        return answer

    async def tell(self, obj: Any, seq: int, title: str) -> None:
        """An event, as a worker reports it."""
        started = {"id": str(uuid7()), "type": "stream.started", "at": "2026-11-20T12:00:00Z", "data": {"title": title}}
        await self.call("POST", "/internal/v1/reports", report(obj, seq, occurrences=[started]), inside=True)

    async def status(self, path: str) -> int:
        async with self._session.get(f"http://127.0.0.1:{self._gateway.public_port}{path}") as response:
            return response.status


@asynccontextmanager
async def receiver() -> AsyncIterator[tuple[str, list[tuple[dict[str, str], bytes]]]]:
    received: list[tuple[dict[str, str], bytes]] = []

    async def take(request: web.Request) -> web.Response:
        received.append((dict(request.headers), await request.read()))
        return web.Response()

    app = web.Application()
    app.router.add_post("/", take)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}/", received
    await runner.cleanup()


def titles(received: list[tuple[dict[str, str], bytes]], secret: str) -> set[str]:
    """Of all that came, each with a good signature."""
    return {Webhook(secret).verify(body, headers)["data"]["title"] for headers, body in received}


async def migrate_as_before(previous: str, url: str) -> None:
    environment = {**os.environ, "PYTHONPATH": previous, "DATABASE_URL": url}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-P", "-m", "castwarden_gateway", "migrate", env=environment
    )
    assert await process.wait() == 0


async def test_the_release_before_goes_on_working_on_the_new_schema_beside_the_new_one(
    previous: str, empty_database_url: str, kube_api: KubeDouble, session: aiohttp.ClientSession
) -> None:
    await migrate_as_before(previous, empty_database_url)
    studio, field = (kube_api.put("monitors", monitor(name)) for name in ("studio", "field"))
    async with receiver() as (url, received), gateway_process(empty_database_url, PYTHONPATH=previous) as before:
        old = Side(before, session)
        made = (await old.call("POST", "/api/v1/webhooks/endpoints", {"url": url}))["data"]
        await old.tell(studio, 1, "before")

        def arrived(*wanted: str) -> Callable[[], bool]:
            return lambda: titles(received, made["secret"]) == set(wanted)

        await wait_until(arrived("before"), 30)
        assert await migrate(empty_database_url, post=False) != []
        async with gateway_process(empty_database_url) as now:
            new = Side(now, session)
            assert (await old.status("/readyz"), await new.status("/readyz")) == (200, 200)
            assert (await old.status(LATER), await new.status(LATER)) == (404, 200)
            await old.tell(studio, 2, "by the old")
            await new.tell(field, 1, "by the new")
            await new.tell(studio, 3, "a resource of the old by the new")
            await old.tell(field, 2, "a resource of the new by the old")
            told = ("before", "by the old", "by the new", "a resource of the old by the new")
            await wait_until(arrived(*told, "a resource of the new by the old"), 30)
            for side in (old, new):
                assert len((await side.call("GET", "/api/v1/events"))["data"]) == 5
                assert len((await side.call("GET", "/api/v1/webhooks/deliveries"))["data"]) == 5
                await side.call("PATCH", f"/api/v1/webhooks/endpoints/{made['id']}", {"description": "changed"})
                await side.call("POST", "/api/v1/api_keys", {"name": "k"})
            before.process.kill()
            await before.ended()
            assert await migrate(empty_database_url) != []
            assert await outstanding(empty_database_url) == []
            await new.tell(field, 3, "after")
            await wait_until(arrived(*told, "a resource of the new by the old", "after"), 30)


def all_told(received: list[tuple[dict[str, str], bytes]], secret: str) -> bool:
    return titles(received, secret) == {"by its maker", "by the other"}


async def new_tenant(side: Side, slug: str) -> str:
    """An API key of it."""
    await side.call("POST", "/api/v1/tenants", {"slug": slug})
    return str((await side.call("POST", "/api/v1/api_keys", {"name": "k"}, tenant=slug))["data"]["key"])


async def test_the_release_before_starts_anew_on_the_new_schema_and_both_serve_what_the_other_made(
    previous: str, empty_database_url: str, kube_api: KubeDouble, session: aiohttp.ClientSession
) -> None:
    await migrate_as_before(previous, empty_database_url)
    assert await migrate(empty_database_url, post=False) != []
    await migrate_as_before(previous, empty_database_url)  # as its own rollback would
    async with (
        receiver() as (url, received),
        gateway_process(empty_database_url, PYTHONPATH=previous) as before,
        gateway_process(empty_database_url) as now,
    ):
        old, new = Side(before, session), Side(now, session)
        assert (await old.status(LATER), await new.status(LATER)) == (404, 200)
        for maker, other, slug in ((old, new, "acme"), (new, old, "initech")):
            key = await new_tenant(maker, slug)
            maker, other = maker.with_key(key), other.with_key(key)
            endpoint = (await maker.call("POST", "/api/v1/webhooks/endpoints", {"url": url}))["data"]
            source = {"stream_url": f"https://cdn.example.com/{slug}.m3u8"}
            made = (await maker.call("POST", "/api/v1/monitors", source))["data"]
            obj = kube_api.get("monitors", made["monitor_id"], slug)
            received.clear()
            await maker.tell(obj, 1, "by its maker")
            await other.tell(obj, 2, "by the other")
            await wait_until(partial(all_told, received, endpoint["secret"]), 30)
            for side in (maker, other):
                assert len((await side.call("GET", "/api/v1/events"))["data"]) == 2
                assert len((await side.call("GET", "/api/v1/webhooks/deliveries"))["data"]) == 2
                assert [one["id"] for one in (await side.call("GET", "/api/v1/webhooks/endpoints"))["data"]] == [
                    endpoint["id"]
                ]
                assert [one["monitor_id"] for one in (await side.call("GET", "/api/v1/monitors"))["data"]] == [
                    made["monitor_id"]
                ]
