# SPDX-License-Identifier: Apache-2.0
"""Loads one HLS media playlist, again and again; `hls_asking` says what to ask for and when."""

import asyncio
from collections.abc import Iterable

from ..errors import PlaylistError, StreamError
from ..follow.fetch import Fetcher, Page
from ..follow.loader import Loaded
from ..playlist import MediaPlaylist
from .asking import Asking, Wish
from .reader import parse_media
from .tail import as_delta

_LARGE = 262_144  # bytes that are parsed beside the event loop


class HlsLoader:
    """`page` is the playlist as it was just loaded; `variables` are those of its multivariant playlist."""

    def __init__(
        self, fetcher: Fetcher, url: str, page: Page | None = None, *, variables: Iterable[tuple[str, str]] = ()
    ) -> None:
        self._fetcher = fetcher
        self._url = url
        self._page = page
        self._variables = tuple(variables)
        self._asking = Asking()
        self._whole: tuple[bytes, MediaPlaylist] | None = None  # the last that was no delta update, as it came

    async def load(self) -> Loaded:
        loop = asyncio.get_running_loop()
        await asyncio.sleep(self._asking.pace.wait(loop.time()))
        try:
            playlist, base, wish = await self._load(loop.time())
        except StreamError:
            self._asking.failed(loop.time())
            raise
        self._asking.loaded(playlist, wish, loop.time())
        return Loaded(playlist, base)

    async def _load(self, now: float) -> tuple[MediaPlaylist, str, Wish]:
        wish = self._asking.wish(now)
        if self._page is None and not wish.is_plain:
            try:
                return await self._ask(wish)
            except StreamError as error:
                seconds = asyncio.get_running_loop().time() - now
                self._asking.refused(wish, seconds, nonsense=isinstance(error, PlaylistError))
        return await self._ask(self._asking.plainly())

    async def _ask(self, wish: Wish) -> tuple[MediaPlaylist, str, Wish]:
        known, self._page = self._page, None
        page = known or await self._fetcher.playlist(wish.on(self._url), wish.patience)
        return await self._read(page, self._asking.last if wish.skip else None), page.url, wish

    async def _read(self, page: Page, previous: MediaPlaylist | None) -> MediaPlaylist:
        if self._whole and self._whole[0] == page.data:
            return self._whole[1]

        shorter = as_delta(page.data, self._asking.last)
        data, known = (shorter, self._asking.last) if shorter else (page.data, previous)

        def read() -> MediaPlaylist:
            return parse_media(data, url=page.url, variables=self._variables, previous=known)

        playlist = await asyncio.to_thread(read) if len(data) > _LARGE else read()
        self._whole = None if previous and playlist.skipped else (page.data, playlist)
        return playlist
