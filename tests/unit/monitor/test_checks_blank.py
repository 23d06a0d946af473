# SPDX-License-Identifier: Apache-2.0
"""Blank, on pictures made by hand."""

from collections.abc import Callable

import numpy as np
import pytest
from castwarden_worker.monitor.checks.black import Black
from castwarden_worker.monitor.checks.blank import Blank
from castwarden_worker.monitor.seen import Picture
from hypothesis import given
from hypothesis import settings as example_settings
from hypothesis import strategies as st

from tests.unit.monitor.made import COLUMNS, RANDOM, ROWS, at, coloured, flat, of, scene, settings, shown

# y, u, v by BT.709 in limited range
COLOURS = {
    "#ffffff": (235, 128, 128),
    "#0000ff": (32, 240, 118),
    "#00ff00": (173, 42, 26),
    "#ff0000": (63, 102, 240),
    "#808080": (126, 128, 128),
}


def picture(luma: "np.ndarray[tuple[int, ...], np.dtype[np.uint8]]") -> Picture:
    chroma = np.full((ROWS // 2, COLUMNS // 2), 128, np.uint8)
    return Picture(at(0), luma, False, chroma, chroma)


@pytest.mark.parametrize(("name", "colour"), COLOURS.items())
def test_any_colour_is_blank_and_told_by_name(name: str, colour: tuple[int, int, int]) -> None:
    check = Blank()
    check.configure(settings())
    assert of(shown(check, (coloured(*colour, media=media) for media in range(70)))) == [(True, 60.0)]
    told = check.measured()["colour"]
    assert isinstance(told, str)
    apart = [abs(int(told[at : at + 2], 16) - int(name[at : at + 2], 16)) for at in (1, 3, 5)]
    assert max(apart) <= 3


@pytest.mark.parametrize("noise", [0, 2, 4])
def test_noise_on_a_colour_is_blank(noise: float) -> None:
    assert Blank().judge(coloured(120, 60, 200, noise=noise))


def test_a_small_label_on_a_colour_is_still_blank() -> None:
    labelled = coloured(32, 240, 118)
    labelled.luma[5:10, 5:40] = 235
    assert Blank().judge(labelled)


@pytest.mark.parametrize("level", range(16, 60))
@pytest.mark.parametrize("noise", [0, 2])
def test_a_grey_is_black_or_blank_and_never_both(level: int, noise: float) -> None:
    grey = flat(level, noise=noise)
    assert Black().judge(grey) is not Blank().judge(grey)


def bars() -> Picture:
    colours = np.repeat(np.array([235, 210, 170, 145, 106, 81, 41, 16], np.uint8), COLUMNS // 8)
    return picture(np.tile(colours, (ROWS, 1)))


def two_colours() -> Picture:
    blue = coloured(120, 90, 128)
    assert blue.u is not None
    blue.u[:, 40:] = 160  # of the same luma
    return blue


def gradient() -> Picture:
    return picture(np.tile(np.linspace(60, 90, COLUMNS).astype(np.uint8), (ROWS, 1)))


def snow() -> Picture:
    return picture(RANDOM.integers(16, 236, (ROWS, COLUMNS)).astype(np.uint8))


def stripes() -> Picture:
    return picture(np.tile(np.array([60, 180], np.uint8), (ROWS, COLUMNS // 2)))


@pytest.mark.parametrize("draw", [bars, two_colours, gradient, snow, stripes, lambda: scene(0)])
def test_patterns_are_not_blank(draw: Callable[[], Picture]) -> None:
    assert not Blank().judge(draw())


def test_a_grey_picture_without_chroma_is_judged_by_luma() -> None:
    assert Blank().judge(flat(120))


def test_the_spread_can_be_set() -> None:
    check = Blank()
    check.configure(settings(blank={"spread": 0.1}))
    assert check.judge(gradient())


def test_a_full_range_white_is_white() -> None:
    check = Blank()
    shown(check, [coloured(255, 128, 128, full_range=True)])
    assert check.measured() == {"luma": 1.0, "spread": 0.0, "colour": "#ffffff"}


@example_settings(deadline=None)
@given(st.integers(39, 235), st.integers(16, 240), st.integers(16, 240), st.integers(0, 100))
def test_a_colour_is_blank_whichever_it_is(y: int, u: int, v: int, seed: int) -> None:
    grain = np.random.default_rng(seed).normal(0, 1.5, (ROWS, COLUMNS))
    made = coloured(y, u, v)
    luma = (made.luma + grain).round().clip(0, 255).astype(np.uint8)
    assert Blank().judge(Picture(at(0), luma, False, made.u, made.v))


def test_a_tiny_picture_is_judged_too() -> None:
    assert Blank().judge(Picture(at(0), np.full((2, 2), 120, np.uint8)))
