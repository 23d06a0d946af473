# SPDX-License-Identifier: Apache-2.0
"""A live HLS stream without end whose picture goes black on request: `PUT /picture/black`, `PUT /picture/motion`.

Runs in a Pod. What is published stays as it was; a change shows from the next segment on. Beside the stream a channel's
feed (`/channel/feeds/videos.xml?channel_id=…`) and a file to download (`/files/media/clip.mp4`).
"""

import asyncio
import time
from collections import deque
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from tempfile import mkdtemp
from typing import Literal, get_args

import av
from aiohttp import web
from castwarden_local.origin import feeds
from castwarden_local.origin.encode import Encoded, Recipe, Stretch, encode
from castwarden_local.origin.pictures import picture as drawn

Picture = Literal["motion", "black"]
PORT = 8080
CHANNEL_ID = "UC" + "c" * 22
_LOOP_SECONDS = 10
_SHOWN = 6


@dataclass(slots=True)
class Channel:
    """What is on air. Each second one more segment of the loop of the picture that is chosen at that time."""

    media: dict[Picture, Encoded]
    chosen: Picture = "motion"
    shown: deque[tuple[int, Picture, int, bool]] = field(default_factory=lambda: deque(maxlen=_SHOWN))
    sequence: int = 0
    breaks: int = 0  # discontinuities that have left the playlist
    began: float = field(default_factory=time.time)

    def publish(self) -> None:
        number = self.sequence % _LOOP_SECONDS
        last = self.shown[-1] if self.shown else None
        broken = last is not None and (number == 0 or last[1] != self.chosen)
        if len(self.shown) == _SHOWN:
            self.breaks += self.shown[0][3]
        self.shown.append((self.sequence, self.chosen, number, broken))
        self.sequence += 1

    def playlist(self) -> str:
        first = self.shown[0][0] if self.shown else 0
        lines = [
            "#EXTM3U",
            "#EXT-X-VERSION:6",
            "#EXT-X-TARGETDURATION:1",
            f"#EXT-X-MEDIA-SEQUENCE:{first}",
            f"#EXT-X-DISCONTINUITY-SEQUENCE:{self.breaks}",
        ]
        for _, picture, number, broken in self.shown:
            lines += ["#EXT-X-DISCONTINUITY"] if broken else []
            lines += ["#EXTINF:1.000000,", f"{picture}/{number}.ts"]
        return "\n".join([*lines, ""])

    def segment(self, picture: str, name: str) -> bytes | None:
        encoded = self.media.get(picture)  # type: ignore[call-overload]
        known = encoded and name in {each.uri for each in encoded.main.segments}
        return (encoded.folder / name).read_bytes() if encoded and known else None


def _encode() -> dict[Picture, Encoded]:
    folder = Path(mkdtemp(prefix="origin-"))
    recipe = Recipe(width=160, height=90, segment_seconds=1.0)
    return {
        picture: encode([Stretch(_LOOP_SECONDS, picture)], recipe, folder / picture) for picture in get_args(Picture)
    }


def _write_clip(folder: Path) -> Path:
    """A short MP4; returns the folder."""
    folder.mkdir()
    with av.open(str(folder / "clip.mp4"), "w") as output:
        stream = output.add_stream("libx264", rate=25, options={"preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = 160, 90, "yuv420p"
        for number in range(50):
            frame = drawn(160, 90, number)
            frame.pts = number
            output.mux(stream.encode(frame))
        output.mux(stream.encode())
    return folder


def _application(channel: Channel, files: Path) -> web.Application:
    async def playlist(_: web.Request) -> web.Response:
        return web.Response(text=channel.playlist(), content_type="application/vnd.apple.mpegurl")

    async def segment(request: web.Request) -> web.Response:
        body = channel.segment(request.match_info["picture"], request.match_info["name"])
        if body is None:
            raise web.HTTPNotFound
        return web.Response(body=body, content_type="video/mp2t")

    async def choose(request: web.Request) -> web.Response:
        channel.chosen = request.match_info["picture"]  # type: ignore[assignment]
        return web.json_response({"picture": channel.chosen})

    async def alive(_: web.Request) -> web.Response:
        return web.Response(text="ok")

    videos = [feeds.Video("clusterVid1", "Evening news", datetime.now(UTC).replace(microsecond=0))]
    app = web.Application()
    app.add_subapp("/channel/", feeds.feed_app([feeds.Channel(CHANNEL_ID, "News", videos)]))
    app.add_subapp("/files/", feeds.media_app(files))
    app.router.add_get("/main.m3u8", playlist)
    app.router.add_get("/healthz", alive)
    app.router.add_get("/{picture}/{name}", segment)
    app.router.add_put("/picture/{picture:motion|black}", choose)
    return app


async def main() -> None:
    channel = Channel(await asyncio.to_thread(_encode))
    files = await asyncio.to_thread(_write_clip, Path(mkdtemp(prefix="files-")) / "clips")
    runner = web.AppRunner(_application(channel, files), access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "0.0.0.0", PORT).start()
    due = time.monotonic()
    while True:
        channel.publish()
        due += 1.0
        await asyncio.sleep(max(0.0, due - time.monotonic()))


if __name__ == "__main__":
    asyncio.run(main())
