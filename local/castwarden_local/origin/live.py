# SPDX-License-Identifier: Apache-2.0
"""A live HLS stream on loopback that follows a script in real time, with the faults that monitors are there for."""

import asyncio
import tempfile
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, Self

from aiohttp import web
from castwarden_worker.monitor.playlist import MediaPlaylist

from castwarden_local.origin.encode import Encoded, Recipe, Stretch, encode
from castwarden_local.origin.pictures import Heard, Look

Kind = Literal[
    "motion", "black", "logo", "blank", "frozen", "silent", "left", "stall", "missing", "truncated", "restart", "html"
]  # fmt: skip
Script = Sequence[tuple[float, Kind] | tuple[float, tuple[Kind, ...]]]
_LOOKS: dict[Kind, Look] = {"black": "black", "logo": "logo", "blank": "blank"}
_HEARD: dict[Kind, Heard] = {"silent": "none", "left": "left"}
_PLAYLIST = "application/vnd.apple.mpegurl"
_TYPES = {".ts": "video/mp2t", ".m4s": "video/iso.segment", ".mp4": "video/mp4"}
_PAGE = "<!DOCTYPE html><html><body>Please log in</body></html>"


@dataclass(frozen=True, slots=True)
class Part:
    """One part of the script: when it goes on air, and where in the media it begins. Seconds since the start."""

    kinds: tuple[Kind, ...]
    seconds: float
    on_air: float
    media: float

    @property
    def media_seconds(self) -> float:
        return 0.0 if "stall" in self.kinds else self.seconds


@dataclass(frozen=True, slots=True)
class _Aired:
    """A segment and when it is published: as soon as its last picture has been shown."""

    name: str
    duration: float
    begins: float  # on air, seconds since the start
    published: float
    epoch: int
    number: int  # within its epoch


@dataclass(slots=True)
class _Track:
    playlist: MediaPlaylist
    folder: Path
    aired: list[_Aired] = field(default_factory=list)


class LiveOrigin:
    """`async with LiveOrigin([(10, "motion"), (5, "black"), …]) as origin: origin.url`.

    Kinds: `motion`, `black`, `logo` (on black), `blank` (one colour), `frozen`, `silent`, `left` (the right channel is
    silent) are media; `stall` publishes nothing; `missing` answers 404 and `truncated` half of each segment; `restart`
    begins numbering anew; `html` answers playlist requests with a page. A part may be of several kinds at once.
    After the script comes EXT-X-ENDLIST. With `live=False` all of it is there at once, as a finished playlist.
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
    ) -> None:
        self.parts = _parts(script)
        self.url = ""
        self.requests: dict[str, int] = {}
        self._recipe = recipe or Recipe(segment_seconds=segment_seconds)
        self._window = window
        self._loops = loops
        self._live = live
        self._program_time = program_time
        self._first_sequence = first_sequence
        self._length = sum(part.seconds for part in self.parts) + sum(part.media_seconds for part in self.parts) * (
            loops - 1
        )
        self._began = 0.0
        self._began_at = datetime.now(UTC)
        self._tracks: dict[str, _Track] = {}
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
        stretches = [_stretch(part) for part in self.parts if part.media_seconds]
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

    def _air(self, encoded: Encoded) -> dict[str, _Track]:
        tracks = {"main": _Track(encoded.main, encoded.folder)}
        if encoded.audio and encoded.audio_folder:
            tracks["audio"] = _Track(encoded.audio, encoded.audio_folder)
        for track in tracks.values():
            media = 0.0
            epochs: dict[int, int] = {}
            for segment in track.playlist.segments:
                begins, epoch = self._on_air(media)
                published, _ = self._on_air(media + segment.duration - 1e-3)
                number = epochs[epoch] = epochs.get(epoch, -1) + 1
                track.aired.append(
                    _Aired(segment.uri, segment.duration, begins, published if self._live else 0.0, epoch, number)
                )
                media += segment.duration
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
            return _text(self._multivariant())
        if not folder and (track := self._tracks.get(path.removesuffix(".m3u8"))):
            now = self._part_at(self.elapsed)
            if self._live and now and "html" in now.kinds:
                return web.Response(
                    text="<!DOCTYPE html><html><body>Please log in</body></html>", content_type="text/html"
                )
            return _text(self._playlist(path.removesuffix(".m3u8"), track))
        if track := self._tracks.get(folder):
            return self._segment(track, name)
        raise web.HTTPNotFound

    def _segment(self, track: _Track, name: str) -> web.Response:
        file = track.folder / name
        aired = next((segment for segment in track.aired if segment.name == name), None)
        init = track.playlist.segments[0].init
        if not aired and not (init and init.uri == name):
            raise web.HTTPNotFound
        part = self._part_at(aired.begins) if aired else None
        if part and "missing" in part.kinds:
            raise web.HTTPNotFound
        data = file.read_bytes()
        if part and "truncated" in part.kinds:
            data = data[: len(data) // 2]
        return web.Response(body=data, content_type=_TYPES.get(file.suffix, "application/octet-stream"))

    def _playlist(self, folder: str, track: _Track) -> str:
        elapsed = self.elapsed if self._live else float("inf")
        published = [segment for segment in track.aired if segment.published <= elapsed]
        epoch = published[-1].epoch if published else 0
        shown = [segment for segment in published if segment.epoch == epoch]
        ended = len(published) == len(track.aired) and elapsed >= self._length
        if self._live:
            shown = shown[-self._window :]
        lines = ["#EXTM3U", "#EXT-X-VERSION:7", f"#EXT-X-TARGETDURATION:{round(track.playlist.target_duration)}"]
        first = shown[0].number if shown else 0
        lines.append(f"#EXT-X-MEDIA-SEQUENCE:{first + (self._first_sequence if epoch == 0 else 0)}")
        if init := track.playlist.segments[0].init:
            lines.append(f'#EXT-X-MAP:URI="{folder}/{init.uri}"')
        for segment in shown:
            if self._program_time:
                at = datetime.fromtimestamp(self._began_at.timestamp() + segment.begins, UTC)
                lines.append(f"#EXT-X-PROGRAM-DATE-TIME:{at.isoformat(timespec='milliseconds')}")
            lines += [f"#EXTINF:{segment.duration:.6f},", f"{folder}/{segment.name}"]
        return "\n".join([*lines, "#EXT-X-ENDLIST" if ended else "", ""])

    def _multivariant(self) -> str:
        recipe = self._recipe
        return (
            '#EXTM3U\n#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="sound",NAME="main",DEFAULT=YES,URI="audio.m3u8"\n'
            f"#EXT-X-STREAM-INF:BANDWIDTH={recipe.bitrate + 96_000},RESOLUTION={recipe.width}x{recipe.height},"
            'AUDIO="sound"\n'
            "main.m3u8\n"
        )


def _parts(script: Script) -> list[Part]:
    parts: list[Part] = []
    on_air = media = 0.0
    for seconds, kind in script:
        part = Part((kind,) if isinstance(kind, str) else kind, float(seconds), on_air, media)
        parts.append(part)
        on_air += part.seconds
        media += part.media_seconds
    return parts


def _stretch(part: Part) -> Stretch:
    look: Look = next((_LOOKS[kind] for kind in part.kinds if kind in _LOOKS), "motion")
    heard: Heard = next((_HEARD[kind] for kind in part.kinds if kind in _HEARD), "both")
    return Stretch(part.seconds, look, heard, "frozen" in part.kinds)


def _text(body: str) -> web.Response:
    return web.Response(text=body, content_type=_PLAYLIST, headers={"Cache-Control": "no-cache"})
