# SPDX-License-Identifier: Apache-2.0
"""A live HLS stream on loopback that follows a script in real time, with the faults that monitors are there for."""

import asyncio
import tempfile
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

from aiohttp import web
from castwarden_worker.monitor.playlist import MediaPlaylist

from castwarden_local.origin.encode import Encoded, Recipe, encode
from castwarden_local.origin.forms import WHOLE, Files, Listed
from castwarden_local.origin.script import Kind, Part, Script, parts_of

__all__ = ["Aired", "Kind", "LiveOrigin", "Script", "Track", "Window", "as_playlist"]

_PLAYLIST = "application/vnd.apple.mpegurl"
_TYPES = {".ts": "video/mp2t", ".m4s": "video/iso.segment", ".mp4": "video/mp4"}
_PAGE = "<!DOCTYPE html><html><body>Please log in</body></html>"


@dataclass(frozen=True, slots=True)
class Aired:
    """A segment and when it is published: as soon as its last picture has been shown."""

    name: str
    duration: float
    begins: float  # on air, seconds since the start
    published: float
    epoch: int
    number: int  # within its epoch
    offset: int  # in all media of its track
    size: int


@dataclass(slots=True)
class Track:
    playlist: MediaPlaylist
    folder: Path
    aired: list[Aired] = field(default_factory=list)

    @property
    def init(self) -> str | None:
        """The name of its init section."""
        section = self.playlist.segments[0].init
        return section.uri if section else None


@dataclass(frozen=True, slots=True)
class Window:
    """What a playlist shows at one moment."""

    shown: list[Aired]
    sequence: int  # of the first one
    ended: bool


