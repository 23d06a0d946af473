# SPDX-License-Identifier: Apache-2.0
"""The last ten minutes as points, when a look is sent, and what a thumbnail looks like."""

import asyncio
import io
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import av
import numpy as np
import pytest
from castwarden_base.ids import uuid7
from castwarden_model.messages import LARGEST_THUMBNAIL, Look, ResourceRef, Transition
from castwarden_model.resources import StreamState
from castwarden_model.resources.monitor import Statistics
from castwarden_worker.errors import Unavailable
from castwarden_worker.monitor.episode import Moment
from castwarden_worker.monitor.glance import Glances, Shown, Strip
from castwarden_worker.monitor.seen import Picture, SegmentSeen
from castwarden_worker.monitor.thumbnail import thumbnail
from castwarden_worker.monitor.view import View

LIVE, STALLED = StreamState.LIVE, StreamState.STALLED
REF = ResourceRef(kind="Monitor", namespace="media", name="main", uid="uid-1")
NOON = 1_795_176_000


def view(media: float = 0.0, **values: Any) -> View:
    plain = View(LIVE, media, (), Statistics(), None, 2.0, late=False)
    return replace(plain, **values)


def segment(sequence: int, took: float = 0.5, size: int = 100_000) -> SegmentSeen:
    return SegmentSeen(Moment(2.0 * sequence, 0.0), 2.0, sequence=sequence, took=took, size=size)


def grey(value: int = 128, shape: tuple[int, int] = (90, 160)) -> Picture:
    return Picture(Moment(0.0, 0.0), np.full(shape, value, np.uint8))


def test_a_point_holds_the_mean_of_ten_seconds_and_the_loudest_sound() -> None:
    strip = Strip()
    for second, (luma, level) in enumerate([(0.2, -30.0), (0.4, -10.0), (0.6, -50.0)]):
        strip.sample(view(second + 1.0, luma=luma, dark=0.1, motion_db=-20.0, level_db=level), LIVE, NOON + second)
    (point,) = strip.points
    assert point.at.timestamp() == NOON
    assert (point.luma, point.dark, point.motion_db, point.level_db) == (0.4, 0.1, -20.0, -10.0)
    assert (point.state, point.delivery_ratio, point.bitrate_kbps) == (LIVE, None, None)


def test_what_does_not_move_is_not_measured_again_and_leaves_an_empty_point() -> None:
    strip = Strip()
    for second in range(0, 30, 5):
        strip.sample(view(1.0, luma=0.5, level_db=-20.0, newest=segment(1)), STALLED, NOON + second)
    assert [point.luma for point in strip.points] == [0.5, None, None]
    assert [point.level_db for point in strip.points] == [-20.0, None, None]
    assert [point.bitrate_kbps for point in strip.points] == [400.0, None, None]
    assert {point.state for point in strip.points} == {STALLED}


def test_delivery_and_bitrate_are_of_all_segments_in_the_point() -> None:
    strip = Strip()
    strip.sample(view(2.0, newest=segment(1, took=0.5, size=100_000)), LIVE, NOON)
    strip.sample(view(4.0, newest=segment(2, took=3.5, size=300_000)), LIVE, NOON + 2)
    (point,) = strip.points
    assert (point.delivery_ratio, point.bitrate_kbps) == (1.0, 800.0)


def test_a_segment_that_could_not_be_fetched_has_no_bitrate() -> None:
    strip = Strip()
    strip.sample(view(2.0, newest=replace(segment(1), took=None, size=0)), LIVE, NOON)
    assert strip.points[0].bitrate_kbps is None


def test_ten_minutes_are_kept_and_no_more() -> None:
    strip = Strip()
    for second in range(0, 3600, 2):
        strip.sample(view(float(second), luma=0.5), LIVE, NOON + second)
    points = strip.points
    assert len(points) == 60
    assert points[-1].at.timestamp() - points[0].at.timestamp() == 590


def test_values_that_no_message_can_carry_are_left_out_or_clamped() -> None:
    strip = Strip()
    strip.sample(view(1.0, luma=-0.07, motion_db=float("-inf"), level_db=float("nan")), LIVE, NOON)
    (point,) = strip.points
    assert (point.luma, point.motion_db, point.level_db) == (0.0, None, None)


@dataclass
class Stage:
    """A role that shows what the test says, and a gateway that takes looks, or is away."""

    shown: Shown | None
    away: bool = False
    looks: list[tuple[float, Look]] = field(default_factory=list)

    async def send(self, look: Look) -> None:
        self.looks.append((asyncio.get_running_loop().time(), look))
        if self.away:
            raise Unavailable("nobody there")

    @property
    def times(self) -> list[int]:
        return [round(at) for at, _ in self.looks]


@asynccontextmanager
async def glancing(stage: Stage) -> AsyncIterator[Glances]:
    loop = asyncio.get_running_loop()
    glances = Glances(REF, lambda: stage.shown, stage.send, lambda: NOON + loop.time())
    running = asyncio.create_task(glances.run())
    try:
        yield glances
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


def raised(condition: str, state: str = "raised") -> Transition:
    at = "2026-11-20T12:00:00Z"
    values = {"id": uuid7(), "condition": condition, "state": state, "episode": uuid7(), "at": at, "started_at": at}
    return Transition.model_validate({**values, "media_time": 0.0, "duration_sec": 0.0})


