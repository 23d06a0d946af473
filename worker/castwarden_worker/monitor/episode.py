# SPDX-License-Identifier: Apache-2.0
"""Turns verdicts on media time into "raised" and "cleared". Knows nothing of media, networks or clocks."""

from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

from castwarden_base.ids import uuid7


@dataclass(frozen=True, slots=True)
class Moment:
    """A point of the stream: seconds of media since the first segment seen, and the wall clock (Unix time) there."""

    media: float
    wall: float

    @property
    def on_air(self) -> "Moment":
        """The same moment on the wall clock alone, for what happens while media stands still."""
        return Moment(self.wall, self.wall)

    def plus(self, seconds: float) -> "Moment":
        return Moment(self.media + seconds, self.wall + seconds)


@dataclass(frozen=True, slots=True)
class Change:
    """An episode was raised, or cleared. `duration` is how long it has lasted so far, or lasted in all."""

    condition: str
    raised: bool
    episode: UUID
    began_wall: float
    at: Moment
    duration: float
    threshold: float


@dataclass(frozen=True, slots=True)
class _Open:
    episode: UUID
    began_wall: float
    began_media: float | None  # None when another process raised it


class Episode:
    """One check's memory: at most one open episode at a time.

    A stall stops media time, so an episode can neither grow nor clear while nothing arrives.
    """

    def __init__(self, condition: str, new_id: Callable[[], UUID] = uuid7) -> None:
        self.condition = condition
        self.raise_after = 0.0
        self.clear_after = 0.0
        self.bad: bool | None = None
        self._since: Moment | None = None  # where the present run of equal verdicts began
        self._open: _Open | None = None
        self._new_id = new_id

    @property
    def is_open(self) -> bool:
        return self._open is not None

    @property
    def bad_since(self) -> Moment | None:
        """Where the present bad run began."""
        return self._since if self.bad else None

    def prime(self, episode: UUID, began_wall: float) -> None:
        """Goes on with an episode that was raised before this process began."""
        self._open = _Open(episode, began_wall, None)

    def observe(self, at: Moment, bad: bool, since: Moment | None = None) -> Change | None:
        """The verdict at one moment. `since` dates a new run back to where it is now known to have begun."""
        if bad != self.bad or self._since is None:
            self.bad, self._since = bad, since or at
        return self.hold(at)

    def hold(self, until: Moment) -> Change | None:
        """The last verdict is known to hold up to `until`."""
        if self._since is None or not self.due_by(until.media):
            return None
        return self._clear(self._since) if self._open else self._raise(self._since)

    def due_by(self, media: float) -> bool:
        """Whether the present run, if it lasts until then, raises or clears."""
        if self._since is None or self.bad == self.is_open:
            return False
        return media - self._since.media >= (self.raise_after if self.bad else self.clear_after) - 1e-6

    def close(self, at: Moment) -> Change | None:
        """Ends the open episode at once, and forgets the present run."""
        self.bad = self._since = None
        return self._cleared(at, at) if self._open else None

    def _raise(self, since: Moment) -> Change:
        self._open = _Open(self._new_id(), since.wall, since.media)
        at = since.plus(self.raise_after)
        return Change(
            self.condition, True, self._open.episode, since.wall, at, self.raise_after, threshold=self.raise_after
        )

    def _clear(self, since: Moment) -> Change | None:
        return self._cleared(since, since.plus(self.clear_after))

    def _cleared(self, end: Moment, at: Moment) -> Change | None:
        if (was := self._open) is None:
            return None
        self._open = None
        lasted = end.wall - was.began_wall if was.began_media is None else end.media - was.began_media
        return Change(
            self.condition, False, was.episode, was.began_wall, at, max(0.0, lasted), threshold=self.clear_after
        )