class LiveOrigin:
    """`async with LiveOrigin([(10, "motion"), (5, "black"), …]) as origin: origin.url`.

    Kinds: `motion`, `black`, `logo` (on black), `blank` (one colour), `frozen`, `silent`, `left` (the right channel is
    silent) are media; `stall` publishes nothing; `missing` answers 404 and `truncated` half of each segment; `restart`
    begins numbering anew; `html` answers playlist requests with a page, `forbidden`
    and `gone` with 403 and 404. A part may be of several kinds at once.
    `form` is how segments are listed and served. After the script comes EXT-X-ENDLIST. With `live=False` all of it is
    there at once, as a finished playlist.
    """

    def __init__(
        self,
        script: Script,
        *,
        segment_seconds: float = 1.0,
        recipe: Recipe | None = None,
        window: int = 6,
        loops: int = 1,
        live: bool = True,
        program_time: bool = True,
        first_sequence: int = 0,
        form: Files | None = None,
    ) -> None:
        self.parts = parts_of(script)
        self.url = ""
        self.requests: dict[str, int] = {}
        self._recipe = recipe or Recipe(segment_seconds=segment_seconds)
        self._window = window
        self._loops = loops
        self._live = live
        self._program_time = program_time
        self._first_sequence = first_sequence
        self._form = form or Files()
        self._length = sum(part.seconds for part in self.parts) + sum(part.media_seconds for part in self.parts) * (
            loops - 1
        )
        self._began = 0.0
        self._began_at = datetime.now(UTC)
        self._tracks: dict[str, Track] = {}
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._runner: web.AppRunner | None = None

    @property
    def elapsed(self) -> float:
        """Seconds since it went on air."""
        return time.monotonic() - self._began

    @property
    def went_on_air(self) -> datetime:
        return self._began_at

    @property
    def timeline(self) -> list[tuple[Kind, float]]:
        """Each part with the Unix time at which it went, or will go, on air."""
        return [(part.kinds[0], self._began_at.timestamp() + part.on_air) for part in self.parts]

    async def start(self) -> None:
        """Encodes the script and goes on air."""
        self._folder = tempfile.TemporaryDirectory(prefix="castwarden-origin-")
        stretches = [part.stretch for part in self.parts if part.media_seconds]
        encoded = await asyncio.to_thread(
            encode, stretches, self._recipe, Path(self._folder.name) / "media", loops=self._loops
        )
        self._tracks = self._air(encoded)
        application = web.Application()
        application.router.add_get("/{path:.*}", self._answer)
        self._runner = web.AppRunner(application, access_log=None)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        port = self._runner.addresses[0][1]
        self.url = f"http://127.0.0.1:{port}/{'multivariant' if encoded.audio else 'main'}.m3u8"
        self._began = time.monotonic()
        self._began_at = datetime.now(UTC)

    async def stop(self) -> None:
        if self._runner:
            await self._runner.cleanup()
        if self._folder:
            self._folder.cleanup()

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as undo:
            undo.push_async_callback(self.stop)
            await self.start()
            undo.pop_all()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    def _air(self, encoded: Encoded) -> dict[str, Track]:
        tracks = {"main": Track(encoded.main, encoded.folder)}
        if encoded.audio and encoded.audio_folder:
            tracks["audio"] = Track(encoded.audio, encoded.audio_folder)
        for track in tracks.values():
            media, offset = 0.0, 0
            epochs: dict[int, int] = {}
            for segment in track.playlist.segments:
                begins, epoch = self._on_air(media)
                published, _ = self._on_air(media + segment.duration - 1e-3)
                number = epochs[epoch] = epochs.get(epoch, -1) + 1
                when = published if self._live else 0.0
                size = (track.folder / segment.uri).stat().st_size
                track.aired.append(Aired(segment.uri, segment.duration, begins, when, epoch, number, offset, size))
                media, offset = media + segment.duration, offset + size
        return tracks

    def _on_air(self, media: float) -> tuple[float, int]:
        """When this point of the media is shown, and how often the numbering has begun anew by then."""
        started = [part for part in self.parts if part.media_seconds and part.media <= media + 1e-6]
        part = started[-1] if started else self.parts[0]
        return part.on_air + media - part.media, sum("restart" in part.kinds for part in started)

    def _part_at(self, elapsed: float) -> Part | None:
        return next((part for part in self.parts if part.on_air <= elapsed < part.on_air + part.seconds), None)

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        path = request.match_info["path"]
        self.requests[path] = self.requests.get(path, 0) + 1
        folder, _, name = path.rpartition("/")
        if path == "multivariant.m3u8":
            return as_playlist(self._multivariant())
        if not folder and (track := self._tracks.get(path.removesuffix(".m3u8"))):
            now = self._part_at(self.elapsed)
            if self._live and now and "html" in now.kinds:
                return web.Response(text=_PAGE, content_type="text/html")
            if self._live and now and "forbidden" in now.kinds:
                raise web.HTTPForbidden
            if self._live and now and "gone" in now.kinds:
                raise web.HTTPNotFound
            return await self._media_playlist(request, path.removesuffix(".m3u8"), track)
        if track := self._tracks.get(folder):
            return self._segment(request, track, name)
        raise web.HTTPNotFound

    async def _media_playlist(self, request: web.Request, folder: str, track: Track) -> web.Response:
        return as_playlist(self._playlist(folder, track))

    def _segment(self, request: web.Request, track: Track, name: str) -> web.Response:
        if key := self._form.key(name):
            return web.Response(body=key)
        if name == WHOLE:
            return _ranged(request, b"".join((track.folder / it.name).read_bytes() for it in track.aired))
        aired = next((segment for segment in track.aired if segment.name == name), None)
        if not aired and name != track.init:
            raise web.HTTPNotFound
        part = self._part_at(aired.begins) if aired else None
        if part and "missing" in part.kinds:
            raise web.HTTPNotFound
        data = (track.folder / name).read_bytes()
        if aired:
            data = self._form.body(data, self._sequence(aired))
        if part and "truncated" in part.kinds:
            data = data[: len(data) // 2]
        return _ranged(request, data, _TYPES.get(Path(name).suffix, "application/octet-stream"))

    def _sequence(self, aired: Aired) -> int:
        return aired.number + (self._first_sequence if aired.epoch == 0 else 0)

    def _window_at(self, track: Track, elapsed: float) -> Window:
        published = [segment for segment in track.aired if segment.published <= elapsed]
        epoch = published[-1].epoch if published else 0
        shown = [segment for segment in published if segment.epoch == epoch]
        ended = len(published) == len(track.aired) and elapsed >= self._length
        if self._live:
            shown = shown[-self._window :]
        first = self._sequence(shown[0]) if shown else self._first_sequence if epoch == 0 else 0
        return Window(shown, first, ended)

    def _playlist(self, folder: str, track: Track) -> str:
        window = self._window_at(track, self.elapsed if self._live else float("inf"))
        lines = [*self._head(track, window), *self._map(folder, track)]
        for segment in window.shown:
            lines += self._segment_lines(folder, segment, first=segment is window.shown[0])
        return "\n".join([*lines, "#EXT-X-ENDLIST" if window.ended else "", ""])

    def _head(self, track: Track, window: Window) -> list[str]:
        target = round(track.playlist.target_duration)
        head = ["#EXTM3U", "#EXT-X-VERSION:9", f"#EXT-X-TARGETDURATION:{target}"]
        return [*head, f"#EXT-X-MEDIA-SEQUENCE:{window.sequence}"]

    def _map(self, folder: str, track: Track) -> list[str]:
        return [f'#EXT-X-MAP:URI="{folder}/{track.init}"'] if track.init else []

    def _segment_lines(self, folder: str, segment: Aired, *, first: bool) -> list[str]:
        lines = []
        if self._program_time:
            at = datetime.fromtimestamp(self._began_at.timestamp() + segment.begins, UTC)
            lines.append(f"#EXT-X-PROGRAM-DATE-TIME:{at.isoformat(timespec='milliseconds')}")
        listed = Listed(segment.name, self._sequence(segment), segment.offset, segment.size, first)
        *tags, uri = self._form.lines(folder, listed)
        return [*lines, *tags, f"#EXTINF:{segment.duration:.6f},", uri]

    def _multivariant(self) -> str:
        recipe = self._recipe
        return (
            '#EXTM3U\n#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="sound",NAME="main",DEFAULT=YES,URI="audio.m3u8"\n'
            f"#EXT-X-STREAM-INF:BANDWIDTH={recipe.bitrate + 96_000},RESOLUTION={recipe.width}x{recipe.height},"
            'AUDIO="sound"\n'
            "main.m3u8\n"
        )


def _ranged(request: web.Request, data: bytes, content_type: str = "video/mp2t") -> web.Response:
    """All of it, or the range that was asked for."""
    wanted = request.http_range
    if wanted.start is None:
        return web.Response(body=data, content_type=content_type)
    begin, end = wanted.start, min(wanted.stop or len(data), len(data))
    where = {"Content-Range": f"bytes {begin}-{end - 1}/{len(data)}"}
    return web.Response(status=206, body=data[begin:end], headers=where, content_type=content_type)


def as_playlist(body: str) -> web.Response:
    """The answer that carries a playlist; caches must ask again."""
    return web.Response(text=body, content_type=_PLAYLIST, headers={"Cache-Control": "no-cache"})
