# SPDX-License-Identifier: Apache-2.0
"""What in a reloaded playlist breaks the rules for servers. Pure; the tracker asks, and nothing of it stops watching.

RFC 8216 §4.3.3.1, §6.2.1 and §6.2.2; parts as in draft-pantos-hls-rfc8216bis §4.4.4.9 and §6.2.2.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from .playlist import MediaPlaylist, Segment

_ROUNDING = 0.5  # seconds by which a segment may be longer than the target duration
_PART_ROUNDING = 0.001
_WINDOW = 3  # target durations that a live playlist must hold
_HOLD_BACK = 2  # part targets that players must be held back at least
_DATED_ALIKE = 1.0  # seconds


@dataclass(frozen=True, slots=True)
class Irregular:
    """Facts, no verdicts. Sequences are media sequences, times are seconds."""

    rewritten: tuple[int, ...] = ()  # segments that had another path, with the same number, in the playlist before
    discontinuity_off: int = 0  # by how much the discontinuity sequence misses the discontinuities that were removed
    target_changed: tuple[float, float] | None = None  # from, to
    type_changed: tuple[str | None, str | None] | None = None
    overlong: tuple[int, ...] = ()  # new segments that are longer than the target duration
    overlong_parts: int = 0  # new parts that are longer than the part target
    short_window: float | None = None  # how much it holds, when that is less than three target durations
    short_hold_back: float | None = None  # PART-HOLD-BACK, when that is less than two part targets


REGULAR = Irregular()


def same_media(one: Segment, other: Segment) -> bool:
    """Whether two listings of one number mean the same, as far as can be told: by date, else by the file's name.

    Hosts, folders and signatures change when a URL is renewed.
    """
    if one.program_time is not None and other.program_time is not None:
        return abs(one.program_time - other.program_time) < _DATED_ALIKE
    return one.uri == other.uri or _name(one.uri) == _name(other.uri)


def irregular(
    before: MediaPlaylist | None,
    playlist: MediaPlaylist,
    known: Sequence[tuple[Segment, Segment]],
    new: Sequence[Segment],
) -> Irregular:
    """Compares a playlist with the one `before`. `known` are segments that both list: as then, as now."""
    target = playlist.target_duration
    return Irregular(
        rewritten=_rewritten(known),
        discontinuity_off=known[0][1].discontinuity_number - known[0][0].discontinuity_number if known else 0,
        target_changed=(before.target_duration, target) if before and before.target_duration != target else None,
        type_changed=_type_changed(before, playlist),
        overlong=tuple(it.sequence for it in new if it.duration > target + _ROUNDING),
        overlong_parts=_overlong_parts(playlist, new),
        short_window=_short_window(playlist),
        short_hold_back=_short_hold_back(playlist),
    )


def _path(uri: str) -> str:
    """Without host and query."""
    try:
        return urlsplit(uri).path
    except ValueError:
        return uri


def _name(uri: str) -> str:
    return _path(uri).rpartition("/")[2]


def _rewritten(known: Sequence[tuple[Segment, Segment]]) -> tuple[int, ...]:
    """Paths that all change at once carry a signature; one that changes while others stay has other content."""
    same = [
        then.byterange == now.byterange and (then.uri == now.uri or _path(then.uri) == _path(now.uri))
        for then, now in known
    ]
    if not any(same):
        return ()
    return tuple(now.sequence for (_, now), is_same in zip(known, same, strict=True) if not is_same)


def _type_changed(before: MediaPlaylist | None, playlist: MediaPlaylist) -> tuple[str | None, str | None] | None:
    if before is None or before.playlist_type == playlist.playlist_type:
        return None
    return before.playlist_type, playlist.playlist_type


def _overlong_parts(playlist: MediaPlaylist, new: Sequence[Segment]) -> int:
    if playlist.part_target is None:
        return 0
    limit = playlist.part_target + _PART_ROUNDING
    parts = [part for segment in new for part in segment.parts] + list(playlist.parts)
    return sum(part.duration > limit for part in parts)


def _short_window(playlist: MediaPlaylist) -> float | None:
    """A stream that has only begun lists all that there is."""
    if playlist.ended or playlist.media_sequence == 0 or playlist.playlist_type is not None:
        return None
    held = sum(segment.duration for segment in playlist.segments[-_WINDOW * 10 :])
    return held if held < _WINDOW * playlist.target_duration - _ROUNDING else None


def _short_hold_back(playlist: MediaPlaylist) -> float | None:
    held, target = playlist.control.part_hold_back, playlist.part_target
    return held if held is not None and target is not None and held < _HOLD_BACK * target else None
