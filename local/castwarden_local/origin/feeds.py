# SPDX-License-Identifier: Apache-2.0
"""Stand-ins for what poll and download look at: a channel feed in YouTube's Atom shape and a media file server.

For the demo and tests. Faithful where it matters to a client: validators and 304, byte ranges, 404.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime
from pathlib import Path
from xml.sax.saxutils import escape, quoteattr

from aiohttp import web

_NAMESPACES = (
    'xmlns:yt="http://www.youtube.com/xml/schemas/2015" '
    'xmlns:media="http://search.yahoo.com/mrss/" xmlns="http://www.w3.org/2005/Atom"'
)
_FEED_LENGTH = 15  # YouTube gives the newest fifteen


@dataclass(frozen=True, slots=True)
class Video:
    """One entry of a channel's feed."""

    video_id: str
    title: str
    published_at: datetime
    description: str = ""
    views: int = 0
    updated_at: datetime | None = None

    @property
    def changed_at(self) -> datetime:
        """When the entry last changed."""
        return self.updated_at or self.published_at


@dataclass(slots=True)
class Channel:
    """A channel whose videos may be added to while it is served."""

    channel_id: str
    title: str
    videos: list[Video] = field(default_factory=list)

    def changed_at(self) -> datetime:
        """When the feed last changed, in whole seconds, which is all that HTTP dates hold."""
        newest = max((video.changed_at for video in self.videos), default=datetime(2020, 1, 1, tzinfo=UTC))
        return newest.replace(microsecond=0)


def atom(channel: Channel, base_url: str) -> bytes:
    """The channel's feed, newest video first, as YouTube writes it."""
    videos = sorted(channel.videos, key=lambda video: video.published_at, reverse=True)[:_FEED_LENGTH]
    entries = "".join(_entry(channel, video, base_url) for video in videos)
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<feed {_NAMESPACES}>'
        f"<id>yt:channel:{channel.channel_id[2:]}</id><yt:channelId>{channel.channel_id[2:]}</yt:channelId>"
        f"<title>{escape(channel.title)}</title>"
        f"<author><name>{escape(channel.title)}</name></author>"
        f"<published>{channel.changed_at().isoformat()}</published>{entries}</feed>\n"
    ).encode()


def _entry(channel: Channel, video: Video, base_url: str) -> str:
    thumbnail = quoteattr(f"{base_url}/thumbnails/{video.video_id}.jpg")
    return (
        f"<entry><id>yt:video:{video.video_id}</id><yt:videoId>{video.video_id}</yt:videoId>"
        f"<yt:channelId>{channel.channel_id}</yt:channelId><title>{escape(video.title)}</title>"
        f'<link rel="alternate" href="https://www.youtube.com/watch?v={video.video_id}"/>'
        f"<published>{video.published_at.isoformat()}</published><updated>{video.changed_at.isoformat()}</updated>"
        f"<media:group><media:title>{escape(video.title)}</media:title>"
        f'<media:thumbnail url={thumbnail} width="480" height="360"/>'
        f"<media:description>{escape(video.description)}</media:description>"
        f'<media:community><media:statistics views="{video.views}"/></media:community></media:group></entry>'
    )


def feed_app(channels: Iterable[Channel]) -> web.Application:
    """Serves `/feeds/videos.xml?channel_id=…` with ETag and Last-Modified, 404 for a channel it does not know."""
    known = {channel.channel_id: channel for channel in channels}

    async def videos(request: web.Request) -> web.Response:
        channel = known.get(request.query.get("channel_id", ""))
        if channel is None:
            raise web.HTTPNotFound(text="Not Found")
        body = atom(channel, str(request.url.origin()))
        etag = f'"{hashlib.sha256(body).hexdigest()[:16]}"'
        changed = channel.changed_at()
        headers = {"ETag": etag, "Last-Modified": format_datetime(changed, usegmt=True)}
        if _is_current(request, etag, changed):
            return web.Response(status=304, headers=headers)
        return web.Response(body=body, content_type="text/xml", charset="UTF-8", headers=headers)

    app = web.Application()
    app.router.add_get("/feeds/videos.xml", videos)
    return app


def media_app(folder: Path) -> web.Application:
    """Serves the files of `folder` under `/media/`, with byte ranges and validators."""
    app = web.Application()
    app.router.add_static("/media/", folder)
    return app


def _is_current(request: web.Request, etag: str, changed: datetime) -> bool:
    """RFC 9110 §13.2.2: If-None-Match decides alone when it is there."""
    if (wanted := request.headers.get("If-None-Match")) is not None:
        return etag in (part.strip().removeprefix("W/") for part in wanted.split(","))
    try:
        return parsedate_to_datetime(request.headers.get("If-Modified-Since", "")) >= changed
    except ValueError:
        return False
