# SPDX-License-Identifier: Apache-2.0
"""The condition `probe_blocked`: we cannot look. One episode at a time; it says nothing about the stream."""

import time
from collections.abc import Iterable

from castwarden_model.messages import OpenCondition, Transition

from ..outcomes import Blocked
from . import facts
from .episode import Episode, Moment

CONDITION = "probe_blocked"


class ShutOut:
    """Told of as soon as it is known, so it has no thresholds."""

    def __init__(self, conditions: Iterable[OpenCondition] = ()) -> None:
        """Takes up the episode among the conditions that an earlier worker left open."""
        self._episode = Episode(CONDITION, on_air=True)
        self.adopt(conditions)

    @property
    def is_open(self) -> bool:
        return self._episode.is_open

    def adopt(self, conditions: Iterable[OpenCondition]) -> None:
        """Goes on with the episode among the conditions, if one is there."""
        known = next((known for known in conditions if known.condition == CONDITION), None)
        if known:
            self._episode.prime(known.episode, known.started_at.timestamp())

    def begin(self, outcome: Blocked, lasted: float) -> Transition | None:
        """The transition to tell, unless it was told; `lasted` is in seconds."""
        now = Moment(0.0, time.time())
        change = self._episode.reached(now, Moment(0.0, now.wall - lasted))
        if change is None:
            return None
        return facts.transition(change, None, now.wall, detail={"reason": outcome.reason, "hint": outcome.hint})

    def end(self) -> Transition | None:
        """The transition to tell, unless there is nothing to end."""
        now = Moment(0.0, time.time())
        change = self._episode.close(now)
        return None if change is None else facts.transition(change, None, now.wall)
