# SPDX-License-Identifier: Apache-2.0
"""A short look at a playlist, to tell a stream that came back from one that still says it is over."""

import aiohttp

from .errors import StreamError
from .fetch import Fetcher, join
from .hls import parse
from .playlist import MediaPlaylist, MultivariantPlaylist
from .renditions import choose
from .watch import Source


async def goes_on(session: aiohttp.ClientSession, source: Source) -> bool:
    """Whether there is a playlist that does not say that it is finished."""
    fetcher = Fetcher(session, source.headers)
    try:
        page = await fetcher.playlist(source.url, 10.0)
        playlist = parse(page.data, url=page.url)
        if isinstance(playlist, MultivariantPlaylist):
            variables = playlist.variables
            page = await fetcher.playlist(join(page.url, choose(playlist).main), 10.0)
            playlist = parse(page.data, url=page.url, variables=variables)
    except StreamError:
        return False
    return isinstance(playlist, MediaPlaylist) and not playlist.ended
