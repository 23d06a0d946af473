# SPDX-License-Identifier: Apache-2.0
"""The condition `probe_blocked`: we cannot look. One episode at a time; it says nothing about the stream."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from castwarden_base.ids import uuid7
from castwarden_model.messages import OpenCondition, Transition

from ..outcomes import Blocked

CONDITION = "probe_blocked"


class ShutOut:
    """`open` is the episode under way."""

    def __init__(self, known: OpenCondition | None = None) -> None:
        self.open = known

    @classmethod
    def of(cls, conditions: Iterable[OpenCondition]) -> "ShutOut":
        """Takes up the episode among the conditions that an earlier worker left open."""
        made = cls()
        made.adopt(conditions)
        return made

    def adopt(self, conditions: Iterable[OpenCondition]) -> None:
        """Goes on with the episode among the conditions, if one is there."""
        self.open = next((known for known in conditions if known.condition == CONDITION), self.open)

    def begin(self, outcome: Blocked, lasted: float) -> Transition | None:
        """The transition to tell, unless it was told; `lasted` is in seconds."""
        if self.open:
            return None
        began = datetime.now(UTC) - timedelta(seconds=lasted)
        self.open = OpenCondition(condition=CONDITION, episode=uuid7(), started_at=began)
        return _transition(self.open, "raised", reason=outcome.reason, hint=outcome.hint)

    def end(self) -> Transition | None:
        """The transition to tell, unless there is nothing to end."""
        if self.open is None:
            return None
        over, self.open = self.open, None
        return _transition(over, "cleared")


def _transition(episode: OpenCondition, state: str, **detail: str) -> Transition:
    now = datetime.now(UTC)
    return Transition.model_validate(
        {
            "id": uuid7(),
            "condition": CONDITION,
            "state": state,
            "episode": episode.episode,
            "at": now,
            "started_at": episode.started_at,
            "media_time": 0.0,
            "duration_sec": round(max(0.0, (now - episode.started_at).total_seconds()), 3),
            "detail": detail,
        }
    )
