# SPDX-License-Identifier: Apache-2.0
"""Whose turn it is to be probed, of the renditions that are not watched. Pure: time is passed in."""

from collections.abc import Iterator
from dataclasses import dataclass

from ..errors import PlaylistError
from ..follow.fetch import join
from ..playlist import MediaPlaylist, MultivariantPlaylist, Segment
from .renditions import Choice

_MOST = 20  # renditions; there are pages that offer hundreds
_ALIGNED = 3  # sequences by which renditions may differ that count alike
_DOUBTS = 2  # probes that went well before it may wait for its turn like all others
_AGAIN = 5.0  # seconds until one that failed is probed again …
_SURE = 5  # … this often; then it is known to be missing, and has its turns like all others
_RATE = 200.0  # bytes per second that probes may cost: the smallest picture takes some ten thousand
_LAGGING = 15.0  # seconds
GONE = "it is no longer offered"


@dataclass(frozen=True, slots=True)
class Offer:
    """A rendition under a name that stays when its URL or bitrate changes: its height, or what its sound is called."""

    name: str
    url: str
    height: int | None = None
    bandwidth: int = 0


@dataclass(slots=True)
class _Known:
    offer: Offer
    due: float
    offered: bool = True
    doubts: int = 0  # probes that are still to be made soon, because of what was seen
    failures: int = 0  # in a row
    newest: tuple[int, float | None] | None = None  # sequence and programme date of the last segment at the last probe
    aligned: bool | None = None  # whether it is numbered as the watched one is


@dataclass(frozen=True, slots=True)
class Edge:
    """How far the watched rendition is: its newest segment."""

    sequence: int
    ends: float | None  # Unix time, by its programme date

    @classmethod
    def of(cls, newest: Segment) -> "Edge":
        return cls(newest.sequence, _ends(newest))


@dataclass(frozen=True, slots=True)
class Probe:
    """What one probe tells: seconds behind the watched rendition (None when not known), and whether it went on."""

    lag: float | None
    advanced: bool


@dataclass(frozen=True, slots=True)
class Turnover:
    """Renditions that came and went since the multivariant playlist was read before."""

    appeared: tuple[str, ...] = ()
    vanished: tuple[str, ...] = ()


class RenditionRota:
    """One rendition every `every` seconds, each of them every `each`, but sooner again after a failure."""

    def __init__(self, *, every: float = 30.0, each: float = 120.0) -> None:
        self._every, self._each = every, each
        self._known: dict[str, _Known] = {}
        self._next = 0.0
        self._read = False
        self._watched: set[str] = set()  # names; a URI may be another one when it is read again

    def __len__(self) -> int:
        return len(self._known)

    def offered(self, playlist: MultivariantPlaylist, url: str, watched: Choice, now: float) -> Turnover:
        """Takes a multivariant playlist that came from `url`, for the first time or again."""
        found = dict(_offers(playlist, url))
        if not self._read:
            self._watched = {name for name, (uri, _) in found.items() if uri in (watched.main, watched.audio)}
        offers = {name: offer for name, (_, offer) in found.items() if name not in self._watched}
        appeared = [name for name in offers if name not in self._known or not self._known[name].offered]
        vanished = [name for name, known in self._known.items() if known.offered and name not in offers]
        for name in vanished:
            self._known[name].offered = False
            self._known[name].due = now
        for name, offer in offers.items():
            if known := self._known.get(name):
                known.offer, known.offered = offer, True
            elif len(self._known) < _MOST:
                self._known[name] = _Known(offer, now)
        first, self._read = not self._read, True
        return Turnover() if first else Turnover(tuple(appeared), tuple(vanished))

    def wait(self, now: float) -> float | None:
        """Seconds until the next turn; None when there is nobody whose turn it could be."""
        due = min((known.due for known in self._known.values()), default=None)
        return None if due is None else max(0.0, due - now, self._next - now)

    def turn(self, now: float) -> Offer | None:
        """Whose turn it is now. One that is no longer offered has its turns too: probing it is an error, `GONE`."""
        known = min(self._known.values(), key=lambda known: known.due, default=None)
        if known is None or known.due > now or self._next > now:
            return None
        self._next = now + self._every
        known.due = now + (self._every if known.doubts > 1 else self._each)
        return known.offer

    def is_offered(self, offer: Offer) -> bool:
        return offer.name in self._known and self._known[offer.name].offered

    def cost(self, size: int, now: float) -> None:
        """The probe of a playlist took so many bytes: large ones are paid for with time."""
        self._next = max(self._next, now + size / _RATE)

    def failed(self, offer: Offer, now: float) -> None:
        """It could not be loaded: whether that goes on should not take a minute to learn."""
        if known := self._known.get(offer.name):
            known.failures += 1
            known.doubts = _DOUBTS
            known.due = now + (min(_AGAIN, self._every) if known.failures < _SURE else self._every)
            self._next = min(self._next, known.due)

    def probed(self, offer: Offer, playlist: MediaPlaylist, watched: Edge | None) -> Probe:
        """Compares what was loaded with the probe before, and with how far the watched rendition is."""
        known = self._known.get(offer.name)
        if known is None or not playlist.segments:
            return Probe(None, advanced=False)
        known.failures = 0
        newest = playlist.segments[-1]
        now = (newest.sequence, newest.program_time)
        before, known.newest = known.newest, now
        advanced = before is not None and now != before and (now[0] > before[0] or _later(now[1], before[1]))
        probe = Probe(_lag(known, playlist, watched), advanced)
        known.doubts = max(0, known.doubts - 1)
        if (probe.lag or 0.0) > _LAGGING or (before is not None and not advanced):
            known.doubts, known.due = _DOUBTS, min(known.due, self._next)
        return probe


def _later(one: float | None, other: float | None) -> bool:
    return one is not None and other is not None and one > other


def _ends(segment: Segment) -> float | None:
    return None if segment.program_time is None else segment.program_time + segment.duration


def _lag(known: _Known, playlist: MediaPlaylist, watched: Edge | None) -> float | None:
    """By dates; else by numbers, where these were once alike. A rendition may be ahead, which is no lag."""
    if watched is None:
        return None
    newest = playlist.segments[-1]
    ends = _ends(newest)
    if watched.ends is not None and ends is not None:
        return max(0.0, watched.ends - ends)
    behind = watched.sequence - newest.sequence
    if known.aligned is None or behind < -_ALIGNED:
        known.aligned = abs(behind) <= _ALIGNED
    return max(0.0, behind * playlist.target_duration) if known.aligned else None


def _offers(playlist: MultivariantPlaylist, url: str) -> Iterator[tuple[str, tuple[str, Offer]]]:
    """All renditions by name, with their URIs as written; those that share a URI are one."""
    variants = sorted(playlist.variants, key=lambda variant: variant.bandwidth)
    listed = [(it.uri, f"{it.height}p" if it.height else "variant", it.height, it.bandwidth) for it in variants]
    listed += [(it.uri, f"audio {it.name}".strip(), None, 0) for it in playlist.audio if it.uri]
    seen: set[str] = set()
    names: dict[str, int] = {}
    for uri, title, height, bandwidth in listed:
        if uri in seen:
            continue
        seen.add(uri)
        names[title] = names.get(title, 0) + 1
        name = title if names[title] == 1 else f"{title} ({names[title]})"
        try:
            yield name, (uri, Offer(name, join(url, uri), height, bandwidth))
        except PlaylistError:
            continue
