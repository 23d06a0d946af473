# SPDX-License-Identifier: Apache-2.0
"""Reads playlists given as text."""

from typing import Any

from castwarden_worker.monitor.hls.reader import parse_media
from castwarden_worker.monitor.playlist import (
    MediaPlaylist,
)


def media(text: str, **context: Any) -> MediaPlaylist:
    return parse_media(text.encode(), **context)


def one(*tags: str, **context: Any) -> Any:
    """The segment that these tags stand before."""
    return media("\n".join(["#EXTM3U", *tags, "#EXTINF:4,", "a.ts", ""]), **context).segments[-1]
