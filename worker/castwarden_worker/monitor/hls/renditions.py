# SPDX-License-Identifier: Apache-2.0
"""Which renditions to watch: the smallest picture, and the sound that belongs to it."""

from dataclasses import dataclass

from ..errors import PlaylistError
from ..follow.codecs import kinds_of
from ..playlist import MultivariantPlaylist, Rendition, Variant
from ..seen import Kind

_SOUND: frozenset[Kind] = frozenset(("audio",))
_PICTURE: frozenset[Kind] = frozenset(("video",))


@dataclass(frozen=True, slots=True)
class Choice:
    """URIs as written in the multivariant playlist. `audio` is None when the sound is muxed into `main`.

    `announced` are the tracks that the playlist promises, `format` is what else it says of the variant: another one
    means that another rendition is watched.
    """

    main: str
    audio: str | None = None
    announced: frozenset[Kind] = frozenset()
    format: tuple[int | None, int, str] = (None, 0, "")


def choose(playlist: MultivariantPlaylist) -> Choice:
    """The smallest variant with a picture (else the smallest of all) and its audio rendition."""
    if not playlist.variants:
        raise PlaylistError("it offers no variant")
    candidates = [variant for variant in playlist.variants if _has_picture(variant)] or list(playlist.variants)
    smallest = min(candidates, key=lambda variant: (variant.height or 100_000, variant.bandwidth))
    sound = _sound(playlist.audio, smallest.audio)
    separate = sound.uri if sound else None
    return Choice(
        smallest.uri,
        separate if separate != smallest.uri else None,
        _announced(smallest) | (_SOUND if separate else frozenset()),
        (smallest.height, smallest.bandwidth, smallest.codecs),
    )


def _has_picture(variant: Variant) -> bool:
    return variant.height is not None or not variant.codecs or "video" in kinds_of(variant.codecs)


def _announced(variant: Variant) -> frozenset[Kind]:
    return kinds_of(variant.codecs) | (frozenset() if variant.height is None else _PICTURE)


def _sound(renditions: tuple[Rendition, ...], group: str | None) -> Rendition | None:
    """The group's default; one without URI means that the sound is in the variant itself."""
    members = [rendition for rendition in renditions if rendition.group == group]
    return next((member for member in members if member.default), members[0] if members else None)
