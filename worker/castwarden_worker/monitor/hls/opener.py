# SPDX-License-Identifier: Apache-2.0
"""Gives what is to be followed of an HLS stream. Called by `sources.py`."""

from ..follow.fetch import Fetcher, Page, join
from ..follow.loader import Renditions
from ..playlist import MultivariantPlaylist
from .loader import HlsLoader
from .reader import parse
from .renditions import choose


def open_hls(fetcher: Fetcher, url: str, page: Page) -> Renditions:
    """`page` is what `url` gave. PlaylistError says why it cannot be watched."""
    playlist = parse(page.data, url=page.url)
    if not isinstance(playlist, MultivariantPlaylist):
        return Renditions(fetcher, (HlsLoader(fetcher, url, page),))
    choice = choose(playlist)
    urls = [join(page.url, uri) for uri in (choice.main, choice.audio) if uri]
    loaders = tuple(HlsLoader(fetcher, media, variables=playlist.variables) for media in urls)
    return Renditions(fetcher, loaders, choice.announced, choice.format, (url, page))
