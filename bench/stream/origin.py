# SPDX-License-Identifier: Apache-2.0
"""An HLS origin on loopback that airs a loop for ever, or offers hours of it as a finished playlist."""

import time
from types import TracebackType
from typing import Self

from aiohttp import web

from .footage import SEGMENT, Loop

_WINDOW = 6  # segments in a live playlist
_WARM = 3  # segments that are there when it goes on air


class LoopOrigin:
    """`async with LoopOrigin({"720p": loop}) as origin: origin.url("720p")`.

    With `finished` it is a recording of so many segments.
    """

    def __init__(self, loops: dict[str, Loop], *, finished: int | None = None) -> None:
        self.segments: dict[str, int] = {}  # how many were sent, by the name of who asked
        self._sent: dict[str, int] = {}  # bytes of playlists and segments
        self._needed: dict[str, dict[int, int]] = {}  # bytes of each segment
        self._loops = loops
        self._finished = finished
        self._began = time.monotonic()
        self._port = 0
        self._runner: web.AppRunner | None = None

    def url(self, name: str, asker: str = "") -> str:
        return f"http://127.0.0.1:{self._port}/{asker or 'all'}/{name}/index.m3u8"

    @property
    def published(self) -> int:
        """How many segments have been on air so far."""
        return self._finished or _WARM + int((time.monotonic() - self._began) / SEGMENT)

    async def __aenter__(self) -> Self:
        application = web.Application()
        application.router.add_get("/{asker}/{name}/index.m3u8", self._playlist)
        application.router.add_get("/{asker}/{name}/{number}.ts", self._segment)
        self._runner = web.AppRunner(application, access_log=None)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self._port = self._runner.addresses[0][1]
        self._began = time.monotonic()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._runner:
            await self._runner.cleanup()

    async def _playlist(self, request: web.Request) -> web.Response:
        first = 0 if self._finished else max(0, self.published - _WINDOW)
        lines = [
            "#EXTM3U",
            "#EXT-X-VERSION:3",
            f"#EXT-X-TARGETDURATION:{SEGMENT:.0f}",
            f"#EXT-X-MEDIA-SEQUENCE:{first}",
        ]
        for number in range(first, self.published):
            lines += [f"#EXTINF:{SEGMENT:.6f},", f"{number}.ts"]
        body = "\n".join([*lines, "#EXT-X-ENDLIST" if self._finished else "", ""]).encode()
        self._count(request, len(body))
        return web.Response(body=body, content_type="application/vnd.apple.mpegurl")

    async def _segment(self, request: web.Request) -> web.Response:
        number = int(request.match_info["number"])
        if number >= self.published:
            raise web.HTTPNotFound
        data = self._loops[request.match_info["name"]].segment(number)
        asker = request.match_info["asker"]
        self.segments[asker] = self.segments.get(asker, 0) + 1
        self._needed.setdefault(asker, {})[number] = len(data)
        self._count(request, len(data))
        return web.Response(body=data, content_type="video/mp2t")

    def share(self, asker: str) -> float:
        """Bytes that were sent, of those of every segment from the first to the last that was asked for."""
        needed = self._needed[asker]
        return self._sent[asker] / sum(needed[number] for number in range(min(needed), max(needed) + 1))

    def _count(self, request: web.Request, size: int) -> None:
        asker = request.match_info["asker"]
        self._sent[asker] = self._sent.get(asker, 0) + size
