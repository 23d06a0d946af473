# SPDX-License-Identifier: Apache-2.0
"""Finds out what a source is, and gives what the watch's feeds follow: loaders of renditions, or a tap."""

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import aiohttp
from castwarden_base.addresses import Network
from castwarden_base.http import OutboundError, get_following

from .dash import looks_like_dash
from .endless.child_tap import SCHEMES, ChildTap, check_stream_url
from .endless.stretches import SNIFF, is_continuous
from .endless.taps import HttpTap, Tap
from .errors import Refused
from .follow.fetch import Fetcher, Page
from .follow.loader import Renditions
from .hls.opener import open_hls

if TYPE_CHECKING:
    from .dash.opener import DashOpener

_TIMEOUT = 10.0
_PLAYLISTS = (".m3u8", ".m3u", ".mpd")
_SNIFFING = aiohttp.ClientTimeout(total=_TIMEOUT, sock_connect=5.0)


@dataclass(frozen=True, slots=True)
class Source:
    """A URL as a resolver gave it, and the headers that it wants sent with every request."""

    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    title: str | None = None


class Opener:
    """Opens one stream's source, as often as needed. `allow` opens networks, as it does for `session`."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        allow: Iterable[Network] = (),
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._session = session
        self._allow = tuple(allow)
        self._clock = clock
        self._dash_opener: DashOpener | None = None

    async def open(self, source: Source) -> Renditions | Tap:
        """StreamError says why it cannot be watched."""
        if source.url.startswith(SCHEMES):
            try:
                check_stream_url(source.url, self._allow)
            except OutboundError as error:
                raise Refused(str(error)) from error
            return ChildTap(source.url, self._allow)
        if await self._is_endless(source):
            return HttpTap(self._session, source.url, source.headers)
        fetcher = Fetcher(self._session, source.headers)
        page = await fetcher.playlist(source.url, _TIMEOUT)
        if looks_like_dash(page.data):
            return await self._dash(fetcher, source, page)
        return open_hls(fetcher, source.url, page)

    async def _is_endless(self, source: Source) -> bool:
        """Whether its first bytes are media. A stream of these would never come to the end of a playlist."""
        if urlsplit(source.url).path.lower().endswith(_PLAYLISTS):
            return False
        try:
            async with get_following(self._session, source.url, headers=source.headers, timeout=_SNIFFING) as response:
                endless = response.status == 200 and response.content_length is None
                return endless and is_continuous(await _head(response))
        except (aiohttp.ClientError, OSError, TimeoutError):
            return False  # loading it as a playlist says why

    async def _dash(self, fetcher: Fetcher, source: Source, page: Page) -> Renditions:
        if self._dash_opener is None:
            from .dash.opener import DashOpener  # loaded for those who need it

            self._dash_opener = DashOpener(self._session, self._clock)
        return await self._dash_opener.open(fetcher, source.url, source.headers, page)


async def _head(response: aiohttp.ClientResponse) -> bytes:
    try:
        return await response.content.readexactly(SNIFF)
    except asyncio.IncompleteReadError as error:
        return error.partial
