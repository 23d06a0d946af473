# SPDX-License-Identifier: Apache-2.0
"""What checks have in common. Pure: no media, no network, no clock."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import ClassVar, Generic, TypeVar
from uuid import UUID

from castwarden_model.messages import Settled
from castwarden_model.resources.checks import Checks

from ..episode import Change, Episode, Moment
from ..seen import ClockSeen, Picture, PlaylistSeen, RenditionSeen, SegmentSeen, Sound

S = TypeVar("S")
_NOTHING: Mapping[str, float | str] = {}

LULL = 0.6  # of the clear time: pauses in speech, or a speaker who holds still, do not keep an alert open


class Check(ABC):
    """One condition of the stream. Its settings are the field of the same name in the model's `Checks`."""

    condition: ClassVar[str]
    on_air: ClassVar[bool] = False  # whether it is measured on the wall clock: media stands still while it lasts
    relative: ClassVar[bool] = False  # whether it measures the stream against its own past

    def __init__(self) -> None:
        self.enabled = True
        self.adrift = False  # whether its alert was measured against something that is not known any more
        self.episode = Episode(self.condition, on_air=self.on_air)

    @abstractmethod
    def configure(self, spec: Checks) -> None:
        """Takes this check's settings; an episode that is under way goes on under them."""

    @property
    def alert(self) -> bool:
        return self.episode.is_open

    @property
    def suspicious(self) -> bool:
        """Whether it needs to see everything: it is bad now, or waits to clear."""
        return self.enabled and (bool(self.episode.bad) or self.episode.is_open)

    @property
    def raise_after(self) -> float:
        """Seconds that it must be bad, as things are."""
        return self.episode.raise_after

    def measured(self) -> Mapping[str, float | str]:
        """What it saw last, for people: it goes with the alert."""
        return {}

    def renewed(self) -> None:  # noqa: B027 - most have learnt nothing that they would have to forget
        """Another rendition is watched from now on: what was learnt of the usual one does not hold for it."""

    def recall(self, measured: Mapping[str, float | str]) -> bool:
        """Takes up what an alert was measured against. Whether that is known; not asked of what is not `relative`."""
        return not self.relative

    def prime(self, episode: UUID, began_wall: float, measured: Mapping[str, float | str] = _NOTHING) -> None:
        """Goes on with an episode that another process raised, by what it had `measured` then."""
        self.episode.prime(episode, began_wall)
        self.adrift = self.relative and not self.recall(measured)

    def settle(self, at: Moment) -> Change | None:
        """Ends an episode of which nobody can say when it will be over. That is no recovery."""
        if self.enabled and not self.adrift:
            return None
        return self.close(at, Settled.BASELINE_LOST if self.enabled else Settled.CHECK_DISABLED)

    def close(self, at: Moment, settled: str = "") -> Change | None:
        """Ends the episode at once, if one is open; `settled` tells why, unless it is a recovery."""
        self.adrift = False
        change = self.episode.close(at)
        return change and replace(change, settled=settled)

    def _limits(self, enabled: bool, raise_after: timedelta, clear_after: timedelta) -> None:
        self.enabled = enabled
        self.episode.raise_after = raise_after.total_seconds()
        self.episode.clear_after = clear_after.total_seconds()


class PictureCheck(Check):
    """Looks at pictures in order of presentation."""

    lookback: ClassVar[int] = 1  # groups of pictures to look at again when it turns bad: it began somewhere in there

    @abstractmethod
    def judge(self, picture: Picture) -> bool:
        """Whether this picture, seen now, is bad. Changes nothing."""

    @abstractmethod
    def observe(self, picture: Picture) -> Change | None:
        """Takes the picture."""

    def flips(self, picture: Picture) -> bool:
        return self.judge(picture) != bool(self.episode.bad)


class SoundCheck(Check):
    """Listens to sound in order."""

    wants_wave: ClassVar[bool] = False  # whether it needs all sound, as a waveform

    @abstractmethod
    def judge(self, sound: Sound) -> bool:
        """Whether this stretch is bad. Changes nothing."""

    def observe(self, sound: Sound) -> Change | None:
        return self.episode.observe(sound.at, self.judge(sound))


class FactCheck(Check, Generic[S]):
    """Looks at facts of one kind that nothing has to be decoded for."""

    @abstractmethod
    def observe(self, seen: S) -> Change | None:
        """Takes the fact. Not called while the check is switched off."""


class SegmentCheck(FactCheck[SegmentSeen]):
    """Looks at every segment of every rendition that is watched."""


class PlaylistCheck(FactCheck[PlaylistSeen]):
    """Looks at every load of a playlist, and at every failure of one."""


class RenditionCheck(FactCheck[RenditionSeen]):
    """Looks at the probes of the other renditions."""


class ClockCheck(FactCheck[ClockSeen]):
    """Looks at the clock."""
