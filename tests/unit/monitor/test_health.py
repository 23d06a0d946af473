# SPDX-License-Identifier: Apache-2.0
"""What the checks' verdicts mean for picture and sound, and what is counted."""

from uuid import uuid4

import pytest
from castwarden_model.conditions import ALERTS, Group
from castwarden_model.resources.checks import Checks
from castwarden_model.resources.monitor import Health, Statistics
from castwarden_worker.monitor.checks import CheckSet
from castwarden_worker.monitor.episode import Change, Moment
from castwarden_worker.monitor.health import count, health_of
from castwarden_worker.monitor.seen import BOTH, Kind, SegmentSeen

MUXED = {"main": BOTH}
APART: dict[str, frozenset[Kind]] = {"main": frozenset(("video",)), "audio": frozenset(("audio",))}


def opened(*conditions: str) -> CheckSet:
    checks = CheckSet(Checks())
    for condition in conditions:
        check = checks.named(condition)
        assert check is not None
        check.prime(uuid4(), 1e9)
    return checks


def health(*conditions: str) -> tuple[Health, Health]:
    checks = opened(*conditions)
    return health_of("video", checks, MUXED, seen=True), health_of("audio", checks, MUXED, seen=True)


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("black", (Health.WARNING, Health.OK)),
        ("silence", (Health.OK, Health.WARNING)),
        ("quality_drop", (Health.WARNING, Health.OK)),
        ("av_drift", (Health.WARNING, Health.WARNING)),
        ("video_missing", (Health.ERROR, Health.OK)),
        ("audio_missing", (Health.OK, Health.ERROR)),
        ("stall", (Health.ERROR, Health.ERROR)),
        ("playlist_errors", (Health.ERROR, Health.ERROR)),
        ("rendition_missing", (Health.OK, Health.OK)),
        ("latency_growth", (Health.OK, Health.OK)),
        ("analysis_degraded", (Health.OK, Health.OK)),
    ],
)
def test_an_open_alert_means_for_picture_and_sound(condition: str, expected: tuple[Health, Health]) -> None:
    assert health(condition) == expected


def test_what_is_gone_weighs_more_than_what_is_impaired() -> None:
    assert health("black", "video_missing")[0] is Health.ERROR


def test_a_track_that_was_never_seen_is_unknown() -> None:
    assert health_of("audio", opened("silence", "stall"), MUXED, seen=False) is Health.UNKNOWN


def test_broken_segments_of_the_sound_leave_the_picture_well() -> None:
    checks = CheckSet(Checks())
    for number in range(3):
        at = Moment(4.0 * number, 1e9 + 4 * number)
        checks.segment(SegmentSeen(at, 4.0, "audio", number, error="HTTP 404"))
    assert health_of("video", checks, APART, seen=True) is Health.OK
    assert health_of("audio", checks, APART, seen=True) is Health.ERROR


def test_every_alert_of_picture_and_sound_is_seen_in_that_track() -> None:
    for track, group in (("video", Group.PICTURE), ("audio", Group.SOUND)):
        for name, entry in ALERTS.items():
            if entry.group == group and CheckSet(Checks()).named(name):
                assert dict(zip(("video", "audio"), health(name), strict=True))[track] is Health.WARNING


def test_alerts_are_counted_once_each_by_condition_and_in_the_old_counters() -> None:
    statistics = Statistics()
    for condition, raised in (("black", True), ("black", False), ("stall", True), ("black", True)):
        count(Change(condition, raised, uuid4(), 1e9, Moment(0, 1e9), 0.0, 0.0), statistics)
    assert statistics.alerts == {"black": 2, "stall": 1}
    assert statistics.blackout_events == 2
