# SPDX-License-Identifier: Apache-2.0
"""What the checks' verdicts mean for picture and sound as a whole, and what is counted. Called by the watch. Pure."""

from collections.abc import Mapping

from castwarden_model.conditions import CONDITIONS, Group
from castwarden_model.resources.monitor import Health, Statistics

from .checks import CheckSet
from .episode import Change
from .seen import Kind

_GONE = ("stall", "playlist_errors")  # nothing arrives, neither picture nor sound
_BOTH = ("av_drift", "codec_change", "slow_delivery", "discontinuity")
_IMPAIRED: dict[Kind, tuple[str, ...]] = {
    "video": (*(name for name, entry in CONDITIONS.items() if entry.group == Group.PICTURE), "quality_drop", *_BOTH),
    "audio": (*(name for name, entry in CONDITIONS.items() if entry.group == Group.SOUND), *_BOTH),
}
_COUNTERS = {"black": "blackout_events", "freeze": "freeze_events", "silence": "silence_events"}


def health_of(track: Kind, checks: CheckSet, carried: Mapping[str, frozenset[Kind]], *, seen: bool) -> Health:
    """One track's health: ERROR when it is gone, WARNING when something is wrong with it, UNKNOWN before it was `seen`.

    `carried` tells which tracks each rendition brings. Other renditions, dates and numbering are nobody's health, nor
    is it that we cannot keep up.
    """
    if not seen:
        return Health.UNKNOWN
    broken = checks.open(("segment_errors",)) and any(
        track in tracks and checks.segment_errors.is_broken(rendition) for rendition, tracks in carried.items()
    )
    if broken or checks.open((*_GONE, f"{track}_missing")):
        return Health.ERROR
    return Health.WARNING if checks.open(_IMPAIRED[track]) else Health.OK


def count(change: Change, statistics: Statistics) -> None:
    """Takes an alert that was raised into the counts."""
    if change.raised:
        counts = statistics.alerts
        counts[change.condition] = counts.get(change.condition, 0) + 1
        if counter := _COUNTERS.get(change.condition):
            setattr(statistics, counter, getattr(statistics, counter) + 1)
