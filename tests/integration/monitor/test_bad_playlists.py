# SPDX-License-Identifier: Apache-2.0
"""Playlists that are made to do harm: each ends with a clear reason, in bounded time."""

import asyncio
import resource
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress

import aiohttp
import pytest
from aiohttp import web
from castwarden_base.waiting import wait_until
from castwarden_model.messages import Transition
from castwarden_worker.monitor.watch import Outcome, Source, Watch

from .conftest import Told, spec

VARIANT = "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1,RESOLUTION=16x16\n"
HEAD = "#EXTM3U\n#EXT-X-TARGETDURATION:1\n"
BODIES = {
    "loop": VARIANT + "loop.m3u8\n",
    "ping": VARIANT + "pong.m3u8\n",
    "pong": VARIANT + "ping.m3u8\n",
    "tags": HEAD + "#EXT-X-GAP\n" * 300_000,
    "variables": HEAD
    + '#EXT-X-DEFINE:NAME="a0",VALUE="aaaaaaaa"\n'
    + "".join(f'#EXT-X-DEFINE:NAME="a{n + 1}",VALUE="{{$a{n}}}{{$a{n}}}"\n' for n in range(60)),
    "line": HEAD + "#EXT-X-MEDIA:" + "A=" * 1_000_000,
    "utf8": HEAD + "#EXTINF:1,\n\udcff.ts\n",
    "file": HEAD + "#EXTINF:1,\nfile:///etc/passwd\n",
    "private": HEAD + "#EXTINF:1,\nhttp://10.0.0.1/secret.ts\n",
    "nothing": HEAD + "#EXTINF:0,\nempty.ts\n" * 1000,
}


async def endless(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(request)
    with suppress(ConnectionError):
        await response.write(HEAD.encode())
        while True:
            await response.write(b"#EXTINF:1,\na.ts\n" * 4096)
    return response


@pytest.fixture
async def server() -> AsyncIterator[str]:
    async def playlist(request: web.Request) -> web.Response:
        text = BODIES[request.match_info["name"]]
        return web.Response(body=text.encode("utf-8", "surrogateescape"))

    async def empty(_: web.Request) -> web.Response:
        return web.Response()

    application = web.Application()
    application.router.add_get("/endless.m3u8", endless)
    application.router.add_get("/{name}.m3u8", playlist)
    application.router.add_get("/empty.ts", empty)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}/"
    await runner.cleanup()


async def test_a_playlist_that_is_none_cannot_be_had_and_says_why(session: aiohttp.ClientSession, server: str) -> None:
    reasons = {
        "loop": "a multivariant playlist where a media playlist was announced",
        "ping": "a multivariant playlist where a media playlist was announced",
        "tags": "more than 250000 lines",
        "variables": "variables of more than 16384 characters",
        "line": "more than 65536 characters",
        "utf8": "a URI that is not UTF-8",
        "endless": "body of more than 4194304 bytes",
    }
    watches = {name: Watch(session, spec({}), Told()) for name in reasons}
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    async with asyncio.timeout(100):
        ends = await asyncio.gather(*(watch.run(Source(f"{server}{name}.m3u8")) for name, watch in watches.items()))
    assert ends == [Outcome.UNAVAILABLE] * len(reasons)
    for name, reason in reasons.items():
        assert reason in str(watches[name].problem)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000  # kilobytes


@pytest.fixture
def until_raised(session: aiohttp.ClientSession) -> Callable[[str], Awaitable[Transition]]:
    """Watches until segment_errors is raised."""

    async def run(url: str) -> Transition:
        found: asyncio.Future[Transition] = asyncio.get_running_loop().create_future()

        async def tell(fact: object) -> None:
            if isinstance(fact, Transition) and fact.condition == "segment_errors" and not found.done():
                found.set_result(fact)

        running = asyncio.create_task(Watch(session, spec({}), tell).run(Source(url)))
        try:
            async with asyncio.timeout(60):
                return await found
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)

    return run


async def test_segments_without_end_and_without_length_are_an_alert_and_no_busy_loop(
    until_raised: Callable[[str], Awaitable[Transition]], server: str
) -> None:
    raised = await until_raised(f"{server}nothing.m3u8")
    assert raised.measured == {"error": "the segment is empty"}


@pytest.mark.parametrize("name", ["file", "private"])
async def test_a_uri_that_leads_inside_is_refused(session: aiohttp.ClientSession, server: str, name: str) -> None:
    watch = Watch(session, spec({}), Told())
    running = asyncio.create_task(watch.run(Source(f"{server}{name}.m3u8")))
    try:
        await wait_until(lambda: watch.statistics.segment_errors > 0, 60)
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    assert watch.view().last_error is not None
    assert any(word in str(watch.view().last_error) for word in ("http or https", "private"))
