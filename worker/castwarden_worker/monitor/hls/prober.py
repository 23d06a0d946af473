# SPDX-License-Identifier: Apache-2.0
"""Probes the renditions that are not watched, one at a time: their playlists alone, never their media."""

import asyncio
import time
from collections.abc import Awaitable, Callable

from ..episode import Moment
from ..errors import PlaylistError, StreamError
from ..follow.fetch import Fetcher, Page
from ..playlist import MultivariantPlaylist
from ..seen import RenditionSeen
from .reader import parse, parse_media
from .renditions import Choice, choose
from .rota import GONE, Edge, Offer, RenditionRota

_TIMEOUT = 10.0
_REREAD = 120.0  # seconds between two loads of the multivariant playlist, at least
_REREAD_RATE = 100.0  # bytes per second that these may cost: some are as large as a minute of the smallest rendition


class RenditionProber:
    """The others of one multivariant playlist, which was just loaded as `page`.

    `edge` tells how far the watched rendition is, `at` what time it is in the media and on the clock.
    """

    def __init__(
        self,
        fetcher: Fetcher,
        url: str,
        page: Page,
        *,
        edge: Callable[[], Edge | None],
        at: Callable[[], Moment],
        on_seen: Callable[[RenditionSeen], Awaitable[None]],
        rota: RenditionRota | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._fetcher = fetcher
        self._url = url
        self._edge = edge
        self._at = at
        self._on_seen = on_seen
        self._rota = RenditionRota() if rota is None else rota  # an empty one is false
        self._monotonic = monotonic
        self._variables: tuple[tuple[str, str], ...] = ()
        self._choice: Choice | None = None
        self._reread_at = 0.0
        self._take(page)

    async def run(self) -> None:
        """Probes on until it is cancelled."""
        while True:
            now = self._monotonic()
            wait = self._rota.wait(now)
            again = max(0.0, self._reread_at - now)
            await asyncio.sleep(again if wait is None else min(wait, again))
            if self._monotonic() >= self._reread_at:
                await self._reread()
            elif offer := self._rota.turn(self._monotonic()):
                await self._on_seen(await self._probe(offer))

    async def _probe(self, offer: Offer) -> RenditionSeen:
        try:
            if not self._rota.is_offered(offer):
                raise PlaylistError(GONE)
            page = await self._fetcher.playlist(offer.url, _TIMEOUT)
            self._rota.cost(len(page.data), self._monotonic())
            playlist = parse_media(page.data, url=page.url, variables=self._variables)
        except StreamError as error:
            self._rota.failed(offer, self._monotonic())
            return RenditionSeen(self._at(), offer.name, str(error))
        probe = self._rota.probed(offer, playlist, self._edge())
        return RenditionSeen(self._at(), offer.name, None, probe.lag, probe.advanced)

    async def _reread(self) -> None:
        """A multivariant playlist that cannot be loaded says nothing of its renditions."""
        self._reread_at = self._monotonic() + _REREAD
        try:
            self._take(await self._fetcher.playlist(self._url, _TIMEOUT))
        except StreamError:
            return

    def _take(self, page: Page) -> None:
        now = self._monotonic()
        playlist = parse(page.data, url=page.url)
        if not isinstance(playlist, MultivariantPlaylist):
            raise PlaylistError("a media playlist where a multivariant playlist was announced")
        self._choice = self._choice or choose(playlist)
        self._variables = playlist.variables
        self._rota.offered(playlist, page.url, self._choice, now)
        self._reread_at = now + max(_REREAD, len(page.data) / _REREAD_RATE)
