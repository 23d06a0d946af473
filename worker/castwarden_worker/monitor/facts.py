# SPDX-License-Identifier: Apache-2.0
"""Puts what was seen into the words of the messages that go to the gateway."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from castwarden_base.ids import derived_uuid7, uuid7
from castwarden_model.messages import Occurrence, ResourceRef, Segment, Transition

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
        settled=change.settled,
    )


def started(title: str, now: float) -> Occurrence:
    return Occurrence(id=uuid7(), type="stream.started", at=_utc(now), data={"title": title})


def ended(reason: str, now: float) -> Occurrence:
    return Occurrence(id=uuid7(), type="stream.ended", at=_utc(now), data={"reason": reason})


def epoch_changed(from_sequence: int, to_sequence: int, now: float) -> Occurrence:
    data = {"from_sequence": from_sequence, "to_sequence": to_sequence}
    return Occurrence(id=uuid7(), type="stream.epoch_changed", at=_utc(now), data=data)


def delayed(resource: ResourceRef, start: datetime, tolerance: timedelta) -> Occurrence:
    """Told once per planned start, whoever tells it again."""
    now = datetime.now(UTC)
    data = {
        "scheduled_start_time": start.isoformat(),
        "delay_sec": round((now - start).total_seconds(), 3),
        "tolerance_sec": tolerance.total_seconds(),
    }
    id_ = derived_uuid7(start + tolerance, resource.uid, "stream.delayed", "", "")
    return Occurrence(id=id_, type="stream.delayed", at=now, data=data)


def unsupported(resource: ResourceRef, version: str, reason: str, message: str) -> Occurrence:
    """Told once per `version` of the spec and reason, whoever tells it again."""
    id_ = derived_uuid7(datetime.fromtimestamp(0, UTC), resource.uid, "monitor.error", reason, version)
    data = {"reason": reason, "message": message}
    return Occurrence(id=id_, type="monitor.error", at=datetime.now(UTC), data=data)


def _utc(unix: float) -> datetime:
    return datetime.fromtimestamp(unix, UTC)
