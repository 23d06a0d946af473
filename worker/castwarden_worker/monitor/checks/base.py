# SPDX-License-Identifier: Apache-2.0
"""What checks have in common, and what they are shown. Pure: no media, no network, no clock."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from datetime import timedelta
from typing import ClassVar
from uuid import UUID

import numpy as np
from castwarden_model.resources.checks import Checks
from numpy.typing import NDArray

from ..episode import Change, Episode, Moment

Luma = NDArray[np.uint8]

BLACK_LUMA = 0.10
BLACK_AREA = 0.98


@dataclass(frozen=True, slots=True)
class Picture:
    """One decoded picture: its luma, thinned out to about 160 x 90 samples of 8 bits."""

    at: Moment
    luma: Luma
    full_range: bool = False  # 0..255 instead of the nominal 16..235

    @property
    def is_dark(self) -> bool:
        """Black by the usual measure, whatever the black check is set to."""
        return self.dark_area(BLACK_LUMA) >= BLACK_AREA

    def dark_area(self, luma: float) -> float:
        """Share of the picture that is at most `luma` of the nominal range bright."""
        limit = 255 * luma if self.full_range else 16 + 219 * luma
        return float(np.count_nonzero(self.luma <= int(limit)) / self.luma.size)


@dataclass(frozen=True, slots=True)
class Sound:
    """A short stretch of decoded sound: RMS of its loudest channel and its peak, in dBFS."""

    at: Moment
    seconds: float
    level_db: float
    peak_db: float


class Check(ABC):
    """One condition of the stream."""

    condition: ClassVar[str]

    def __init__(self) -> None:
        self.enabled = True
        self.episode = Episode(self.condition)

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

    def prime(self, episode: UUID, began_wall: float) -> None:
        """Goes on with an episode that another process raised."""
        self.episode.prime(episode, began_wall)

    def settle(self, at: Moment) -> Change | None:
        """A check that was switched off closes its episode."""
        return None if self.enabled else self.close(at)

    def close(self, at: Moment) -> Change | None:
        """Ends the episode at once, if one is open: nobody watches this condition any more."""
        return self.episode.close(at)

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

    @abstractmethod
    def judge(self, sound: Sound) -> bool:
        """Whether this stretch is bad. Changes nothing."""

    def observe(self, sound: Sound) -> Change | None:
        return self.episode.observe(sound.at, self.judge(sound))
