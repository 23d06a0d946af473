# SPDX-License-Identifier: Apache-2.0
"""A media file to download, and a server on loopback for it and for the channel's feed."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import av
from aiohttp import web

from castwarden_local.origin.feeds import Channel, Video, feed_app, media_app
from castwarden_local.origin.pictures import picture

CHANNEL_ID = "UCdemodemodemodemodemode"
CLIP = "evening-news.mp4"


def channel() -> Channel:
    """A channel with two videos of today."""
    now = datetime.now(UTC).replace(microsecond=0)
    videos = [
        Video("demoVideo_1", "Evening news", now - timedelta(hours=2)),
        Video("demoVideo_2", "Weather", now - timedelta(hours=1)),
    ]
    return Channel(CHANNEL_ID, "Demo news", videos)


def write_clip(path: Path, seconds: int = 10, size: tuple[int, int] = (320, 180), fps: int = 25) -> None:
    """Encodes a short moving picture as MP4."""
    with av.open(str(path), "w") as output:
        stream = output.add_stream("libx264", rate=fps, options={"preset": "ultrafast"})
        stream.width, stream.height = size
        stream.pix_fmt = "yuv420p"
        for number in range(seconds * fps):
            frame = picture(*size, number)
            frame.pts = number
            output.mux(stream.encode(frame))
        output.mux(stream.encode())


@asynccontextmanager
async def serving(feed: Channel, folder: Path) -> AsyncIterator[str]:
    """Serves the feed and the files of `folder`; yields the URL that both are under."""
    app = web.Application()
    app.add_subapp("/channel/", feed_app([feed]))
    app.add_subapp("/files/", media_app(folder))
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()
