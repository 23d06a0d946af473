# SPDX-License-Identifier: Apache-2.0
"""Episodes of real media begin, are raised and clear where they should, whatever the packaging."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from castwarden_local.origin.encode import Recipe
from castwarden_local.origin.live import Kind, LiveOrigin
from castwarden_worker.monitor.watch import Watch

from .conftest import Told, spec

Watched = Callable[..., Awaitable[tuple[Watch, Told]]]
FRAME = 1 / 25
SCRIPT: list[tuple[float, Kind]] = [
    (8.2, "motion"),
    (7.1, "black"),
    (6.0, "motion"),
    (7.3, "silent"),
    (6.0, "motion"),
    (9.5, "frozen"),
    (6.0, "motion"),
]
# condition: where it begins, how long it lasts, and how exactly that is known
BEGINS = {"black": (8.2, 7.1, FRAME), "silence": (21.3, 7.3, 0.2), "freeze": (34.6, 9.5, 2 * FRAME)}
AFTER = {"black": 3.0, "silence": 3.0, "freeze": 5.0}


def small(**given: Any) -> Recipe:
    return Recipe(width=160, height=90, **given)


PACKAGINGS = {
    "ts 1s": small(segment_seconds=1.0),
    "ts 4s, gop 2s": small(segment_seconds=4.0, gop_seconds=2.0),
    "ts 4s, gop 4s, separate sound": small(segment_seconds=4.0, separate_audio=True),
    "fmp4 1s, separate sound": small(segment_seconds=1.0, container="fmp4", separate_audio=True),
    "fmp4 4s, gop 1s": small(segment_seconds=4.0, gop_seconds=1.0, container="fmp4"),
}


@pytest.mark.parametrize("recipe", PACKAGINGS.values(), ids=PACKAGINGS)
async def test_each_episode_is_dated_exactly(watched: Watched, recipe: Recipe) -> None:
    async with LiveOrigin(SCRIPT, recipe=recipe, live=False) as origin:
        for depth in ("Keyframes", "Full"):
            watch, told = await watched(origin.url, spec(depth=depth))
            assert watch.statistics.segment_errors == 0
            check_episodes(told, origin.went_on_air.timestamp())


def check_episodes(told: Told, air: float) -> None:
    assert sorted(told.words) == sorted(
        ["stream.started", "stream.ended", *(f"{name} {state}" for name in BEGINS for state in ("raised", "cleared"))]
    )
    for name, (begins, lasts, exactly) in BEGINS.items():
        raised, cleared = told.transition(f"{name} raised"), told.transition(f"{name} cleared")
        assert raised.started_at.timestamp() - air == pytest.approx(begins, abs=exactly + 0.05)
        assert raised.media_time == pytest.approx(begins + AFTER[name], abs=exactly)
        assert cleared.media_time == pytest.approx(begins + lasts + 2, abs=exactly)
        assert cleared.duration_sec == pytest.approx(lasts, abs=2 * exactly)
        assert raised.episode == cleared.episode
        assert raised.segment is not None


@pytest.mark.parametrize(("seconds", "alert"), [(2.9, False), (3.1, True)])
@pytest.mark.parametrize("gop", [1.0, 4.0])
async def test_the_threshold_is_kept_to_the_frame_although_only_keyframes_are_decoded(
    watched: Watched, seconds: float, alert: bool, gop: float
) -> None:
    recipe = small(segment_seconds=4.0, gop_seconds=gop)
    async with LiveOrigin([(8.4, "motion"), (seconds, "black"), (9, "motion")], recipe=recipe, live=False) as origin:
        _, told = await watched(origin.url)
    assert ("black raised" in told.words) is alert


@pytest.mark.parametrize("container", ["ts", "fmp4"])
@pytest.mark.parametrize(("segment", "gop"), [(8.0, 8.0), (2.0, 8.0), (2.0, 600.0)])
async def test_an_episode_between_two_keyframes_is_seen(
    watched: Watched, container: str, segment: float, gop: float
) -> None:
    recipe = small(segment_seconds=segment, gop_seconds=gop, container=container)
    async with LiveOrigin([(9, "motion"), (5, "black"), (18, "motion")], recipe=recipe, live=False) as origin:
        watch, told = await watched(origin.url)
    assert told.transition("black raised").media_time == pytest.approx(12, abs=FRAME)
    assert told.transition("black cleared").media_time == pytest.approx(16, abs=FRAME)
    assert watch.statistics.segment_errors == 0


async def test_a_stream_of_one_endless_group_is_watched_in_bounded_memory(watched: Watched) -> None:
    recipe = small(segment_seconds=2.0, gop_seconds=600)
    async with LiveOrigin([(40, "motion"), (8, "frozen"), (10, "motion")], recipe=recipe, live=False) as origin:
        watch, told = await watched(origin.url, spec({"freeze": {"raiseAfter": "6s", "clearAfter": "1s"}}))
    assert told.transition("freeze raised").media_time == pytest.approx(46, abs=3 * FRAME)
    assert told.transition("freeze cleared").media_time == pytest.approx(49, abs=3 * FRAME)
    assert watch.feeds[0].analyzer.eyes.kept < 1_000_000


async def test_while_all_is_well_hardly_anything_is_decoded(watched: Watched) -> None:
    async with LiveOrigin([(60, "motion")], recipe=small(), live=False) as origin:
        watch, told = await watched(origin.url, spec(checks={}))
    assert told.words == ["stream.started", "stream.ended"]
    until_motion_is_known = 25 * 6.5  # frames: only then can a picture be frozen
    assert watch.feeds[0].analyzer.eyes.decoded <= until_motion_is_known + 12
