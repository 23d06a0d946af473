# SPDX-License-Identifier: Apache-2.0
"""The scripted origin: airs segments on the virtual clock, and lets a script change what it shows and how it answers.

A segment is in the playlist as soon as its last picture has been on air. Faults are functions that are asked while
they last: a `View` fault changes what a playlist shows before it is written, an `Answer` fault replaces an answer.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import formatdate
from types import TracebackType
from typing import Literal, Self

from aiohttp import web

from .produce import Made, Piece
from .virtual import VirtualLoop

WALL = 1_790_000_000.0  # Unix time at which every stream goes on air
_PLAYLIST = "application/vnd.apple.mpegurl"


@dataclass(frozen=True, slots=True)
class Aired:
    """A segment on air: when it begins, in seconds since the stream did; `published` is when it is announced."""

    name: str
    seconds: float
    begins: float
    read: Callable[[], bytes]
    published: float
    init: str | None = None
    discontinuity: bool = False
    gap: bool = False
    program_time: float | None = None  # None: when it was on air
    tags: tuple[str, ...] = ()

    @property
    def ends(self) -> float:
        return self.begins + self.seconds


@dataclass(slots=True)
class View:
    """What a media playlist shows at one moment. Faults change it; `lines` writes it."""

    segments: list[Aired]
    target: float
    sequence: int
    discontinuities: int = 0
    ended: bool = False
    dates: Literal["all", "first", "none"] = "all"
    kind: str | None = None  # EXT-X-PLAYLIST-TYPE
    tags: list[str] = field(default_factory=list)
    tail: list[str] = field(default_factory=list)

    def lines(self) -> Iterator[str]:
        yield from ("#EXTM3U", "#EXT-X-VERSION:9", f"#EXT-X-TARGETDURATION:{round(self.target)}")
        yield f"#EXT-X-MEDIA-SEQUENCE:{self.sequence}"
        if self.discontinuities:
            yield f"#EXT-X-DISCONTINUITY-SEQUENCE:{self.discontinuities}"
        if self.kind:
            yield f"#EXT-X-PLAYLIST-TYPE:{self.kind}"
        yield from self.tags
        init = None
        dated = False
        for segment in self.segments:
            if segment.discontinuity:
                yield "#EXT-X-DISCONTINUITY"
            if segment.init != init and (init := segment.init):
                yield f'#EXT-X-MAP:URI="{init}"'
            if self.dates == "all" or (self.dates == "first" and not dated):
                dated = True
                at = segment.begins if segment.program_time is None else segment.program_time
                yield f"#EXT-X-PROGRAM-DATE-TIME:{datetime.fromtimestamp(WALL + at, UTC):%Y-%m-%dT%H:%M:%S.%f}+0000"
            yield from segment.tags
            yield from ("#EXT-X-GAP",) if segment.gap else ()
            yield from (f"#EXTINF:{segment.seconds:.6f},", segment.name)
        yield from self.tail
        yield from ("#EXT-X-ENDLIST",) if self.ended else ()


Change = Callable[[View, float], View | None]  # at this time; None: no playlist (404)
Reply = Callable[["Broadcast", web.Request], Awaitable[web.StreamResponse | None]]  # None: as without it


@dataclass(frozen=True, slots=True)
class Fault:
    """From `begin` to `end`, for paths that match: changes the playlist's view, or replaces the answer."""

    begin: float
    end: float
    path: str
    change: Change | None = None
    reply: Reply | None = None

    def applies(self, path: str, now: float) -> bool:
        return self.begin <= now < self.end and re.fullmatch(self.path, path) is not None