@pytest.mark.looptime
async def test_a_look_is_sent_every_half_minute_with_each_picture_once() -> None:
    stage = Stage(Shown(3, view(1.0, luma=0.5), LIVE, grey()))
    async with glancing(stage):
        await asyncio.sleep(62)
    assert stage.times == [1, 31, 61]
    assert [look.thumbnail is not None for _, look in stage.looks] == [True, False, False]
    assert {look.epoch for _, look in stage.looks} == {3}


@pytest.mark.looptime
@pytest.mark.parametrize(
    ("condition", "state", "at_once"),
    [("black", "raised", True), ("freeze", "raised", True), ("black", "cleared", False), ("silence", "raised", False)],
)
async def test_a_condition_of_the_picture_that_is_raised_is_shown_at_once(
    condition: str, state: str, at_once: bool
) -> None:
    stage = Stage(Shown(1, view(1.0, luma=0.5), LIVE, grey()))
    async with glancing(stage) as glances:
        await asyncio.sleep(10)
        stage.shown = Shown(1, view(2.0, luma=0.0), LIVE, grey(16))
        glances.told(raised(condition, state))
        await asyncio.sleep(0.5)
        assert len(stage.looks) == (2 if at_once else 1)


@pytest.mark.looptime
async def test_what_could_not_be_sent_is_forgotten_and_its_picture_tried_again_with_the_next_look() -> None:
    stage = Stage(Shown(1, view(1.0, luma=0.5), LIVE, grey()), away=True)
    async with glancing(stage):
        await asyncio.sleep(12)
        assert stage.times == [1, 6, 11]
        stage.away = False
        await asyncio.sleep(5)
    assert stage.looks[-1][1].thumbnail is not None


@pytest.mark.looptime
async def test_nothing_is_sent_while_nothing_is_to_be_watched_nor_again_while_nothing_happens() -> None:
    stage = Stage(None)
    async with glancing(stage):
        await asyncio.sleep(100)
        assert stage.looks == []
        stage.shown = Shown(1, view(), StreamState.UPCOMING, None)
        await asyncio.sleep(300)
        assert len(stage.looks) == 1
        stage.shown = Shown(1, view(), StreamState.ENDED, None)
        await asyncio.sleep(31)
        assert len(stage.looks) > 1


def decoded(jpeg: bytes) -> Any:
    """Red, green and blue of every pixel."""
    with av.open(io.BytesIO(jpeg), "r", format="mjpeg") as container:
        return next(container.decode(video=0)).to_ndarray(format="rgb24")


Colour = tuple[int, int, int]  # Y, U, V
RED_NOMINAL: Colour = (81, 90, 240)  # BT.601


@pytest.mark.parametrize(
    ("colour", "full_range", "rgb"),
    [
        ((16, 128, 128), False, (0, 0, 0)),
        ((235, 128, 128), False, (255, 255, 255)),
        ((0, 128, 128), True, (0, 0, 0)),
        ((255, 128, 128), True, (255, 255, 255)),
        (RED_NOMINAL, False, (255, 0, 0)),
    ],
)
def test_a_thumbnail_has_the_colours_of_the_picture_whatever_its_range(
    colour: Colour, full_range: bool, rgb: tuple[int, int, int]
) -> None:
    luma, u, v = (
        np.full(shape, value, np.uint8) for value, shape in zip(colour, ((90, 160), (45, 80), (45, 80)), strict=True)
    )
    jpeg = thumbnail(Picture(Moment(0.0, 0.0), luma, full_range, u, v))
    assert jpeg
    pixels = decoded(jpeg)
    assert pixels.shape == (90, 160, 3)
    assert np.abs(pixels.reshape(-1, 3).mean(axis=0) - rgb).max() < 6


@pytest.mark.parametrize("chroma", [(45, 80), (90, 160), (23, 40)])
def test_chroma_of_any_size_lies_where_it_belongs(chroma: tuple[int, int]) -> None:
    u, v = np.full(chroma, 128, np.uint8), np.full(chroma, 128, np.uint8)
    v[:, chroma[1] // 2 :] = 220  # the right half is red
    jpeg = thumbnail(Picture(Moment(0.0, 0.0), np.full((90, 160), 100, np.uint8), False, u, v))
    assert jpeg
    red = decoded(jpeg)[:, :, 0].astype(int) - decoded(jpeg)[:, :, 1]
    assert abs(red[:, :70].mean()) < 8
    assert red[:, 90:].mean() > 80


@pytest.mark.parametrize(
    ("shape", "size"), [((90, 160), (160, 90)), ((91, 51), (50, 90)), ((90, 512), (256, 44)), ((400, 90), (44, 200))]
)
def test_a_thumbnail_is_never_too_wide_or_high(shape: tuple[int, int], size: tuple[int, int]) -> None:
    jpeg = thumbnail(grey(shape=shape))
    assert jpeg
    height, width, _ = decoded(jpeg).shape
    assert (width, height) == size


def test_even_noise_fits() -> None:
    noise = np.random.default_rng(1).integers(0, 256, (320, 320), np.uint8)
    jpeg = thumbnail(Picture(Moment(0.0, 0.0), noise, True, noise[::2, ::2], noise[1::2, 1::2]))
    assert jpeg
    assert len(jpeg) <= LARGEST_THUMBNAIL


def test_a_picture_of_no_size_has_no_thumbnail() -> None:
    assert thumbnail(grey(shape=(1, 160))) is None
