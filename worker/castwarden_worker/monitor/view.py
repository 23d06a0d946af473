# SPDX-License-Identifier: Apache-2.0
"""A watch at one moment, for a person who looks on. Nothing is decided from it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from castwarden_model.resources.monitor import Statistics, StreamState

from .checks import CheckSet
from .checks.freeze import Freeze
from .feed import Feed
from .seen import SegmentSeen


@dataclass(frozen=True, slots=True)
class CheckView:
    """One check: `alert` is open, or it is bad since `bad_since` (media time) and may become one."""

    condition: str
    enabled: bool
    alert: bool
    bad_since: float | None
    raise_after: float
    measured: Mapping[str, float | str]


@dataclass(frozen=True, slots=True)
class View:
    """`luma` is the mean of the nominal range, `dark` the share that is black, `motion_db` and `level_db` in dB."""

    state: StreamState
    media_time: float
    checks: tuple[CheckView, ...]
    statistics: Statistics
    newest: SegmentSeen | None
    target_duration: float
    late: bool
    luma: float | None = None
    dark: float | None = None
    motion_db: float | None = None
    level_db: float | None = None
    peak_db: float | None = None
    last_error: str | None = None
    problem: str | None = None


def view_of(
    feeds: Sequence[Feed], checks: CheckSet, state: StreamState, statistics: Statistics, problem: str | None
) -> View:
    """What is known now."""
    main = feeds[0] if feeds else None
    picture = main.analyzer.eyes.last if main else None
    sound = next((feed.analyzer.ears.last for feed in feeds if feed.analyzer.ears.last), None)
    target = main.tracker.target_duration if main else 0.0
    freeze = next((check for check in checks.pictures if isinstance(check, Freeze)), None)
    return View(
        state=state,
        media_time=main.analyzer.timeline.edge if main else 0.0,
        checks=tuple(
            CheckView(
                check.condition,
                check.enabled,
                check.alert,
                check.episode.bad_since.media if check.episode.bad_since else None,
                check.raise_after,
                check.measured(),
            )
            for check in checks
        ),
        statistics=statistics,
        newest=main.newest if main else None,
        target_duration=target,
        late=checks.stall.late,
        luma=picture.brightness if picture else None,
        dark=picture.dark_area(0.10) if picture else None,
        motion_db=freeze.motion_db if freeze else None,
        level_db=sound.level_db if sound else None,
        peak_db=sound.peak_db if sound else None,
        last_error=main.newest.error if main and main.newest else None,
        problem=problem,
    )