class Broadcast:
    """`async with Broadcast(loop, {"main": aired}, …) as origin: origin.url`. Time is seconds on air."""

    def __init__(
        self,
        loop: VirtualLoop,
        renditions: Mapping[str, Sequence[Aired]],
        *,
        window: float = 24.0,
        ends: bool = True,
        first_sequence: int = 0,
        multivariant: Sequence[str] = (),
        faults: Sequence[Fault] = (),
        files: Mapping[str, Callable[[], bytes]] | None = None,
    ) -> None:
        self.requests: list[tuple[float, str]] = []
        self.held = 0  # requests whose answer the script holds back
        self.first_sequence = first_sequence
        self._loop = loop
        self._began = loop.time()
        self._renditions = renditions
        self._window = window
        self._ends = ends
        self._multivariant = multivariant
        self._faults = faults
        self._files = dict(files or {})
        self._by_name = {segment.name: segment for aired in renditions.values() for segment in aired}
        self._runner: web.AppRunner | None = None
        self._port = 0

    @property
    def now(self) -> float:
        """Seconds since the stream went on air."""
        return self._loop.time() - self._began

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}/{'index' if self._multivariant else 'main'}.m3u8"

    def clock(self) -> float:
        """Unix time."""
        return WALL + self.now

    async def __aenter__(self) -> Self:
        application = web.Application()
        application.router.add_get("/{path:.*}", self._answer)
        self._runner = web.AppRunner(application, access_log=None, keepalive_timeout=1e6)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self._port = self._runner.addresses[0][1]
        self._began = self._loop.time()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._runner:
            await self._runner.cleanup()

    async def wait(self, seconds: float) -> None:
        """Holds an answer back: time goes on meanwhile."""
        with self._holding():
            await asyncio.sleep(seconds)

    @contextmanager
    def _holding(self) -> Iterator[None]:
        self.held += 1
        try:
            yield
        finally:
            self.held -= 1

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        path = request.match_info["path"]
        self.requests.append((self.now, path))
        for fault in self._faults:
            if fault.reply and fault.applies(path, self.now) and (answer := await fault.reply(self, request)):
                return answer
        name, _, ending = path.rpartition(".")
        if path == "index.m3u8" and self._multivariant:
            return self.text("\n".join(["#EXTM3U", "#EXT-X-VERSION:9", *self._multivariant, ""]))
        if ending == "m3u8" and name in self._renditions:
            return self._playlist(name, path)
        found = self.data(path)
        return web.Response(status=404, headers=self.headers) if found is None else self.bytes(found)

    def data(self, path: str) -> bytes | None:
        """The bytes of a file that is on air."""
        if (segment := self._by_name.get(path)) and segment.published <= self.now + 1e-6:
            return segment.read()
        return self._files[path]() if path in self._files else None

    def _playlist(self, name: str, path: str) -> web.Response:
        view: View | None = self.view(name, self.now)
        for fault in self._faults:
            if view and fault.change and fault.applies(path, self.now):
                view = fault.change(view, self.now)
        return self.text("\n".join([*view.lines(), ""])) if view else web.Response(status=404, headers=self.headers)

    def view(self, name: str, now: float) -> View:
        """What a faultless origin shows at that time."""
        aired = self._renditions[name]
        published = [segment for segment in aired if segment.published <= now + 1e-6]
        first = len(published)
        total = 0.0
        while first and (total < self._window or len(published) - first < 3):
            first -= 1
            total += published[first].seconds
        target = max((round(segment.seconds) for segment in aired), default=1)
        return View(
            published[first:],
            max(1, target),
            self.first_sequence + first,
            sum(segment.discontinuity for segment in published[:first]),
            self._ends and len(published) == len(aired),
        )

    @property
    def headers(self) -> dict[str, str]:
        return {"Date": formatdate(self.clock(), usegmt=True), "Cache-Control": "no-cache"}

    def text(self, body: str) -> web.Response:
        return web.Response(body=body.encode(), content_type=_PLAYLIST, headers=self.headers)

    def bytes(self, body: bytes) -> web.Response:
        return web.Response(body=body, content_type="application/octet-stream", headers=self.headers)


def on_air(made: Made) -> tuple[dict[str, list[Aired]], dict[str, Callable[[], bytes]]]:
    """The renditions of a medium, one segment after the other, and the init sections by name."""
    renditions = {name: _aired(made, pieces) for name, pieces in (("main", made.main), ("audio", made.audio)) if pieces}
    inits = {piece.init: (made.folder / piece.init).read_bytes for piece in (*made.main, *made.audio) if piece.init}
    return renditions, inits


def _aired(made: Made, pieces: Sequence[Piece]) -> list[Aired]:
    aired = []
    begins = 0.0
    for piece in pieces:
        read = (made.folder / piece.file).read_bytes
        ends = begins + piece.seconds
        aired.append(Aired(piece.file, piece.seconds, begins, read, ends, piece.init, piece.discontinuity))
        begins = ends
    return aired
