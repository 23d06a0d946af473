# SPDX-License-Identifier: Apache-2.0
"""The guarded proxy, asked by a plain client over real sockets."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from ipaddress import ip_network
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from castwarden_base.http import BlockedAddress
from castwarden_worker.dial import dial
from castwarden_worker.proxy import BLOCKED_PHRASE, GuardedProxy
from yarl import URL

ALLOW = [ip_network("127.0.0.1/32")]


@pytest.fixture
async def proxy() -> AsyncIterator[GuardedProxy]:
    async with GuardedProxy(ALLOW) as running:
        yield running


def echo() -> web.Application:
    async def answer(request: web.Request) -> web.Response:
        body = await request.text()
        headers = {name: value for name, value in request.headers.items() if name != "Host"}
        return web.json_response({"path": request.path_qs, "body": body, "headers": headers})

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    return app


async def connect(proxy: GuardedProxy, target: str) -> tuple[str, asyncio.StreamReader, asyncio.StreamWriter]:
    """Asks for a tunnel and gives the status line."""
    reader, writer = await asyncio.open_connection("127.0.0.1", URL(proxy.url).port)
    writer.write(f"CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n\r\n".encode())
    head = await reader.readuntil(b"\r\n\r\n")
    return head.split(b"\r\n", 1)[0].decode(), reader, writer


async def test_a_request_is_forwarded_with_its_query_and_body(proxy: GuardedProxy, serve: Callable[..., Any]) -> None:
    url = await serve(echo())
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{url}/a?b=c", data="hello", proxy=proxy.url, proxy_headers={"Proxy-Token": "x"}) as response,
    ):
        seen = await response.json()
    assert (seen["path"], seen["body"]) == ("/a?b=c", "hello")
    assert seen["headers"]["Connection"] == "close"
    assert not any(name.lower().startswith("proxy-") for name in seen["headers"])


async def test_an_origin_is_asked_for_what_is_not_packed(proxy: GuardedProxy, serve: Callable[..., Any]) -> None:
    url = await serve(echo())
    packed = {"Accept-Encoding": "gzip, br"}
    async with aiohttp.ClientSession() as session, session.get(url, proxy=proxy.url, headers=packed) as response:
        assert (await response.json())["headers"]["Accept-Encoding"] == "identity"


async def test_a_host_that_is_not_admitted_is_not_reached(serve: Callable[..., Any]) -> None:
    async def closed(host: str) -> bool:
        return host != "127.0.0.1"

    url = URL(await serve(echo()))
    async with GuardedProxy(ALLOW, admits=closed) as proxy, aiohttp.ClientSession() as session:
        status, _, writer = await connect(proxy, f"127.0.0.1:{url.port}")
        writer.close()
        assert status == "HTTP/1.1 403 Not-Now"
        async with session.get(url, proxy=proxy.url) as response:
            assert (response.status, response.reason) == (403, "Not-Now")


@pytest.mark.parametrize(
    "host", ["127.0.0.2", "10.0.0.1", "169.254.169.254", "[::1]", "2130706434", "0x7f000002", "[::ffff:127.0.0.2]"]
)
async def test_an_inside_address_is_refused_by_name_of_the_reason(proxy: GuardedProxy, host: str) -> None:
    status, _, writer = await connect(proxy, f"{host}:80")
    writer.close()
    assert status == f"HTTP/1.1 403 {BLOCKED_PHRASE}"


async def test_a_plain_request_to_an_inside_address_is_refused_too(proxy: GuardedProxy) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", URL(proxy.url).port)
    writer.write(b"GET http://127.0.0.2/secret HTTP/1.1\r\nHost: 127.0.0.2\r\n\r\n")
    answer = await reader.read()
    writer.close()
    assert answer.startswith(f"HTTP/1.1 403 {BLOCKED_PHRASE}".encode())
    assert b"loopback" in answer


async def test_a_name_that_leads_inside_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_args, **_options: [(2, 1, 6, "", ("10.0.0.7", 80))])
    with pytest.raises(BlockedAddress, match=r"evil\.example leads to 10\.0\.0\.7: private"):
        await dial("evil.example", 80, ALLOW)


async def test_a_tunnel_carries_bytes_both_ways(proxy: GuardedProxy, serve: Callable[..., Any]) -> None:
    url = URL(await serve(echo()))
    status, reader, writer = await connect(proxy, f"127.0.0.1:{url.port}")
    assert " 200 " in status
    writer.write(b"GET /through HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    answer = await reader.read()
    writer.close()
    assert b"/through" in answer


@pytest.mark.parametrize("request_line", [b"GET /relative HTTP/1.1", b"GET ftp://127.0.0.1/ HTTP/1.1", b"nonsense"])
async def test_what_is_no_proxy_request_is_refused(proxy: GuardedProxy, request_line: bytes) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", URL(proxy.url).port)
    writer.write(request_line + b"\r\n\r\n")
    answer = await reader.read()
    writer.close()
    assert answer.startswith(b"HTTP/1.1 502 ")


async def test_leaving_the_block_ends_open_tunnels(serve: Callable[..., Any]) -> None:
    url = URL(await serve(echo()))
    async with GuardedProxy(ALLOW) as proxy:
        _, reader, writer = await connect(proxy, f"127.0.0.1:{url.port}")
    assert await reader.read() == b""
    writer.close()


async def test_with_a_budget_origins_may_send_so_much_in_all_and_no_more(serve: Callable[..., Any]) -> None:
    async def answer(_: web.Request) -> web.Response:
        return web.Response(body=bytes(100_000))

    app = web.Application()
    app.router.add_get("/", answer)
    url = await serve(app)
    async with GuardedProxy(ALLOW, budget=250_000) as proxy, aiohttp.ClientSession() as session:
        for _ in range(2):
            async with session.get(url, proxy=proxy.url) as response:
                assert len(await response.read()) == 100_000
        assert not proxy.spent
        with pytest.raises(aiohttp.ClientError):
            async with session.get(url, proxy=proxy.url, raise_for_status=True) as response:
                await response.read()
        assert proxy.spent
        async with session.get(url, proxy=proxy.url) as response:
            assert response.status == 502
