# SPDX-License-Identifier: Apache-2.0
"""Finds out what a source is, and gives what the watch's feeds follow: loaders of renditions, or a tap."""

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import aiohttp
from castwarden_base.addresses import Network
from castwarden_base.http import OutboundError, get_following

from .dash import manifest as dash
from .dash.loader import DashLoader, DashSource
from .dash.numbers import Numbering
from .dash.segments import choose as choose_representation
from .dash.segments import has_separate_sound, main_kind
from .endless.child_tap import SCHEMES, ChildTap, check_stream_url
from .endless.stretches import SNIFF, is_continuous
from .endless.taps import HttpTap, Tap
from .errors import Refused
from .follow.fetch import Fetcher, Page, join
from .follow.loader import Loader
from .hls.loader import HlsLoader
from .hls.reader import parse
from .hls.renditions import choose
from .playlist import MultivariantPlaylist
from .seen import Kind

_TIMEOUT = 10.0
_PLAYLISTS = (".m3u8", ".m3u", ".mpd")
_SNIFFING = aiohttp.ClientTimeout(total=_TIMEOUT, sock_connect=5.0)


@dataclass(frozen=True, slots=True)
class Source:
    """A URL as a resolver gave it, and the headers that it wants sent with every request."""

    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    title: str | None = None


@dataclass(frozen=True, slots=True)
class Renditions:
    """A stream of segments: a loader for all of it, or one for the picture and one for its sound.

    `announced` are the tracks that are promised. Another `format` than before means that another rendition is watched.
    `offer` is the multivariant playlist, by its URL and as it was loaded, when there are others to choose from.
    """

    fetcher: Fetcher
    loaders: tuple[Loader, ...]
    announced: frozenset[Kind] = frozenset()
    format: tuple[object, ...] | None = None
    offer: tuple[str, Page] | None = None


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
        self._numberings: dict[dash.Kind, Numbering] = {}  # they outlive what is opened

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
        if dash.looks_like_dash(page.data):
            return await self._dash(fetcher, source, page)
        return _hls(fetcher, source, page)

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
        at = DashSource(fetcher, self._session, source.url, source.headers, clock=self._clock)
        manifest = await at.manifest(page)
        main = main_kind(manifest)
        kinds: tuple[dash.Kind, ...] = (main, "audio") if has_separate_sound(manifest) else (main,)
        chosen = next(
            (it for period in reversed(manifest.periods) if (it := choose_representation(period, main))), None
        )
        announced: frozenset[Kind] = frozenset(kind for kind in kinds if kind != "other")
        if chosen and chosen.has_sound:
            announced |= {"audio"}
        return Renditions(
            fetcher,
            tuple(DashLoader(at, kind, self._numberings.setdefault(kind, Numbering())) for kind in kinds),
            announced,
            (chosen.height, chosen.bandwidth, chosen.codecs) if chosen else None,
        )


def _hls(fetcher: Fetcher, source: Source, page: Page) -> Renditions:
    playlist = parse(page.data, url=page.url)
    if not isinstance(playlist, MultivariantPlaylist):
        return Renditions(fetcher, (HlsLoader(fetcher, source.url, page),))
    choice = choose(playlist)
    urls = [join(page.url, uri) for uri in (choice.main, choice.audio) if uri]
    loaders = tuple(HlsLoader(fetcher, url, variables=playlist.variables) for url in urls)
    return Renditions(fetcher, loaders, choice.announced, choice.format, (source.url, page))


async def _head(response: aiohttp.ClientResponse) -> bytes:
    try:
        return await response.content.readexactly(SNIFF)
    except asyncio.IncompleteReadError as error:
        return error.partial
