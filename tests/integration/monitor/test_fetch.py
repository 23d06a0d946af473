# SPDX-License-Identifier: Apache-2.0
"""Fetching within limits, from servers that behave badly."""

import asyncio
import gzip
import resource
import zlib
from collections.abc import AsyncIterator
from contextlib import suppress

import aiohttp
import pytest
from aiohttp import web
from castwarden_base.http import outbound_session
from castwarden_worker.monitor.errors import FetchError, Refused, SegmentError, StreamError, Unreadable
from castwarden_worker.monitor.follow import fetch
from castwarden_worker.monitor.follow.fetch import Fetcher
from castwarden_worker.monitor.playlist import ByteRange, Init, Key, Segment
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.padding import PKCS7

SECRET, BODY = bytes(range(16)), b"a segment " * 100


def encrypted(iv: bytes) -> bytes:
    padder = PKCS7(128).padder()
    cipher = Cipher(algorithms.AES(SECRET), modes.CBC(iv)).encryptor()
    return cipher.update(padder.update(BODY) + padder.finalize()) + cipher.finalize()


async def drip(request: web.Request) -> web.StreamResponse:
    """A slow peer: a byte now and then, for ever."""
    response = web.StreamResponse()
    await response.prepare(request)
    for _ in range(1000):
        await response.write(b".")
        await asyncio.sleep(0.05)
    return response


async def cut(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Length": "1000"})
    await response.prepare(request)
    await response.write(b"half")
    assert request.transport
    request.transport.close()
    return response


async def part(request: web.Request) -> web.Response:
    begin, _, end = request.headers["Range"].removeprefix("bytes=").partition("-")
    return web.Response(status=206, body=BODY[int(begin) : int(end) + 1])


async def ranged(request: web.Request) -> web.Response:
    """A server that sends another range than it was asked for."""
    return web.Response(status=206, body=BODY[:10], headers={"Content-Range": "bytes 0-9/1000"})


async def bomb(request: web.Request) -> web.StreamResponse:
    """A quarter of a gigabyte of zeros in a quarter of a megabyte, whatever the client accepts."""
    response = web.StreamResponse(headers={"Content-Encoding": "gzip"})
    await response.prepare(request)
    packer = zlib.compressobj(9, wbits=31)
    with suppress(ConnectionError):
        for _ in range(256):
            await response.write(packer.compress(bytes(2**20)))
        await response.write(packer.flush())
    return response


async def endless(request: web.Request) -> web.StreamResponse:
    """As fast as it is read; says how long it is when it is asked to."""
    length = request.query.get("length")
    response = web.StreamResponse(headers={"Content-Length": length} if length else {})
    await response.prepare(request)
    with suppress(ConnectionError):
        while True:
            await response.write(bytes(2**18))
    return response


async def packed(request: web.Request) -> web.Response:
    if "gzip" not in request.headers.get("Accept-Encoding", ""):
        return web.Response(body=b"#EXTM3U\n" * 1000)
    return web.Response(body=gzip.compress(b"#EXTM3U\n" * 1000), headers={"Content-Encoding": "gzip"})


async def fixed(request: web.Request) -> web.Response:
    bodies = {
        "whole": BODY,
        "key": SECRET,
        "short-key": b"short",
        "sealed": encrypted((7).to_bytes(16)),
        "sealed-init": encrypted(bytes(16)),
        "other-key": bytes(16),
        "large": bytes(5000),
    }
    return web.Response(body=bodies[request.match_info["name"]])


@pytest.fixture
async def server() -> AsyncIterator[str]:
    async def status(request: web.Request) -> web.Response:
        return web.Response(status=int(request.match_info["status"]))

    async def moved(request: web.Request) -> web.Response:
        raise web.HTTPFound(request.query["to"])

    application = web.Application()
    application.router.add_get("/status/{status}", status)
    application.router.add_get("/moved", moved)
    application.router.add_get("/drip", drip)
    application.router.add_get("/cut", cut)
    application.router.add_get("/part", part)
    application.router.add_get("/ranged", ranged)
    application.router.add_get("/bomb", bomb)
    application.router.add_get("/endless", endless)
    application.router.add_get("/packed", packed)
    application.router.add_get("/{name}", fixed)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}/"
    await runner.cleanup()


