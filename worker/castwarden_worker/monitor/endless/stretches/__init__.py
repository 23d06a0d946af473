# SPDX-License-Identifier: Apache-2.0
"""Cuts media that never ends into stretches of about two seconds, as the analyzer takes them. Pure: bytes in as they
come, in pieces of any size. Used by `continuous`.
"""

from ...errors import Unreadable
from ...media.tracks import Media
from .cut import SECONDS, Cutter, Stretch
from .frames import FrameCutter, looks_like_frames
from .ogg import OggCutter
from .ts import TsCutter, looks_like_ts_stream

__all__ = ["SECONDS", "SNIFF", "Cutter", "Media", "Stretch", "cutter_for", "is_continuous"]

SNIFF = 4096
"""Bytes from the beginning that are enough to tell what it is."""


def cutter_for(head: bytes, content_type: str = "") -> Cutter:
    """The cutter for what begins with `head` (about SNIFF bytes). Unreadable when it is of a kind we do not know."""
    if head.startswith(b"OggS"):
        return OggCutter()
    if looks_like_ts_stream(head):
        return TsCutter()
    if codec := looks_like_frames(head):
        return FrameCutter(codec)
    raise Unreadable(f"neither MPEG-TS nor MP3 nor AAC nor Ogg ({content_type or 'of no declared type'})")


def is_continuous(head: bytes) -> bool:
    """Whether there is a cutter for it."""
    try:
        cutter_for(head)
    except Unreadable:
        return False
    return True
