# SPDX-License-Identifier: Apache-2.0
"""Puts what was seen into the words of the messages that go to the gateway."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from castwarden_base.ids import uuid7
from castwarden_model.messages import Occurrence, Segment, Transition

from .episode import Change
from .seen import SegmentSeen

_NOTHING: Mapping[str, Any] = {}


def transition(
    change: Change,
    segment: SegmentSeen | None,
    now: float,
    measured: Mapping[str, float | str] = _NOTHING,
    detail: Mapping[str, str] = _NOTHING,
) -> Transition:
    """The message for a change that was told at `now` (Unix time), while `segment` was analysed."""
    return Transition(
        id=uuid7(),
        condition=change.condition,
        state="raised" if change.raised else "cleared",
        episode=change.episode,
        at=_utc(max(now, change.began_wall)),  # a clock that was set back makes no episode end before it began
        started_at=_utc(change.began_wall),
        media_time=round(max(0.0, change.at.media), 3),
        duration_sec=round(change.duration, 3),
        threshold_sec=change.threshold,
        segment=Segment(sequence=segment.sequence, duration=segment.seconds) if segment else None,
        measured=dict(measured) if change.raised else {},
        detail=dict(detail),
    )


def started(title: str, now: float) -> Occurrence:
    return Occurrence(id=uuid7(), type="stream.started", at=_utc(now), data={"title": title})


def ended(reason: str, now: float) -> Occurrence:
    return Occurrence(id=uuid7(), type="stream.ended", at=_utc(now), data={"reason": reason})


def epoch_changed(from_sequence: int, to_sequence: int, now: float) -> Occurrence:
    data = {"from_sequence": from_sequence, "to_sequence": to_sequence}
    return Occurrence(id=uuid7(), type="stream.epoch_changed", at=_utc(now), data=data)


def _utc(unix: float) -> datetime:
    return datetime.fromtimestamp(unix, UTC)
