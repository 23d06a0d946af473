# SPDX-License-Identifier: Apache-2.0
"""kill -9 of any process while a stream is in trouble: everything goes on, no event is lost, none is told twice."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import pytest
from aiohttp import web
from castwarden_base.waiting import wait_until
from castwarden_local.demo.clients import Rest
from castwarden_local.demo.receiver import Received, Receiver
from castwarden_local.origin.feeds import Channel, Video, atom
from castwarden_local.origin.live import Kind, LiveOrigin
from castwarden_local.up import Stack

from tests.e2e.stacks import kill, worker_pids

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(180)]

SCRIPT: tuple[tuple[float, Kind], ...] = ((8, "motion"), (7, "black"), (6, "motion"))
CHECKS = {
    "black": {"raiseAfter": "2s", "clearAfter": "2s"},
    "stall": {"enabled": False},
    "segmentErrors": {"enabled": False},
}
TOLD = ["stream.started", "alert.blackout", "alert.blackout_recovered", "stream.ended"]
VICTIMS = ("gateway", "operator", "postgres", "worker")


def told(receiver: Receiver, name: str) -> list[Received]:
    """What was told of one resource, in the order in which it happened."""
    about = [received for received in receiver.received if received.subject == name]
    return sorted(about, key=lambda received: str(received.event["timestamp"]))


def types(receiver: Receiver, name: str) -> list[str]:
    return [received.type for received in told(receiver, name)]


async def watched(rest: Rest, origin: LiveOrigin) -> str:
    created = await rest.post("/api/v1/monitors", {"stream_url": origin.url, "checks": CHECKS})
    return str(created["monitor_id"])


@pytest.mark.parametrize("victim", VICTIMS)
async def test_an_open_alert_outlives_the_death_of(victim: str, stack: Stack, rest: Rest, receiver: Receiver) -> None:
    async with LiveOrigin(SCRIPT) as origin:
        name = await watched(rest, origin)
        await wait_until(lambda: "alert.blackout" in types(receiver, name), timeout=60)
        kill(stack, victim, name)
        await wait_until(lambda: "stream.ended" in types(receiver, name), timeout=90)
        await wait_until(lambda: len(types(receiver, name)) >= len(TOLD), timeout=30)
        assert types(receiver, name) == TOLD
        assert all(received.verified for received in told(receiver, name))
        await rest.delete(f"/api/v1/monitors/{name}")


@pytest.mark.parametrize("victim", VICTIMS)
async def test_an_alert_about_to_be_raised_is_raised_once_after_the_death_of(
    victim: str, stack: Stack, rest: Rest, receiver: Receiver
) -> None:
    async with LiveOrigin(SCRIPT) as origin:
        name = await watched(rest, origin)
        await wait_until(lambda: "stream.started" in types(receiver, name), timeout=60)
        await wait_until(lambda: origin.elapsed > 9.5, timeout=30)
        kill(stack, victim, name)
        await wait_until(lambda: "stream.ended" in types(receiver, name), timeout=90)
        await wait_until(lambda: len(types(receiver, name)) >= len(TOLD), timeout=30)
        assert types(receiver, name) == TOLD
        await rest.delete(f"/api/v1/monitors/{name}")


@asynccontextmanager
async def slow_site(body: bytes, path: str, content_type: str) -> AsyncIterator[tuple[str, list[float]]]:
    """Serves one file, at first so slowly that a worker can be killed meanwhile. Yields its URL and its requests."""
    requests: list[float] = []

    async def answer(request: web.Request) -> web.StreamResponse:
        slow = not requests and request.method == "GET"
        requests.append(asyncio.get_running_loop().time())
        response = web.StreamResponse(headers={"Content-Type": content_type, "Content-Length": str(len(body))})
        await response.prepare(request)
        if slow:
            await response.write(body[: len(body) // 2])
            await asyncio.sleep(20)
        await response.write(body[len(body) // 2 :] if slow else body)
        return response

    app = web.Application()
    app.router.add_get(path, answer)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}{path}", requests
    finally:
        await runner.cleanup()


async def kill_workers_of(name: str, requests: Sequence[float]) -> None:
    await wait_until(lambda: requests, timeout=60)
    for pid in await wait_until(lambda: worker_pids(name), timeout=10):
        os.kill(pid, signal.SIGKILL)


async def test_a_poll_that_is_killed_is_made_again_and_tells_each_video_once(rest: Rest, receiver: Receiver) -> None:
    now = datetime.now(UTC).replace(microsecond=0)
    feed = Channel("UC" + "k" * 22, "News", [Video("aaaaaaaaaaa", "One", now), Video("bbbbbbbbbbb", "Two", now)])
    async with slow_site(atom(feed, "http://127.0.0.1"), "/feed.xml", "text/xml") as (url, requests):
        created = await rest.post("/api/v1/channels", {"feed_url": url})
        name = str(created["id"])
        await kill_workers_of(name, requests)
        await wait_until(lambda: len(types(receiver, name)) >= 2, timeout=90)
        assert types(receiver, name) == ["video.created", "video.created"]
        assert {received.event["data"]["title"] for received in told(receiver, name)} == {"One", "Two"}
        await rest.delete(f"/api/v1/channels/{name}")


async def test_a_download_that_is_killed_is_made_again_and_lands_once(
    stack: Stack, rest: Rest, receiver: Receiver
) -> None:
    body = os.urandom(400_000)
    async with slow_site(body, "/clip.mp4", "video/mp4") as (url, requests):
        created = await rest.post("/api/v1/downloads", {"url": url, "embed_metadata": False, "embed_cover_art": False})
        name = str(created["id"])
        await kill_workers_of(name, requests)
        await wait_until(lambda: "download.completed" in types(receiver, name), timeout=120)
        completed = told(receiver, name)[-1].event["data"]
        assert types(receiver, name) == ["download.completed"]
        assert (stack.downloads / completed["path"]).read_bytes() == body
