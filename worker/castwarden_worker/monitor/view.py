# SPDX-License-Identifier: Apache-2.0
"""A watch at one moment, for a person who looks on. Nothing is decided from it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from castwarden_model.resources.monitor import Statistics, StreamState

from .checks import Check, CheckSet
from .checks.freeze import Freeze
from .endless.continuous import Continuous
from .episode import Moment
from .follow.feed import Feed
from .seen import BLACK_LUMA, SegmentSeen


@dataclass(frozen=True, slots=True)
class CheckView:
    """One check: `alert` is open, or it has been bad for `bad_for` seconds and may become one."""

    condition: str
    enabled: bool
    alert: bool
    bad_for: float | None
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
    feeds: Sequence[Feed | Continuous],
    checks: CheckSet,
    state: StreamState,
    statistics: Statistics,
    problem: str | None,
    now: Moment,
) -> View:
    """What is known; `now` is the edge of media and the present time."""
    main = feeds[0] if feeds else None
    picture = main.analyzer.eyes.last if main else None
    sound = next((feed.analyzer.ears.last for feed in feeds if feed.analyzer.ears.last), None)
    target = main.tracker.target_duration if main else 0.0
    freeze = next((check for check in checks.pictures if isinstance(check, Freeze)), None)
    return View(
        state=state,
        media_time=now.media,
        checks=tuple(
            CheckView(
                check.condition, check.enabled, check.alert, _bad_for(check, now), check.raise_after, check.measured()
            )
            for check in checks
        ),
        statistics=statistics,
        newest=main.newest if main else None,
        target_duration=target,
        late=checks.stall.late,
        luma=picture.brightness if picture else None,
        dark=picture.dark_area(BLACK_LUMA) if picture else None,
        motion_db=freeze.motion_db if freeze else None,
        level_db=sound.level_db if sound else None,
        peak_db=sound.peak_db if sound else None,
        last_error=main.newest.error if main and main.newest else None,
        problem=problem,
    )


def _bad_for(check: Check, now: Moment) -> float | None:
    since = check.episode.bad_since
    return None if since is None else max(0.0, check.episode.time(now) - check.episode.time(since))
