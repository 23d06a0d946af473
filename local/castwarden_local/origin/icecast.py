# SPDX-License-Identifier: Apache-2.0
"""A stream over HTTP that does not end, as Icecast sends it, on loopback and in real time; with titles on request."""

import asyncio
import time
from collections.abc import Sequence
from typing import Self

from aiohttp import web

from castwarden_local.origin.encode import Recipe, Stretch
from castwarden_local.origin.streams import FORMS, Kind, Piece, air

_INTERVAL = 4000  # bytes of sound between titles


class IcecastOrigin:
    """`async with IcecastOrigin([Stretch(10)], "mp3") as origin: origin.url`.

    Who connects hears what is on air. After the script, connections are closed in order and the mount is gone.
    """

    def __init__(
        self, script: Sequence[Stretch], kind: Kind, *, recipe: Recipe | None = None, title: str | None = None
    ) -> None:
        self.url = ""
        self.connections = 0
        self._script = script
        self._kind = kind
        self._recipe = recipe
        self._title = title
        self._pieces: list[Piece] = []
        self._began = 0.0
        self._down = False
        self._open: dict[int, web.Request] = {}
        self._runner: web.AppRunner | None = None

    @property
    def elapsed(self) -> float:
        """Seconds since it went on air."""
        return time.monotonic() - self._began

    def hang_up(self) -> None:
        """Cuts every connection in the middle, and answers 503 until `come_back`."""
        self._down = True
        for request in self._open.values():
            if request.transport:
                request.transport.abort()

    def come_back(self) -> None:
        self._down = False

    async def __aenter__(self) -> Self:
        self._pieces = await asyncio.to_thread(air, self._script, self._kind, self._recipe)
        application = web.Application()
        application.router.add_get("/stream", self._answer)
        self._runner = web.AppRunner(application, access_log=None)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}/stream"
        self._began = time.monotonic()
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._runner:
            await self._runner.cleanup()

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        now = self.elapsed
        if self._down:
            raise web.HTTPServiceUnavailable
        if now >= self._pieces[-1].due:
            raise web.HTTPNotFound
        self.connections += 1
        titled = self._title is not None and request.headers.get("Icy-MetaData") == "1"
        headers = {"Content-Type": FORMS[self._kind].content_type, "icy-name": "A station"}
        response = web.StreamResponse(headers=headers | ({"icy-metaint": str(_INTERVAL)} if titled else {}))
        self._open[id(request)] = request
        try:
            await response.prepare(request)
            await self._send(response, _Titles(self._title or "") if titled else None, now)
        except ConnectionError:
            pass
        finally:
            del self._open[id(request)]
        return response

    async def _send(self, response: web.StreamResponse, titles: "_Titles | None", now: float) -> None:
        first = (
            self._pieces[:1] if self._pieces[0].data.startswith(b"OggS") else []
        )  # nobody can do without its headers
        for piece in [*first, *(piece for piece in self._pieces[len(first) :] if piece.due >= now)]:
            await asyncio.sleep(max(0.0, piece.due - self.elapsed))
            await response.write(titles.between(piece.data) if titles else piece.data)


class _Titles:
    def __init__(self, title: str) -> None:
        text = f"StreamTitle='{title}';".encode()
        self._block = bytes([-(-len(text) // 16)]) + text + bytes(-len(text) % 16)
        self._left = _INTERVAL

    def between(self, data: bytes) -> bytes:
        """`data` with a title after every interval; after the first one it is "no change"."""
        out = bytearray()
        while len(data) >= self._left:
            out += data[: self._left] + self._block
            data, self._left, self._block = data[self._left :], _INTERVAL, b"\0"
        self._left -= len(data)
        return bytes(out + data)
