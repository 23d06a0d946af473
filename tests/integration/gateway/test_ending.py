# SPDX-License-Identifier: Apache-2.0
"""Alive, ready, and the end: SIGTERM makes a gateway unready, lets what is under way end, and cuts nothing."""

import asyncio
import signal

import aiohttp
from castwarden_base.waiting import wait_until

from tests.integration.gateway.conftest import KEY, PATIENCE, Api, Gateways, public
from tests.integration.gateway.gateway_process import GatewayProcess, gateway_process
from tests.integration.gateway.kube_double import KubeDouble

BODY = {"stream_url": "https://cdn.example.com/a.m3u8"}


async def test_sigterm_turns_the_process_unready_and_lets_a_slow_request_and_new_ones_end(
    kube_api: KubeDouble, session: aiohttp.ClientSession, database_url: str
) -> None:
    async with gateway_process(database_url, CASTWARDEN_DRAIN_SECONDS="2") as process:
        api = public(process, session)
        kube_api.answer.clear()
        slow = asyncio.create_task(api.post("/api/v1/monitors", BODY))
        await wait_until(lambda: kube_api.objects, PATIENCE)
        process.process.send_signal(signal.SIGTERM)
        await wait_until(lambda: _is(api, "/readyz", 503), PATIENCE)
        reasons = (await api.get("/readyz")).body["reasons"]
        assert reasons == {"serving": "draining"}
        assert (await api.get("/healthz")).status == 200
        late = await api.get("/api/v1/monitors")
        assert (late.status, late.headers["Connection"]) == (200, "close")
        await wait_until(lambda: _refused(process), PATIENCE)
        assert not slow.done()
        assert process.process.returncode is None
        kube_api.answer.set()
        assert (await slow).status == 201
        assert await process.ended() == 0
        assert process.says("stopped")


async def test_streams_hold_up_no_end(kube_api: KubeDouble, session: aiohttp.ClientSession, database_url: str) -> None:
    async with gateway_process(database_url) as process:
        url = f"http://127.0.0.1:{process.public_port}/api/v1/events/stream"
        async with session.get(url, headers={"Authorization": f"Bearer {KEY}"}) as response:
            assert (await response.content.readline()).startswith(b"retry:")
            process.process.send_signal(signal.SIGTERM)
            rest = await response.content.read()  # ends properly: nothing is raised
            assert rest.strip(b":\n") == b""
            assert await process.ended() == 0


async def test_a_gateway_whose_database_never_answers_is_alive_and_not_ready(
    gateways: Gateways, session: aiohttp.ClientSession
) -> None:
    async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    silent = await asyncio.start_server(say_nothing, "127.0.0.1", 0)
    gateways.database_url = f"postgresql://127.0.0.1:{silent.sockets[0].getsockname()[1]}/none"
    api = public(await gateways.start(ready=False), session)
    assert (await asyncio.wait_for(api.get("/healthz"), PATIENCE)).status == 200
    unready = await asyncio.wait_for(api.get("/readyz"), PATIENCE)
    assert (unready.status, set(unready.body["reasons"])) == (503, {"database", "schema", "kubernetes", "serving"})
    silent.close()


async def _is(api: Api, path: str, status: int) -> bool:
    return (await api.get(path)).status == status


async def _refused(process: GatewayProcess) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", process.public_port)
    except ConnectionRefusedError:
        return True
    writer.close()
    return False
