# SPDX-License-Identifier: Apache-2.0
"""What looks and the watch together say of a stream: its state, and whether it is overdue. Pure; called by the role."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from castwarden_model.messages import MonitorObservation
from castwarden_model.resources import StreamState
from castwarden_model.resources.monitor import MonitorSpec

from ..outcomes import Blocked, NotLive, Outcome, Upcoming

_TOLERANCE = timedelta(minutes=5)  # of a start that the site announced


@dataclass(frozen=True, slots=True)
class Planned:
    """When a stream was to begin, and how late it may be."""

    start: datetime
    tolerance: timedelta


def standing(
    seen: MonitorObservation,
    found: Outcome | None,
    *,
    shut_out: bool,
    over: bool,
    watched: bool,
    end_reason: str | None = None,
) -> MonitorObservation:
    """The state as the gateway keeps it: what the watch has `seen`, unless the last look, which `found`, knows better.

    `watched`: it is being watched, or was live. `end_reason` is what its end was told with, by whomever.
    """
    if shut_out:
        reason = found.reason if isinstance(found, Blocked) else seen.reason
        return seen.model_copy(update={"stream": StreamState.PROBE_BLOCKED, "reason": reason})
    if over:
        reason = end_reason or seen.reason or "stream_no_longer_live"
        return seen.model_copy(update={"stream": StreamState.ENDED, "reason": reason})
    if watched:
        return seen
    if isinstance(found, Upcoming):
        update = {"stream": StreamState.UPCOMING, "scheduled_start": found.start, "title": found.title or seen.title}
        return seen.model_copy(update=update)
    reason = getattr(found, "reason", None)
    return seen.model_copy(update={"reason": reason or seen.reason})


def overdue(found: Outcome | None, spec: MonitorSpec, now: datetime) -> Planned | None:
    """The start that a stream which has not begun has missed. A look that was not possible is no sign of a delay."""
    if not spec.checks.start_delayed.enabled or not isinstance(found, (Upcoming, NotLive)):
        return None
    schedule = spec.schedule
    start = schedule.start if schedule else found.start if isinstance(found, Upcoming) else None
    tolerance = schedule.tolerance if schedule else _TOLERANCE
    return None if start is None or now <= start + tolerance else Planned(start, tolerance)
