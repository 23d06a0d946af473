# SPDX-License-Identifier: Apache-2.0
"""What holds for all checks: there is one per condition, and none takes what it learnt of one rendition to the next."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from castwarden_model.conditions import ALERTS
from castwarden_model.resources.checks import Checks
from castwarden_worker.monitor.checks import REGISTRY, Check
from castwarden_worker.monitor.episode import Change
from castwarden_worker.monitor.seen import PlaylistSeen, RenditionSeen, SegmentSeen, Sound, TrackSeen
from castwarden_worker.monitor.shut_out import CONDITION as PROBE_BLOCKED

from tests.unit.monitor.made import at

BY_NAME = {kind.condition: kind for kind in REGISTRY}
NOT_OF_A_RENDITION = {  # these go by what they see now, or by what holds for all renditions of a stream
    "black",
    "black_with_logo",
    "blank",
    "freeze",
    "silence",
    "one_channel_silent",
    "clipping",
    "stall",
    "segment_errors",
    "playlist_errors",
    "discontinuity",
    "analysis_degraded",
}
LOUD = "low_loudness"
PICTURE = TrackSeen("h264", 500_000, 0.0, 3.96, height=720, width=1280, key_size=80_000.0, detail=0.05)
SMALL = replace(PICTURE, size=100_000, height=240, width=426, key_size=15_000.0)
SOUND = TrackSeen("aac", 60_000, 0.0, 3.98, rate=48_000, channels=2)


def segments(first: int, count: int, video: TrackSeen | None, audio: TrackSeen | None, **given: Any) -> Any:
    """Segments of four seconds."""
    return [
        SegmentSeen(at(4.0 * n), 4.0, sequence=n, video=video, audio=audio, **given)
        for n in range(first, first + count)
    ]


def loads(first: int, count: int, **given: Any) -> list[PlaylistSeen]:
    return [
        PlaylistSeen(at(4.0 * n), target_duration=4.0, added=4.0, new=1, **given) for n in range(first, first + count)
    ]


def probes(first: int, count: int, **given: Any) -> list[RenditionSeen]:
    return [RenditionSeen(at(15.0 * n), "360p", **given) for n in range(first, first + count)]


def noise(first: int, seconds: int, level_db: float) -> list[Sound]:
    """Ten stretches of sound a second."""
    wave = np.random.default_rng(1).normal(0, 10 ** (level_db / 20), (2, 4800)).astype(np.float32)
    return [
        Sound(at(n / 10), 0.1, level_db, level_db + 9, (level_db, level_db), wave, 48_000)
        for n in range(10 * first, 10 * (first + seconds))
    ]


def dated(rows: Iterable[SegmentSeen], offset: float) -> list[SegmentSeen]:
    return [replace(seen, program_time=seen.at.wall + offset) for seen in rows]


LEARNT: dict[str, tuple[list[Any], list[Any]]] = {
    "audio_missing": (segments(0, 5, PICTURE, SOUND), segments(5, 10, PICTURE, None)),
    "video_missing": (segments(0, 5, PICTURE, SOUND), segments(5, 10, None, SOUND)),
    "av_drift": (
        segments(0, 10, PICTURE, SOUND),
        segments(10, 10, PICTURE, replace(SOUND, first_pts=2.0, last_pts=5.98)),
    ),
    "codec_change": (segments(0, 5, PICTURE, SOUND), segments(5, 5, SMALL, SOUND)),
    "quality_drop": (segments(0, 40, PICTURE, SOUND), segments(40, 40, SMALL, SOUND)),
    "slow_delivery": (
        segments(0, 2, None, SOUND, took=3.9, rendition="audio"),
        segments(2, 20, PICTURE, SOUND, took=0.5),
    ),
    "pdt_jump": (dated(segments(0, 5, PICTURE, SOUND), 0.0), dated(segments(5, 5, PICTURE, SOUND), 60.0)),
    "sequence_regression": (loads(0, 1, behind=2, last_sequence=9), loads(3, 3, last_sequence=9)),
    "latency_growth": (loads(0, 30, latency=10.0), [replace(seen, latency=60.0, added=0.0) for seen in loads(42, 60)]),
    "rendition_missing": (probes(0, 2, error="HTTP 404"), probes(2, 1, error="HTTP 404") + probes(3, 3)),
    "rendition_stale": (probes(0, 2, advanced=True), probes(6, 1, advanced=False)),
}


def told(check: Check, facts: Iterable[Any]) -> list[Change]:
    observe: Any = check.observe  # type: ignore[attr-defined]  # each kind of check is shown its own kind of fact
    return [change for seen in facts if (change := observe(seen))]


def test_every_alert_has_a_check_and_every_check_an_alert() -> None:
    assert len(BY_NAME) == len(REGISTRY)
    assert BY_NAME.keys() == ALERTS.keys() - {PROBE_BLOCKED}
    assert BY_NAME.keys() <= Checks.model_fields.keys()


def test_every_check_has_learnt_something_of_a_rendition_or_says_that_it_has_not() -> None:
    assert {kind.condition for kind in REGISTRY if kind.renewed is not Check.renewed} == LEARNT.keys() | {LOUD}
    assert BY_NAME.keys() - LEARNT.keys() - {LOUD} == NOT_OF_A_RENDITION


@pytest.mark.parametrize("condition", LEARNT)
def test_what_was_learnt_of_one_rendition_is_forgotten_when_another_is_watched(condition: str) -> None:
    one, other = LEARNT[condition]
    raised: list[list[bool]] = []
    for renewed in (True, False):
        check = BY_NAME[condition]()
        check.configure(Checks())
        assert told(check, one) == []
        if renewed:
            check.renewed()
        raised.append([change.raised for change in told(check, other)])
    assert raised[0] == []
    assert raised[1][:1] == [True]


@pytest.mark.parametrize(("renewed", "raised"), [(True, [True]), (False, [])])
def test_what_was_loud_of_one_rendition_does_not_hide_that_another_is_quiet(renewed: bool, raised: list[bool]) -> None:
    check = BY_NAME[LOUD]()
    check.configure(Checks.model_validate({"lowLoudness": {"measure": "Integrated"}, "silence": {"enabled": False}}))
    assert told(check, noise(0, 20, -15.0)) == []
    if renewed:
        check.renewed()
    assert [change.raised for change in told(check, noise(20, 80, -50.0))] == raised
