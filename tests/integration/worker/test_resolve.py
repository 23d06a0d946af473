# SPDX-License-Identifier: Apache-2.0
"""Resolving against real servers, with real yt-dlp and streamlink in child processes."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from castwarden_base.http import outbound_session
from castwarden_model.messages import ExtractionGrant
from castwarden_worker import proxy
from castwarden_worker import resolve as module
from castwarden_worker.budget import EXTRACTIONS
from castwarden_worker.dial import dial
from castwarden_worker.outcomes import Blocked, Live, NotLive, Unsupported
from castwarden_worker.resolve import Resolver, Way

ALLOW = [ip_network("127.0.0.1/32")]
PLAYLIST = "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXT-X-MEDIA-SEQUENCE:7\n#EXTINF:2,\nseg7.ts\n"


@pytest.fixture
async def resolver(tmp_path: Path) -> AsyncIterator[Resolver]:
    async with outbound_session(ALLOW) as session:
        yield Resolver(session, ALLOW, tmp_path)


def answering(
    text: str, kind: str = "text/plain", status: int = 200, **headers: str
) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def answer(_: web.Request) -> web.Response:
        return web.Response(text=text, content_type=kind, status=status, headers=headers)

    return answer


@pytest.fixture
async def site(serve: Callable[..., Any]) -> str:
    """A site with playlists, pages and refusals."""
    app = web.Application()
    app.router.add_get("/live.m3u8", answering(PLAYLIST, "application/vnd.apple.mpegurl"))
    app.router.add_get("/plain", answering(PLAYLIST))
    app.router.add_get("/misnamed", answering(PLAYLIST, "video/mp2t"))
    app.router.add_get("/radio", answering("http://radio.example/1", "audio/x-mpegurl"))
    app.router.add_get("/sound", answering("x", "audio/aac"))
    app.router.add_get("/film.mp4", answering("x" * 5000, "video/mp4"))
    app.router.add_get("/nameless.mp4", answering("x" * 5000, "application/octet-stream"))
    app.router.add_get("/moved", answering("", status=302, Location="/live.m3u8"))
    app.router.add_get("/inside", answering("", status=302, Location="http://127.0.0.2:1/live.m3u8"))
    app.router.add_get("/inside.m3u8", answering("", status=302, Location="http://127.0.0.2:1/live.m3u8"))
    app.router.add_get("/forbidden.m3u8", answering("", status=403))
    app.router.add_get("/many.m3u8", answering("", status=429))
    app.router.add_get("/broken.m3u8", answering("", status=500))
    app.router.add_get("/page.m3u8", answering("<html>maintenance</html>", "text/html"))
    app.router.add_get(
        "/player", answering('<html><video><source src="/live.m3u8" type="application/x-mpegURL"></video>', "text/html")
    )
    app.router.add_get(
        "/trap",
        answering('<html><video src="http://127.0.0.2:1/x.m3u8" type="application/x-mpegURL"></video>', "text/html"),
    )
    app.router.add_get("/elsewhere", answering("", status=302, Location="http://www.youtube.com/watch?v=dQw4w9WgXcQ"))
    app.router.add_get("/nothing-here", answering("<html><p>Welcome</p></html>", "text/html"))
    return str(await serve(app))


@pytest.mark.parametrize(
    ("path", "ends_at"),
    [
        ("/live.m3u8", "/live.m3u8"),
        ("/plain", "/plain"),
        ("/misnamed", "/misnamed"),
        ("/radio", "/radio"),
        ("/moved", "/live.m3u8"),
    ],
)
@pytest.mark.parametrize("way", ["Auto", "Direct"])
async def test_a_url_that_answers_with_a_playlist_is_live(
    resolver: Resolver, site: str, path: str, ends_at: str, way: Way
) -> None:
    assert await resolver.resolve(site + path, way) == Live(site + ends_at)


@pytest.mark.parametrize(
    ("path", "kind"),
    [("/sound", "audio/aac"), ("/film.mp4", "video/mp4"), ("/nameless.mp4", "application/octet-stream")],
)
@pytest.mark.parametrize("way", ["Auto", "Direct"])
async def test_a_media_file_is_called_what_it_is(resolver: Resolver, site: str, path: str, kind: str, way: Way) -> None:
    outcome = await resolver.resolve(site + path, way)
    assert outcome == Unsupported("media_file", f"this is a media file ({kind}), not a live playlist")


async def test_yt_dlp_too_tells_a_media_file_from_a_stream(resolver: Resolver, site: str) -> None:
    outcome = await resolver.resolve(f"{site}/film.mp4", "YtDlp")
    assert outcome == Unsupported("media_file", "this is a media file (mp4), not a live playlist")


@pytest.mark.parametrize(
    ("path", "outcome"),
    [
        ("/gone.m3u8", NotLive("http_404")),
        ("/forbidden.m3u8", Blocked("forbidden", "The source answers HTTP 403.")),
        ("/many.m3u8", Blocked("rate_limited", "The source answers HTTP 429.")),
        ("/broken.m3u8", Blocked("unreachable", "The source answers HTTP 500.")),
        ("/page.m3u8", Unsupported("unsupported_source", "It answers with no playlist.")),
    ],
)
async def test_every_other_answer_has_its_own_meaning(resolver: Resolver, site: str, path: str, outcome: Any) -> None:
    assert await resolver.resolve(site + path, "Direct") == outcome


async def test_a_page_where_a_playlist_should_be_is_a_passing_trouble(resolver: Resolver, site: str) -> None:
    outcome = await resolver.resolve(f"{site}/page.m3u8")
    assert isinstance(outcome, Blocked)
    assert outcome.reason == "not_a_playlist"


async def test_a_server_that_is_away_blocks_the_look_and_ends_nothing(resolver: Resolver) -> None:
    outcome = await resolver.resolve("http://127.0.0.1:1/live.m3u8")
    assert isinstance(outcome, Blocked)
    assert outcome.reason == "unreachable"


@pytest.mark.parametrize("url", ["http://127.0.0.2/live.m3u8", "http://169.254.169.254/x", "http://10.0.0.1/live.m3u8"])
@pytest.mark.parametrize("way", ["Auto", "Direct", "YtDlp", "Streamlink"])
async def test_an_inside_address_is_never_asked(resolver: Resolver, url: str, way: Way) -> None:
    outcome = await resolver.resolve(url, way)
    assert isinstance(outcome, Unsupported)
    assert outcome.reason == "blocked_address"


@pytest.mark.parametrize("path", ["/inside", "/inside.m3u8"])
async def test_a_redirect_inside_is_refused(resolver: Resolver, site: str, path: str) -> None:
    outcome = await resolver.resolve(site + path)
    assert isinstance(outcome, Unsupported)
    assert outcome.reason == "blocked_address"


@pytest.mark.parametrize("way", ["Auto", "YtDlp"])
async def test_yt_dlp_finds_the_playlist_in_a_page(resolver: Resolver, site: str, way: Way) -> None:
    outcome = await resolver.resolve(f"{site}/player", way)
    assert isinstance(outcome, Live)
    assert outcome.url == f"{site}/live.m3u8"


async def test_yt_dlp_cannot_be_led_inside_by_a_page(resolver: Resolver, site: str) -> None:
    outcome = await resolver.resolve(f"{site}/trap", "YtDlp")
    assert isinstance(outcome, Unsupported)


@pytest.mark.parametrize(
    ("path", "way"), [("/inside", "YtDlp"), ("/inside.m3u8", "YtDlp"), ("/inside.m3u8", "Streamlink")]
)
async def test_children_cannot_be_redirected_inside(resolver: Resolver, site: str, path: str, way: Way) -> None:
    outcome = await resolver.resolve(site + path, way)
    assert not isinstance(outcome, (Live, NotLive))


async def test_a_page_without_media_is_unsupported(resolver: Resolver, site: str) -> None:
    outcome = await resolver.resolve(f"{site}/nothing-here")
    assert outcome == Unsupported("unsupported_source", "No resolver knows this page.")


async def test_streamlink_plays_a_playlist(resolver: Resolver, site: str) -> None:
    assert await resolver.resolve(f"{site}/live.m3u8", "Streamlink") == Live(f"{site}/live.m3u8")


async def test_a_resolver_that_hangs_is_killed(
    resolver: Resolver, serve: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    ended = asyncio.Event()

    async def hang(_: web.Request) -> web.Response:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()
        return web.Response()

    app = web.Application()
    app.router.add_get("/page", hang)
    monkeypatch.setattr(module, "_CHILD_SECONDS", 3.0)
    outcome = await resolver.resolve(f"{await serve(app)}/page", "YtDlp")
    assert isinstance(outcome, Blocked)
    assert outcome.reason in ("resolver_failed", "unreachable")


@pytest.mark.parametrize("way", ["YtDlp", "Streamlink"])
async def test_a_playlist_without_end_is_cut_off(resolver: Resolver, serve: Callable[..., Any], way: Way) -> None:
    sent = 0

    async def endless(request: web.Request) -> web.StreamResponse:
        nonlocal sent
        response = web.StreamResponse(headers={"Content-Type": "application/vnd.apple.mpegurl"})
        await response.prepare(request)
        await response.write(PLAYLIST.encode())
        line = b"#EXTINF:2,\nsegment.ts\n" * 2**12
        try:
            while sent < 2**28:
                await response.write(line)
                sent += len(line)
        except ConnectionError:
            pass
        return response

    app = web.Application()
    app.router.add_get("/endless.m3u8", endless)
    outcome = await resolver.resolve(f"{await serve(app)}/endless.m3u8", way)
    assert isinstance(outcome, Blocked)
    assert outcome.reason == "too_large"
    assert sent < 2**26


async def test_a_budget_that_is_used_up_keeps_a_page_from_being_asked_but_not_a_playlist(
    resolver: Resolver, site: str
) -> None:
    asked: list[str] = []

    async def spent(of: str) -> ExtractionGrant:
        asked.append(of)
        return ExtractionGrant(granted=False, retry_after_seconds=30)

    assert await resolver.resolve(f"{site}/live.m3u8", "Auto", spent) == Live(f"{site}/live.m3u8")
    assert asked == []
    outcome = await resolver.resolve(f"{site}/player", "Auto", spent)
    assert isinstance(outcome, Blocked)
    assert outcome.reason == "extraction_budget"
    assert asked == ["127.0.0.1"]


async def test_each_extraction_is_asked_for_and_counted_by_what_it_found(resolver: Resolver, site: str) -> None:
    asked: list[str] = []

    async def granted(of: str) -> ExtractionGrant:
        asked.append(of)
        return ExtractionGrant(granted=True)

    before = EXTRACTIONS.labels("other", "live")._value.get()
    assert isinstance(await resolver.resolve(f"{site}/player", "Auto", granted), Live)
    assert asked == ["127.0.0.1"]
    assert EXTRACTIONS.labels("other", "live")._value.get() == before + 1


@pytest.mark.parametrize("way", ["YtDlp", "Streamlink"])
async def test_a_redirect_to_a_site_with_a_budget_asks_that_budget_too(
    resolver: Resolver, site: str, way: Way, monkeypatch: pytest.MonkeyPatch
) -> None:
    reached: list[str] = []

    async def dialled(host: str, port: int, allow: Any) -> Any:
        if host == "127.0.0.1":
            return await dial(host, port, allow)
        reached.append(host)
        raise OSError("not reached by tests")

    monkeypatch.setattr(proxy, "dial", dialled)
    asked: list[str] = []

    async def closed(of: str) -> ExtractionGrant:
        asked.append(of)
        return ExtractionGrant(granted=of != "youtube.com", retry_after_seconds=30)

    outcome = await resolver.resolve(f"{site}/elsewhere", way, closed)
    assert isinstance(outcome, Blocked)
    assert outcome.reason == "extraction_budget"
    assert (asked, reached) == (["127.0.0.1", "youtube.com"], [])

    async def granted(_: str) -> ExtractionGrant:
        return ExtractionGrant(granted=True)

    await resolver.resolve(f"{site}/elsewhere", way, granted)
    assert set(reached) == {"www.youtube.com"}
