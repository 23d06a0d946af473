# SPDX-License-Identifier: Apache-2.0
"""Turns verdicts on media time into "raised" and "cleared". Knows nothing of media, networks or clocks."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from uuid import UUID

from castwarden_base.ids import uuid7


@dataclass(frozen=True, slots=True)
class Moment:
    """A point of the stream: seconds of media since the first segment seen, and the wall clock (Unix time) there."""

    media: float
    wall: float

    def plus(self, seconds: float) -> "Moment":
        return Moment(self.media + seconds, self.wall + seconds)


@dataclass(frozen=True, slots=True)
class Change:
    """An episode was raised, or cleared. `duration` is how long it has lasted so far, or lasted in all.

    `settled`: why it ended although nobody saw it recover; empty for a recovery.
    """

    condition: str
    raised: bool
    episode: UUID
    began_wall: float
    at: Moment
    duration: float
    threshold: float
    settled: str = ""


@dataclass(frozen=True, slots=True)
class _Open:
    episode: UUID
    began_wall: float
    began: float | None  # on the episode's clock; None when another process raised it


class Episode:
    """One check's memory: at most one open episode at a time.

    A stall stops media time, so an episode can neither grow nor clear while nothing arrives. What goes on while media
    stands still is measured `on_air` instead: on the wall clock.

    One good verdict ends a bad run that is not an alert yet. `lull`: seconds of bad that, while an alert waits to
    clear, do not break the good run.
    """

    def __init__(self, condition: str, new_id: Callable[[], UUID] = uuid7, *, on_air: bool = False) -> None:
        self.condition = condition
        self.on_air = on_air
        self.raise_after = 0.0
        self.clear_after = 0.0
        self.lull = 0.0
        self.bad: bool | None = None
        self._since: Moment | None = None  # where the present run of equal verdicts began
        self._lull_since: Moment | None = None
        self._open: _Open | None = None
        self._new_id = new_id

    @property
    def is_open(self) -> bool:
        return self._open is not None

    @property
    def bad_since(self) -> Moment | None:
        """Where the present bad run began."""
        return self._since if self.bad else None

    def time(self, at: Moment) -> float:
        """The moment on this episode's clock."""
        return at.wall if self.on_air else at.media

    def prime(self, episode: UUID, began_wall: float) -> None:
        """Goes on with an episode that was raised before this process began."""
        self._open = _Open(episode, began_wall, None)

    def observe(self, at: Moment, bad: bool, since: Moment | None = None) -> Change | None:
        """The verdict at one moment. `since` dates a new run back to where it is now known to have begun."""
        if bad and self._open and self.bad is False:
            self._lull_since = self._lull_since or since or at
            if self.time(at) - self.time(self._lull_since) < self.lull:
                return None
            since = self._lull_since
        self._lull_since = None
        if bad != self.bad or self._since is None:
            self.bad, self._since = bad, since or at
        return self.hold(at)

    def reached(self, at: Moment, since: Moment) -> Change | None:
        """What began at `since` is enough by another measure: raised now, however long it took.

        `raise_after` is no longer than that, and zero where a count decides.
        """
        change = self.observe(at, bad=True, since=since)
        return change and replace(change, at=at, duration=max(0.0, self.time(at) - self.time(since)))

    def hold(self, until: Moment) -> Change | None:
        """The last verdict is known to hold up to `until`."""
        if self._since is None or not self.due_by(self.time(until)):
            return None
        return self._cleared(self._since, until) if self._open else self._raise(self._since, until)

    def unseen(self, seconds: float) -> None:
        """So much media went by that nobody saw. It was neither good nor bad: no run and no episode grows by it."""
        if self.on_air:
            return
        self._since = self._since and Moment(self._since.media + seconds, self._since.wall)
        self._lull_since = self._lull_since and Moment(self._lull_since.media + seconds, self._lull_since.wall)
        if self._open and self._open.began is not None:
            self._open = replace(self._open, began=self._open.began + seconds)

    def due_by(self, time: float) -> bool:
        """Whether the present run, if it lasts until then, raises or clears."""
        if self._since is None or self._lull_since or self.bad == self.is_open:
            return False
        return time - self.time(self._since) >= (self.raise_after if self.bad else self.clear_after) - 1e-6

    def close(self, at: Moment) -> Change | None:
        """Ends the open episode at once, and forgets the present run."""
        self.bad = self._since = self._lull_since = None
        return self._ended(at, at) if self._open else None

    def _raise(self, since: Moment, until: Moment) -> Change:
        self._open = _Open(self._new_id(), since.wall, self.time(since))
        return Change(
            self.condition,
            True,
            self._open.episode,
            since.wall,
            self._after(since, self.raise_after, until),
            self.raise_after,
            threshold=self.raise_after,
        )

    def _cleared(self, since: Moment, until: Moment) -> Change | None:
        return self._ended(since, self._after(since, self.clear_after, until))

    def _after(self, since: Moment, seconds: float, until: Moment) -> Moment:
        """The moment at which it was due. On the wall clock media cannot have gone further than it did."""
        at = since.plus(seconds)
        return Moment(min(at.media, until.media), at.wall) if self.on_air else at

    def _ended(self, end: Moment, at: Moment) -> Change | None:
        if (was := self._open) is None:
            return None
        self._open = None
        lasted = end.wall - was.began_wall if was.began is None else self.time(end) - was.began
        return Change(
            self.condition, False, was.episode, was.began_wall, at, max(0.0, lasted), threshold=self.clear_after
        )
