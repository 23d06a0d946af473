# SPDX-License-Identifier: Apache-2.0
"""A short look at a source, to tell a stream that came back from one that still says it is over."""

from .errors import StreamError
from .follow.loader import Renditions
from .sources import Opener, Source


async def goes_on(opener: Opener, source: Source) -> bool:
    """Whether there is something that does not say that it is finished."""
    try:
        opened = await opener.open(source)
        return not isinstance(opened, Renditions) or not (await opened.loaders[0].load()).playlist.ended
    except StreamError:
        return False
