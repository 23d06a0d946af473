# SPDX-License-Identifier: Apache-2.0
"""What the codecs that a playlist or manifest names (RFC 6381) are of. Pure."""

from ..seen import Kind

_SOUND = ("mp4a", "mp3", "ac-3", "ec-3", "ac-4", "opus", "flac", "alac", "vorbis")
_TEXT = ("stpp", "wvtt", "tx3g")


def kinds_of(codecs: str) -> frozenset[Kind]:
    """The tracks that a list of codecs promises. What is neither sound nor subtitles is a picture."""
    names = [name.strip().lower() for name in codecs.split(",") if name.strip()]
    return frozenset("audio" if name.startswith(_SOUND) else "video" for name in names if not name.startswith(_TEXT))