def segment(uri: str, **more: object) -> Segment:
    return Segment(7, uri, 2.0, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize("status", [401, 403, 404, 410])
async def test_a_refusal_is_told_from_a_failure(session: aiohttp.ClientSession, server: str, status: int) -> None:
    with pytest.raises(Refused, match=f"HTTP {status}"):
        await Fetcher(session).playlist(f"{server}status/{status}", 5)
    with pytest.raises(FetchError, match="HTTP 503") as failure:
        await Fetcher(session).playlist(f"{server}status/503", 5)
    assert not isinstance(failure.value, Refused)


async def test_a_slow_peer_is_given_up_in_time(session: aiohttp.ClientSession, server: str) -> None:
    began = asyncio.get_running_loop().time()
    with pytest.raises(FetchError, match="no answer within"):
        await Fetcher(session).segment(segment("drip"), server, 0.5)
    assert asyncio.get_running_loop().time() - began < 10


async def test_a_body_over_the_limit_is_refused(
    session: aiohttp.ClientSession, server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetch, "MAX_SEGMENT", 4999)
    with pytest.raises(FetchError, match="5000 bytes"):
        await Fetcher(session).segment(segment("large"), server, 5)


async def test_a_server_that_redirects_slowly_has_no_more_time_than_one_that_does_not(
    session: aiohttp.ClientSession, server: str
) -> None:
    with pytest.raises(FetchError, match="no answer within"):
        await Fetcher(session).playlist(f"{server}moved?to=/drip", 0.5)


@pytest.mark.parametrize("path", ["endless", "endless?length=1000000000"])
async def test_a_segment_of_a_gigabyte_is_refused_at_the_limit(
    session: aiohttp.ClientSession, server: str, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetch, "MAX_SEGMENT", 2**20)
    fetcher = Fetcher(session)
    with pytest.raises(FetchError, match=r"more than 1048576|at most 1048576"):
        await fetcher.segment(segment(path), server, 30)
    assert fetcher.fetched_bytes < 3 * 2**20


async def test_a_playlist_without_end_is_refused_at_the_limit(session: aiohttp.ClientSession, server: str) -> None:
    with pytest.raises(FetchError, match=f"more than {fetch.MAX_PLAYLIST}"):
        await Fetcher(session).playlist(f"{server}endless", 30)


async def test_a_gzip_bomb_is_refused_at_the_limit_of_what_it_unpacks_to(
    session: aiohttp.ClientSession, server: str
) -> None:
    fetcher = Fetcher(session)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(FetchError, match=f"more than {fetch.MAX_PLAYLIST}"):
        await fetcher.playlist(f"{server}bomb", 30)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000  # kilobytes
    assert fetcher.fetched_bytes < 300_000


async def test_bytes_are_counted_as_they_came_over_the_wire(session: aiohttp.ClientSession, server: str) -> None:
    fetcher = Fetcher(session)
    before = [fetch.FETCHED.labels(kind)._value.get() for kind in ("playlist", "segment", "key")]
    page = await fetcher.playlist(f"{server}packed", 5)
    payload = await fetcher.segment(segment("sealed", key=Key("AES-128", "key")), server, 5)
    after = [fetch.FETCHED.labels(kind)._value.get() for kind in ("playlist", "segment", "key")]
    unpacked, sealed = len(page.data), payload.size
    assert (unpacked, sealed) == (8000, 1008)
    playlist, media, key = (now - then for now, then in zip(after, before, strict=True))
    assert 0 < playlist < 200
    assert (media, key) == (1008, 16)
    assert fetcher.fetched_bytes == playlist + media + key


async def test_the_time_of_a_download_is_told_in_all_and_to_the_first_byte(
    session: aiohttp.ClientSession, server: str
) -> None:
    payload = await Fetcher(session).segment(segment("whole"), server, 5)
    assert payload.ttfb is not None
    assert 0 < payload.ttfb <= payload.took


async def test_an_answer_that_breaks_off_is_a_broken_segment(session: aiohttp.ClientSession, server: str) -> None:
    with pytest.raises(SegmentError, match="cut short"):
        await Fetcher(session).segment(segment("cut"), server, 5)


async def test_a_redirect_is_followed_and_names_the_base_of_what_follows(
    session: aiohttp.ClientSession, server: str
) -> None:
    page = await Fetcher(session).playlist(f"{server}moved?to=/whole", 5)
    assert (page.data, page.url) == (BODY, f"{server}whole")


@pytest.mark.parametrize(
    "uri", ["file:///etc/passwd", "ftp://example.org/a", "http://[broken", "http://u:p@127.0.0.1/"]
)
async def test_no_uri_of_a_playlist_leads_anywhere_but_to_http(
    session: aiohttp.ClientSession, server: str, uri: str
) -> None:
    with pytest.raises(StreamError):
        await Fetcher(session).segment(segment(uri), server, 5)
    with pytest.raises(StreamError):
        await Fetcher(session).playlist(f"{server}moved?to={uri}", 5)


async def test_a_private_address_in_a_playlist_is_refused_unless_it_was_allowed(server: str) -> None:
    async with outbound_session() as guarded:
        with pytest.raises(Refused, match="loopback"):
            await Fetcher(guarded).segment(segment(f"{server}whole"), "https://cdn.example/", 5)


async def test_byte_ranges_are_asked_for_and_checked(session: aiohttp.ClientSession, server: str) -> None:
    fetcher = Fetcher(session)
    for uri in ("part", "whole"):  # a server that ignores Range sends all of it
        payload = await fetcher.segment(segment(uri, byterange=ByteRange(10, 5)), server, 5)
        assert payload.data == BODY[5:15]
    with pytest.raises(SegmentError, match="of a range of"):
        await fetcher.segment(segment("part", byterange=ByteRange(10, 995)), server, 5)


async def test_a_server_that_ignores_ranges_is_read_no_further_than_needed(
    session: aiohttp.ClientSession, server: str
) -> None:
    fetcher = Fetcher(session)
    payload = await fetcher.segment(segment("endless", byterange=ByteRange(10, 5)), server, 30)
    assert payload.data == bytes(10)
    assert fetcher.fetched_bytes < 10 * 2**20
    with pytest.raises(FetchError, match="the server does not know byte ranges"):
        await fetcher.segment(segment("endless", byterange=ByteRange(10, 2**40)), server, 30)


async def test_another_range_than_was_asked_for_is_a_broken_segment(
    session: aiohttp.ClientSession, server: str
) -> None:
    with pytest.raises(SegmentError, match="bytes from 0 instead of 5"):
        await Fetcher(session).segment(segment("ranged", byterange=ByteRange(10, 5)), server, 5)


async def test_a_byte_range_over_the_limit_is_not_even_asked_for(session: aiohttp.ClientSession, server: str) -> None:
    fetcher = Fetcher(session)
    with pytest.raises(FetchError, match="at most 67108864 are read"):
        await fetcher.segment(segment("part", byterange=ByteRange(2**40, 0)), server, 5)
    assert fetcher.fetched_bytes == 0


async def test_encrypted_segments_are_decrypted_with_the_sequence_as_iv(
    session: aiohttp.ClientSession, server: str
) -> None:
    payload = await Fetcher(session).segment(segment("sealed", key=Key("AES-128", "key")), server, 5)
    assert payload.data == BODY


async def test_keys_rotate_and_are_fetched_once(session: aiohttp.ClientSession, server: str) -> None:
    fetcher = Fetcher(session)
    for _ in range(3):
        assert (await fetcher.segment(segment("sealed", key=Key("AES-128", "key")), server, 5)).data == BODY
    with pytest.raises(SegmentError, match="wrong key"):
        await fetcher.segment(segment("sealed", key=Key("AES-128", "other-key")), server, 5)
    clear = await fetcher.segment(segment("whole"), server, 5)
    assert clear.data == BODY
    assert fetcher.fetched_bytes == 4 * 1008 + 2 * 16 + len(BODY)


async def test_an_encrypted_init_section_is_decrypted(
    session: aiohttp.ClientSession, server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[bytes] = []
    monkeypatch.setattr(fetch, "read_init", lambda data: read.append(data))
    section = Init("sealed-init", key=Key("AES-128", "key", bytes(16)))
    await Fetcher(session).segment(segment("whole", init=section), server, 5)
    assert read == [BODY]


@pytest.mark.parametrize(("uri", "key"), [("sealed", Key("AES-128", "short-key")), ("large", Key("AES-128", "key"))])
async def test_a_wrong_key_or_a_cut_segment_is_a_segment_error(
    session: aiohttp.ClientSession, server: str, uri: str, key: Key
) -> None:
    with pytest.raises(SegmentError):
        await Fetcher(session).segment(segment(uri, key=key), server, 5)


async def test_drm_is_nobodys_fault(session: aiohttp.ClientSession, server: str) -> None:
    with pytest.raises(Unreadable, match="SAMPLE-AES"):
        await Fetcher(session).segment(segment("whole", key=Key("SAMPLE-AES", "key")), server, 5)
