# SPDX-License-Identifier: Apache-2.0
"""Takes segments apart into access units without decoding them: MPEG-TS, fragmented MP4, packed audio.

Written for speed: opening a container with libavformat costs more than everything else that is done to a segment.
"""

from ..errors import SegmentError, Unreadable
from .fmp4 import Init, demux_fmp4, looks_like_mp4, read_init
from .packed import demux_packed
from .tracks import Media, Sample, Track
from .ts import demux_ts, looks_like_ts

__all__ = ["Init", "Media", "Sample", "Track", "demux", "read_init"]


def demux(data: bytes, init: Init | None = None) -> Media:
    """The tracks in a segment. SegmentError when it is broken, Unreadable when it is of a kind we do not know."""
    if not data:
        raise SegmentError("the segment is empty")
    if looks_like_ts(data):
        return demux_ts(data)
    if looks_like_mp4(data):
        return demux_fmp4(data, init)
    if data.lstrip()[:1] == b"<":
        raise SegmentError("a web page instead of a segment")
    media = demux_packed(data)
    if media is None:
        raise Unreadable("neither MPEG-TS nor fragmented MP4 nor packed audio")
    return media
