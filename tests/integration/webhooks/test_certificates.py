# SPDX-License-Identifier: Apache-2.0
"""Mutual TLS: a receiver that asks for a certificate gets the endpoint's."""

import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web
from castwarden_base.waiting import wait_until
from castwarden_gateway.outbound import dial

from tests.integration.webhooks.conftest import Api, Bench, Engines
from tests.unit.webhooks.certificates import Pair, pair


@pytest.fixture
def authority(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Pair:
    """Signs servers and clients, and is trusted as the system's authorities are."""
    made = pair("authority")
    (tmp_path / "authority.pem").write_text(made.certificate)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "authority.pem"))
    dial.default_tls.cache_clear()
    return made


@pytest.fixture
async def strict(authority: Pair, tmp_path: Path) -> AsyncIterator[tuple[str, list[str]]]:
    """The URL of a server that lets nobody in without a certificate of the authority, and who has been there."""
    seen: list[str] = []

    async def handle(request: web.Request) -> web.Response:
        assert request.transport is not None
        subject = request.transport.get_extra_info("peercert")["subject"]
        seen.append(dict(part[0] for part in subject)["commonName"])
        return web.Response()

    server = pair("127.0.0.1", authority)
    (tmp_path / "server.pem").write_text(server.certificate + server.key)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(tmp_path / "authority.pem"))
    context.load_cert_chain(tmp_path / "server.pem")
    context.verify_mode = ssl.CERT_REQUIRED
    app = web.Application()
    app.router.add_post("/", handle)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
    yield f"https://127.0.0.1:{runner.addresses[0][1]}/", seen
    await runner.cleanup()
    dial.default_tls.cache_clear()


async def test_deliveries_show_the_endpoints_certificate_and_its_key_is_never_told(
    api: Api, bench: Bench, engine: Engines, authority: Pair, strict: tuple[str, list[str]]
) -> None:
    url, seen = strict
    one, other = pair("one", authority), pair("other", authority)
    certificate = {"certificate": one.certificate, "key": one.key}
    _, made = await api("POST", "/endpoints", {"url": url, "client_certificate": certificate})
    path = f"/endpoints/{made['data']['id']}"
    shown = (await api("GET", path))[1]
    assert shown["data"]["client_certificate"]["subject"] == "CN=one"
    assert "PRIVATE KEY" not in str([made, shown])
    row = await bench.row("select e::text from webhook_endpoints e")
    assert b"PRIVATE KEY".hex() not in row[0]
    await engine()
    await bench.emit("stream.started", "stream.ended")
    await wait_until(bench.drained, 30)
    assert seen == ["one", "one"]

    certificate = {"certificate": other.certificate, "key": other.key}
    await api("PATCH", path, {"client_certificate": certificate})
    await bench.emit("stream.started")
    await wait_until(bench.drained, 30)
    assert seen == ["one", "one", "other"]

    _, changed = await api("PATCH", path, {"client_certificate": None})
    assert changed["data"]["client_certificate"] is None
    _, ping = await api("POST", path + "/test")
    assert ping["data"]["delivered"] is False
    assert len(seen) == 3


async def test_endpoints_of_one_server_do_not_share_a_certificate(
    api: Api, bench: Bench, engine: Engines, authority: Pair, strict: tuple[str, list[str]]
) -> None:
    url, seen = strict
    for name in ("one", "other"):
        made = pair(name, authority)
        certificate = {"certificate": made.certificate, "key": made.key}
        await api("POST", "/endpoints", {"url": url, "client_certificate": certificate})
    await engine()
    for _ in range(3):
        await bench.emit("stream.started")
        await wait_until(bench.drained, 30)
    assert sorted(seen) == ["one"] * 3 + ["other"] * 3
