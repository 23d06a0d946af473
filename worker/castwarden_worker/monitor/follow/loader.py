# SPDX-License-Identifier: Apache-2.0
"""How a feed gets its playlist, again and again, whatever the protocol: `hls_loader` and `dash_loader` implement it.

A loader owns the pace: `load` waits until the next load is due. It never fetches segments and keeps no history of them.
"""

from dataclasses import dataclass
from typing import Protocol

from ..playlist import MediaPlaylist
from ..seen import Kind
from .fetch import Fetcher, Page

_MIN_RELOAD = 0.3  # seconds; a target duration of zero must not become a busy loop
_MAX_RETRY = 5.0


@dataclass(frozen=True, slots=True)
class Loaded:
    """A playlist as it was just loaded, and the URL that the URIs in it are relative to."""

    playlist: MediaPlaylist
    base: str


class Loader(Protocol):
    """One rendition of one source."""

    async def load(self) -> Loaded:
        """Waits until the next load is due, and loads.

        The first call does not wait. StreamError says why a load failed (Refused and PlaylistError: a new URL may be
        needed); the next call then waits longer. A playlist that has `ended` is the last: call no more.
        """
        ...


@dataclass(frozen=True, slots=True)
class Renditions:
    """A stream of segments: a loader for all of it, or one for the picture and one for its sound.

    `announced` are the tracks that are promised. Another `format` than before means that another rendition is watched.
    `offer` is the multivariant playlist, by its URL and as it was loaded, when there are others to choose from.
    """

    fetcher: Fetcher
    loaders: tuple[Loader, ...]
    announced: frozenset[Kind] = frozenset()
    format: tuple[object, ...] | None = None
    offer: tuple[str, Page] | None = None


class Pace:
    """When to load next. Pure: monotonic time is passed in.

    RFC 8216 §6.3.4: the target duration after a load that brought something new, half of it after one that did not.
    Failures are tried again at half the target duration (1 s at least), then ever more patiently, up to 5 s.
    """

    def __init__(self) -> None:
        self.failures = 0  # in a row
        self._due: float | None = None
        self._target = 6.0

    def loaded(self, now: float, target: float, *, new: bool) -> None:
        self.failures, self._target = 0, target
        self.after(now, target if new else target / 2)

    def after(self, now: float, seconds: float) -> None:
        """Loads again `seconds` from now, for a reason that the caller knows better."""
        self._due = now + max(seconds, _MIN_RELOAD)

    def failed(self, now: float) -> None:
        self.failures += 1
        patience = max(1.0, self._target / 2) * 2 ** min(self.failures - 1, 4)
        self.after(now, min(patience, _MAX_RETRY))

    def wait(self, now: float) -> float:
        """Seconds until the next load, 0 when it is due or nothing was loaded yet."""
        return 0.0 if self._due is None else max(0.0, self._due - now)
