# SPDX-License-Identifier: Apache-2.0
"""Outbound HTTP against real sockets: what the guard stops where the socket is made."""

import socket
from collections.abc import AsyncIterator
from ipaddress import ip_network

import aiohttp
import pytest
from aiohttp import web
from aiohttp.abc import AbstractResolver, ResolveResult
from castwarden_base.http import (
    BlockedAddress,
    InvalidUrl,
    RedirectRefused,
    TooLarge,
    get_following,
    outbound_session,
    read_limited,
)

LOOPBACK = [ip_network("127.0.0.0/8")]


class Names(AbstractResolver):
    """Answers with a new address each time, as a rebinding name server does."""

    def __init__(self, *addresses: str) -> None:
        self._addresses = list(addresses)
        self.asked = 0

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        self.asked += 1
        address = self._addresses.pop(0) if len(self._addresses) > 1 else self._addresses[0]
        return [ResolveResult(hostname=host, host=address, port=port, family=socket.AF_INET, proto=0, flags=0)]

    async def close(self) -> None:
        pass


@pytest.fixture
async def server() -> AsyncIterator[int]:
    """A server on loopback; the value is its port. `hits` are in its log."""

    async def hello(request: web.Request) -> web.Response:
        return web.json_response(
            {"cookie": request.headers.get("Cookie"), "auth": request.headers.get("Authorization")}
        )

    async def redirect(request: web.Request) -> web.Response:
        return web.Response(status=302, headers={"Location": request.query["to"]})

    async def loop(_: web.Request) -> web.Response:
        raise web.HTTPFound("/loop", headers={"Set-Cookie": "a=b"})

    async def large(_: web.Request) -> web.Response:
        return web.Response(body=b"x" * 2000)

    async def bomb(_: web.Request) -> web.Response:
        response = web.Response(body=b"\0" * 1_000_000)
        response.enable_compression(web.ContentCoding.gzip)
        return response

    app = web.Application()
    routes = {"/": hello, "/redirect": redirect, "/loop": loop, "/large": large, "/bomb": bomb}
    for path, handler in routes.items():
        app.router.add_get(path, handler)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield runner.addresses[0][1]
    await runner.cleanup()


async def test_loopback_is_refused_unless_allowed(server: int) -> None:
    async with outbound_session() as session:
        with pytest.raises(BlockedAddress):
            await session.get(f"http://127.0.0.1:{server}/")
    async with outbound_session(LOOPBACK) as session, session.get(f"http://127.0.0.1:{server}/") as response:
        assert response.status == 200


async def test_a_name_that_leads_inside_is_refused_though_it_looks_public(server: int) -> None:
    async with outbound_session(resolver=Names("127.0.0.1")) as session:
        with pytest.raises(BlockedAddress, match=r"evil\.example leads to 127\.0\.0\.1: loopback"):
            await session.get(f"http://evil.example:{server}/")


async def test_a_name_that_rebinds_is_refused_at_the_next_connection(server: int) -> None:
    names = Names("127.0.0.1", "10.0.0.1")
    async with outbound_session(LOOPBACK, resolver=names) as session:
        session.connector._use_dns_cache = False  # type: ignore[union-attr]
        async with session.get(f"http://evil.example:{server}/", headers={"Connection": "close"}) as response:
            assert response.status == 200
        with pytest.raises(BlockedAddress):
            await session.get(f"http://evil.example:{server}/")
    assert names.asked == 2


async def test_a_literal_never_reaches_the_resolver_and_is_refused_all_the_same(server: int) -> None:
    names = Names("127.0.0.1")
    async with outbound_session(resolver=names) as session:
        for host in ("127.0.0.1", "[::ffff:127.0.0.1]", "0.0.0.0"):
            with pytest.raises(BlockedAddress):
                await session.get(f"http://{host}:{server}/")
    assert names.asked == 0


async def test_the_guard_is_an_aiohttp_error_so_that_callers_need_one_except_clause() -> None:
    async with outbound_session() as session:
        with pytest.raises(aiohttp.ClientError):
            await session.get("http://127.0.0.1/")


async def test_a_redirect_is_refused_unless_it_is_walked(server: int) -> None:
    url = f"http://127.0.0.1:{server}/redirect?to=/"
    async with outbound_session(LOOPBACK) as session:
        with pytest.raises(RedirectRefused):
            await session.get(url)
        async with session.get(url, allow_redirects=False) as response:
            assert response.status == 302
        async with get_following(session, url) as response:
            assert response.status == 200
            assert response.url.path == "/"


@pytest.mark.parametrize(
    ("target", "error"),
    [
        ("http://10.0.0.1/", BlockedAddress),
        ("http://169.254.169.254/latest/", BlockedAddress),
        ("file:///etc/passwd", InvalidUrl),
        ("gopher://127.0.0.1/", InvalidUrl),
        ("http://u:p@127.0.0.1/", InvalidUrl),
        ("http://[", InvalidUrl),
    ],
)
async def test_a_redirect_s_target_is_checked_like_the_first_url(server: int, target: str, error: type) -> None:
    async with outbound_session(LOOPBACK) as session:
        with pytest.raises(error):
            async with get_following(session, f"http://127.0.0.1:{server}/redirect?to={target}"):
                pass


async def test_endless_redirects_end(server: int) -> None:
    async with outbound_session(LOOPBACK) as session:
        with pytest.raises(RedirectRefused, match="more than 5"):
            async with get_following(session, f"http://127.0.0.1:{server}/loop"):
                pass


async def test_headers_stay_with_the_first_origin(server: int) -> None:
    async with outbound_session(LOOPBACK) as session:
        secret = {"Authorization": "Bearer x"}
        same = f"http://127.0.0.1:{server}/redirect?to=/"
        other = f"http://127.0.0.1:{server}/redirect?to=http://localhost:{server}/"
        async with get_following(session, same, headers=secret) as response:
            assert (await response.json())["auth"] == "Bearer x"
        async with get_following(session, other, headers=secret) as response:
            assert (await response.json())["auth"] is None


async def test_cookies_are_not_kept(server: int) -> None:
    async with outbound_session(LOOPBACK) as session:
        async with session.get(f"http://127.0.0.1:{server}/loop", allow_redirects=False):
            pass
        async with session.get(f"http://127.0.0.1:{server}/") as response:
            assert (await response.json())["cookie"] is None


async def test_a_proxy_in_the_environment_is_not_used(server: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1/")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1/")
    async with outbound_session(LOOPBACK) as session, session.get(f"http://127.0.0.1:{server}/") as response:
        assert response.status == 200


async def test_a_body_is_read_up_to_its_limit(server: int) -> None:
    async with outbound_session(LOOPBACK) as session:
        async with session.get(f"http://127.0.0.1:{server}/large") as response:
            assert len(await read_limited(response, 2000)) == 2000
        async with session.get(f"http://127.0.0.1:{server}/large") as response:
            with pytest.raises(TooLarge):
                await read_limited(response, 1999)


async def test_a_small_body_that_unpacks_large_is_stopped(server: int) -> None:
    async with outbound_session(LOOPBACK) as session, session.get(f"http://127.0.0.1:{server}/bomb") as response:
        with pytest.raises(TooLarge):
            await read_limited(response, 100_000)
