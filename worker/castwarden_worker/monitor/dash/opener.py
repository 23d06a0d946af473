# SPDX-License-Identifier: Apache-2.0
"""Gives what is to be followed of a DASH stream. Called, and loaded, by `sources.py` when it sees an MPD."""

from collections.abc import Callable, Mapping

import aiohttp

from ..follow.fetch import Fetcher, Page
from ..follow.loader import Renditions
from ..seen import Kind as Track
from .loader import DashLoader, DashSource
from .manifest import Kind
from .numbers import Numbering
from .segments import choose, has_separate_sound, main_kind


class DashOpener:
    """Opens one stream's manifest, as often as needed; the numbers of its segments outlive what is opened."""

    def __init__(self, session: aiohttp.ClientSession, clock: Callable[[], float]) -> None:
        self._session = session
        self._clock = clock
        self._numberings: dict[Kind, Numbering] = {}

    async def open(self, fetcher: Fetcher, url: str, headers: Mapping[str, str], page: Page) -> Renditions:
        """`page` is what `url` gave. StreamError says why it cannot be watched."""
        at = DashSource(fetcher, self._session, url, headers, clock=self._clock)
        manifest = await at.manifest(page)
        main = main_kind(manifest)
        kinds: tuple[Kind, ...] = (main, "audio") if has_separate_sound(manifest) else (main,)
        chosen = next((it for period in reversed(manifest.periods) if (it := choose(period, main))), None)
        announced: frozenset[Track] = frozenset(kind for kind in kinds if kind != "other")
        if chosen and chosen.has_sound:
            announced |= {"audio"}
        return Renditions(
            fetcher,
            tuple(DashLoader(at, kind, self._numberings.setdefault(kind, Numbering())) for kind in kinds),
            announced,
            (chosen.height, chosen.bandwidth, chosen.codecs) if chosen else None,
        )
