# SPDX-License-Identifier: Apache-2.0
"""Looking at the renditions that are not watched, in virtual time, on a made-up server."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from castwarden_worker.monitor.episode import Moment
from castwarden_worker.monitor.errors import PlaylistError, Refused
from castwarden_worker.monitor.follow.fetch import Fetcher, Page
from castwarden_worker.monitor.hls.prober import RenditionProber
from castwarden_worker.monitor.hls.rota import Edge
from castwarden_worker.monitor.seen import RenditionSeen

pytestmark = [pytest.mark.asyncio, pytest.mark.looptime]

URL = "https://o.example/master.m3u8"
BEGAN = 1_795_000_000.0


def now() -> float:
    return asyncio.get_running_loop().time()


class Server(Fetcher):
    """A stream of 4 s segments in three heights. `frozen` stand still, `gone` are 404, `dropped` are not offered."""

    def __init__(self) -> None:
        self.frozen: dict[str, float] = {}
        self.gone: set[str] = set()
        self.dropped: set[str] = set()
        self.loads: list[tuple[float, str]] = []

    async def playlist(self, url: str, timeout: float) -> Page:
        name = url.rpartition("/")[2]
        self.loads.append((now(), name))
        if name in self.gone:
            raise Refused("HTTP 404", 404)
        return Page(self.master() if name == "master.m3u8" else self.media(name), url)

    def master(self) -> bytes:
        offered = [height for height in (144, 360, 720) if f"{height}.m3u8" not in self.dropped]
        lines = [f"#EXT-X-STREAM-INF:BANDWIDTH={it},RESOLUTION=1x{it}\n{it}.m3u8" for it in offered]
        return "\n".join(["#EXTM3U", '#EXT-X-DEFINE:NAME="v",VALUE="x"', *lines]).encode()

    def media(self, name: str) -> bytes:
        newest = int(self.frozen.get(name, now()) // 4)
        lines = [
            "#EXTM3U",
            "#EXT-X-TARGETDURATION:4",
            '#EXT-X-DEFINE:NAME="v",VALUE="y"' if name == "x" else '#EXT-X-DEFINE:IMPORT="v"',
            f"#EXT-X-MEDIA-SEQUENCE:{newest}",
        ]
        return "\n".join([*lines, "#EXTINF:4,", "{$v}.ts"]).encode()


class Notes:
    def __init__(self) -> None:
        self.seen: list[RenditionSeen] = []

    async def __call__(self, seen: RenditionSeen) -> None:
        self.seen.append(seen)

    def of(self, name: str) -> list[RenditionSeen]:
        return [seen for seen in self.seen if seen.name == name]


@asynccontextmanager
async def probing(server: Server) -> AsyncIterator[Notes]:
    notes = Notes()
    prober = RenditionProber(
        server,
        URL,
        Page(server.master(), URL),
        edge=lambda: Edge(int(now() // 4), None),
        at=lambda: Moment(now(), BEGAN + now()),
        on_seen=notes,
        monotonic=now,
    )
    running = asyncio.create_task(prober.run())
    yield notes
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_the_others_are_looked_at_in_turn_and_the_watched_one_is_not() -> None:
    server = Server()
    async with probing(server) as notes:
        await asyncio.sleep(601)
    assert {seen.name for seen in notes.seen} == {"360p", "720p"}
    assert all(seen.error is None and seen.lag == 0.0 for seen in notes.seen)
    assert [seen.advanced for seen in notes.of("720p")] == [False, *[True] * (len(notes.of("720p")) - 1)]
    assert len(server.loads) <= 18  # playlists in ten minutes, the multivariant one included


async def test_a_rendition_that_stands_still_falls_behind() -> None:
    server = Server()
    async with probing(server) as notes:
        await asyncio.sleep(130)
        server.frozen["720.m3u8"] = now()
        await asyncio.sleep(400)
    late = [seen.lag or 0.0 for seen in notes.of("720p")]
    assert late[0] == 0.0
    assert late[-1] > 200
    assert not notes.of("720p")[-1].advanced


async def test_a_rendition_that_cannot_be_loaded_is_tried_again_soon_and_comes_back() -> None:
    server = Server()
    async with probing(server) as notes:
        await asyncio.sleep(5)
        server.gone.add("720.m3u8")
        await asyncio.sleep(240)
        server.gone.clear()
        await asyncio.sleep(120)
    errors = [seen.error for seen in notes.of("720p")]
    assert errors.count("HTTP 404") >= 3
    assert errors[-1] is None


async def test_a_rendition_that_is_no_longer_offered_is_reported_as_such() -> None:
    server = Server()
    async with probing(server) as notes:
        await asyncio.sleep(100)
        server.dropped.add("720.m3u8")
        await asyncio.sleep(300)
        before = [name for _, name in server.loads].count("720.m3u8")
        server.dropped.clear()
        await asyncio.sleep(300)
    assert "it is no longer offered" in [seen.error for seen in notes.of("720p")]
    assert notes.of("720p")[-1].error is None
    assert before <= 2


async def test_a_multivariant_playlist_that_cannot_be_loaded_says_nothing_of_its_renditions() -> None:
    server = Server()
    async with probing(server) as notes:
        await asyncio.sleep(5)
        server.gone.add("master.m3u8")
        await asyncio.sleep(600)
    assert not any(seen.error for seen in notes.seen)


async def test_a_media_playlist_has_no_others() -> None:
    server = Server()
    with pytest.raises(PlaylistError, match="a media playlist where"):
        RenditionProber(
            server, URL, Page(server.media("x"), URL), edge=lambda: None, at=lambda: Moment(0, 0), on_seen=Notes()
        )


async def test_a_source_with_one_rendition_costs_a_look_now_and_then() -> None:
    server = Server()
    server.dropped = {"360.m3u8", "720.m3u8"}
    async with probing(server) as notes:
        await asyncio.sleep(3600)
    assert notes.seen == []
    assert len(server.loads) <= 31
