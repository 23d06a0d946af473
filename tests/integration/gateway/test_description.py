# SPDX-License-Identifier: Apache-2.0
"""What the gateway says of itself to everybody: its description, the page of it, its health."""

import gzip
import json
import re

import aiohttp
import pytest
from castwarden_gateway.app import Gateway
from castwarden_gateway.tables import description

from tests.integration.gateway.conftest import Api


@pytest.fixture
def anybody(gateway: Gateway, session: aiohttp.ClientSession) -> Api:
    return Api(session, f"http://127.0.0.1:{gateway.public_port}", {})


async def test_the_description_is_served_to_everybody_and_again_only_when_it_has_changed(anybody: Api) -> None:
    first = await anybody.get("/openapi.json")
    assert (first.status, first.body) == (200, json.loads(description()))
    again = await anybody.get("/openapi.json", headers={"If-None-Match": first.headers["ETag"]})
    assert (again.status, again.body) == (304, "")


async def test_the_page_loads_nothing_from_elsewhere_and_runs_nothing_inline(anybody: Api) -> None:
    page = await anybody.get("/docs")
    assert page.status == 200
    assert page.headers["Content-Type"] == "text/html; charset=utf-8"
    policy = page.headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; script-src 'self'; connect-src 'self';")
    assert "unsafe-eval" not in policy
    assert "http" not in policy
    for named in re.findall(r'(?:src|href|data-url)="([^"]*)"', page.body):
        assert named == "data:," or (await anybody.get(named)).status == 200
    assert re.findall(r"<script[^>]*>\s*\S[^<]*</script>", page.body) == []


async def test_the_pages_script_comes_compressed_unless_that_is_not_wanted(
    gateway: Gateway, session: aiohttp.ClientSession
) -> None:
    url, bodies = f"http://127.0.0.1:{gateway.public_port}/docs/ui.js", []
    for encoding in ("gzip", "identity"):
        async with session.get(url, headers={"Accept-Encoding": encoding}, auto_decompress=False) as response:
            assert response.headers.get("Content-Encoding", "identity") == encoding
            assert response.headers["Vary"] == "Accept-Encoding, Origin"
            bodies.append(await response.read())
            tag = response.headers["ETag"]
        async with session.get(url, headers={"Accept-Encoding": encoding, "If-None-Match": tag}) as response:
            assert response.status == 304
    assert gzip.decompress(bodies[0]) == bodies[1]


async def test_health_in_the_words_of_yt_videos_api_follows_readiness(anybody: Api, gateway: Gateway) -> None:
    healthy = await anybody.get("/health")
    assert (healthy.status, healthy.body["status"], healthy.body["database"]) == (200, "healthy", "connected")
    gateway.readiness.draining = True
    sick = await anybody.get("/health")
    assert (sick.status, sick.body["status"]) == (503, "unhealthy")
    assert sick.body["reasons"] == (await anybody.get("/readyz")).body["reasons"]
    assert (await anybody.get("/healthz")).status == 200
