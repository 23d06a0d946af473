# SPDX-License-Identifier: Apache-2.0
"""Freeze, on pictures made by hand: a textured scene, moved, held, under noise, with small things that move on it."""

from collections.abc import Callable, Iterable
from typing import Any
from uuid import uuid4

import numpy as np
import pytest
from castwarden_worker.monitor.checks.freeze import Freeze
from castwarden_worker.monitor.episode import Change
from castwarden_worker.monitor.seen import Picture, Plane
from hypothesis import given
from hypothesis import settings as example_settings
from hypothesis import strategies as st

from tests.unit.monitor.made import COLUMNS, RANDOM, ROWS, at, coloured, flat, of, settings, shown

FPS = 5


def _texture() -> Plane:
    """Something like a landscape: structure of every size."""
    random = np.random.default_rng(7)
    levels = np.full((ROWS, 2 * COLUMNS), 120.0)
    for cell, strength in ((32, 30), (16, 20), (8, 14), (4, 9), (2, 6)):
        grid = random.normal(0, strength, (ROWS // cell + 2, 2 * COLUMNS // cell + 2))
        levels += np.kron(grid, np.ones((cell, cell)))[:ROWS, : 2 * COLUMNS]
    return levels.clip(20, 230).astype(np.uint8)


TEXTURE = _texture()


def view(media: float, offset: float = 0.0, *, noise: float = 0.0, gain: float = 1.0) -> Picture:
    """A part of the landscape, `offset` samples to the right, fractions included."""
    first, share = int(offset), np.float32(offset % 1)
    seen = TEXTURE[:, first : first + COLUMNS + 1].astype(np.float32)
    luma = (seen[:, :-1] * (1 - share) + seen[:, 1:] * share - 16) * np.float32(gain) + 16
    if noise:
        luma += RANDOM.normal(0, noise, (ROWS, COLUMNS))
    return Picture(at(media), luma.round().clip(0, 255).astype(np.uint8))


def each(start: float, end: float, draw: Callable[[float], Picture], fps: float = FPS) -> list[Picture]:
    return [draw(start + number / fps) for number in range(round((end - start) * fps))]


def moving(start: float, end: float) -> list[Picture]:
    return each(start, end, lambda media: view(media, 20 + 6 * (media - start) % 100))


def held(start: float, end: float, offset: float = 3.0, noise: float = 0.0) -> list[Picture]:
    return each(start, end, lambda media: view(media, offset, noise=noise))


def check(**given_: Any) -> Freeze:
    made = Freeze()
    made.configure(settings(freeze={"raiseAfter": "10s", "clearAfter": "2s"} | given_))
    return made


def told(pictures: Iterable[Picture], **given_: Any) -> list[tuple[bool, float]]:
    return of(shown(check(**given_), pictures))


def digits(media: float, *, every: float = 1.0, x: int = 120, y: int = 5, size: int = 4) -> Picture:
    """The held landscape with a counter of white digits on black, `size` samples high."""
    picture = view(media, 3.0)
    shapes = np.random.default_rng(int(media / every)).random((size, size)) < 0.6
    picture.luma[y : y + size + 2, x : x + 3 * size] = 16
    picture.luma[y + 1 : y + 1 + size, x + 1 : x + 1 + size][shapes] = 230
    return picture


def test_a_picture_that_stands_still_after_motion_is_frozen_since_it_first_showed() -> None:
    (raised,) = shown(check(), moving(0, 8) + held(8, 20))
    assert (raised.at.media, raised.duration) == (18.0, 10.0)


@pytest.mark.parametrize("noise", [1.0, 2.5, 4.0])
def test_grain_on_a_picture_that_stands_still_is_no_motion(noise: float) -> None:
    assert told(moving(0, 8) + held(8, 20, noise=noise)) == [(True, 18.0)]


def test_motion_under_grain_is_motion() -> None:
    assert told(each(0, 40, lambda media: view(media, 2 * media, noise=3))) == []


@pytest.mark.parametrize("speed", [0.5, 1.0, 4.0])
def test_a_slow_pan_is_not_frozen(speed: float) -> None:
    assert told(moving(0, 8) + each(8, 60, lambda media: view(media, 3 + speed * (media - 8) % 150))) == []


def test_a_slow_fade_is_not_frozen() -> None:
    assert told(moving(0, 8) + each(8, 60, lambda media: view(media, 3, gain=1 - (media - 8) / 80))) == []


@pytest.mark.parametrize("size", [3, 4, 6])
def test_a_running_clock_keeps_it_from_being_frozen(size: int) -> None:
    assert told(moving(0, 8) + each(8, 40, lambda media: digits(media, size=size))) == []


def test_a_clock_that_is_ignored_does_not() -> None:
    region = {"x": 0.74, "y": 0.04, "width": 0.12, "height": 0.1}
    pictures = moving(0, 8) + each(8, 30, digits)
    assert told(pictures, ignore=[region]) == [(True, 18.0)]
    assert told(pictures, ignore=[region | {"x": 0.2}]) == []


def test_where_all_is_ignored_nothing_is_frozen() -> None:
    assert told(moving(0, 8) + held(8, 30), ignore=[{"x": 0, "y": 0, "width": 1, "height": 1}]) == []


def test_a_small_speaker_on_a_background_that_stands_still_is_motion() -> None:
    def speaker(media: float) -> Picture:
        picture = view(media, 3.0)
        mouth = view(media, 7 * media % 80).luma
        picture.luma[50:58, 70:80] = mouth[50:58, 70:80]
        return picture

    assert told(moving(0, 8) + each(8, 60, speaker)) == []


def test_a_stream_that_never_moved_is_not_frozen() -> None:
    assert told(held(0, 100)) == []


@pytest.mark.parametrize("seconds", [15, 30])
def test_stills_from_the_start_that_change_by_cuts_are_not_frozen(seconds: float) -> None:
    def slides(media: float) -> Picture:
        return view(media, 25 * (int(media / seconds) % 5))

    assert told(each(0, 150, slides)) == []


def test_stills_from_the_start_that_dissolve_are_not_frozen() -> None:
    def slides(media: float) -> Picture:
        number, share = int(media / 20), max(0.0, media % 20 - 18) / 2
        first, second = view(media, 25 * (number % 5)).luma, view(media, 25 * ((number + 1) % 5)).luma
        return Picture(at(media), (first * (1 - share) + second * share).astype(np.uint8))

    assert told(each(0, 150, slides)) == []


def test_stills_that_change_before_the_time_is_up_are_not_frozen() -> None:
    assert told(moving(0, 8) + each(8, 100, lambda media: view(media, 25 * (int(media / 9) % 5)))) == []


def test_a_fade_from_black_to_a_slate_is_no_motion() -> None:
    fade = each(0, 4, lambda media: view(media, gain=media / 4))
    assert told(each(-5, 0, lambda media: flat(16, media)) + fade + held(4, 100, offset=0)) == []


@pytest.mark.parametrize("plain", [lambda media: flat(16, media), lambda media: coloured(32, 240, 118, media)])
def test_black_and_one_colour_are_not_frozen(plain: Callable[[float], Picture]) -> None:
    assert told(moving(0, 8) + each(8, 60, plain)) == []


def test_a_logo_on_black_is_not_frozen() -> None:
    def logo(media: float) -> Picture:
        picture = flat(16, media)
        picture.luma[6:20, 6:30] = 200
        return picture

    assert told(moving(0, 8) + each(8, 60, logo)) == []


def test_words_on_black_that_are_no_logo_and_stand_still_are_frozen() -> None:
    def words(media: float) -> Picture:
        picture = flat(16, media)
        picture.luma[42:46, 60:100:2] = 220
        picture.luma[43, 60:100] = 220
        return picture

    assert words(0).is_dark
    assert told(moving(0, 8) + each(8, 30, words)) == [(True, 18.0)]


def test_a_dark_scene_that_stands_still_is_frozen() -> None:
    pictures = moving(0, 8) + each(8, 30, lambda media: view(media, 3, gain=0.3))
    assert told(pictures) == [(True, 18.0)]


def test_it_clears_when_it_moves_again() -> None:
    assert told(moving(0, 8) + held(8, 30) + moving(30, 40)) == [(True, 18.0), (False, 32.0)]


def test_slow_motion_that_rests_between_frames_clears_an_episode() -> None:
    slow = each(20, 30, lambda media: view(media, 4 + int((media - 20) / 0.8)), fps=25)
    assert told(moving(0, 8) + held(8, 20) + slow) == [(True, 18.0), (False, 22.0)]


def test_a_cut_to_another_still_does_not_clear_it() -> None:
    assert told(moving(0, 8) + held(8, 20) + held(20, 60, offset=90)) == [(True, 18.0)]


def test_a_flash_of_motion_does_not_clear_it() -> None:
    assert told(moving(0, 8) + held(8, 20) + moving(20, 21) + held(21, 60)) == [(True, 18.0)]


def test_an_episode_known_from_before_clears_without_motion_seen_earlier() -> None:
    made = check()
    made.prime(uuid4(), 1e9 - 50)
    assert of(shown(made, held(0, 5) + moving(5, 10))) == [(False, 7.0)]


def test_a_picture_from_before_the_first_one_opens_anew_and_is_no_motion() -> None:
    assert told([view(5), *moving(3, 4), *held(4, 60)]) == []


def test_a_picture_of_another_size_is_another_picture() -> None:
    smaller = Picture(at(1), TEXTURE[:45, :80])
    assert told([view(0), smaller, view(2)]) == []


def test_keyframes_that_differ_ask_for_the_frames_between_until_motion_is_known() -> None:
    made = check()
    shown(made, [view(0)])
    assert not made.flips(view(10))
    assert made.flips(view(10, 50))
    shown(made, moving(1, 9))
    assert made.moved
    assert not made.flips(view(10, 50))


@pytest.mark.parametrize("shape", [(90, 51), (107, 160), (144, 256), (5, 5), (1, 1)])
def test_pictures_of_any_shape_can_be_compared(shape: tuple[int, int]) -> None:
    made = check()
    pictures = [Picture(at(number), RANDOM.integers(40, 200, shape).astype(np.uint8)) for number in range(10)]
    shown(made, pictures)
    same = [Picture(at(10 + number), pictures[-1].luma) for number in range(20)]
    changes: list[Change] = shown(made, same)
    assert [change.raised for change in changes] == ([True] if min(shape) > 1 else [])


def test_it_tells_how_much_moved() -> None:
    made = check()
    shown(made, moving(0, 8) + held(8, 9))
    assert made.measured() == {"motion_db": -88.1, "noise_db": -42.0}


def test_a_black_picture_has_no_motion_not_that_of_the_last_one_that_moved() -> None:
    made = check()
    shown(made, moving(0, 8))
    assert made.motion_db is not None
    shown(made, [flat(16, 9.0), flat(16, 10.0)])
    assert made.motion_db is None


@example_settings(deadline=None, max_examples=25)
@given(st.floats(0.4, 30.0), st.floats(0.0, 3.0), st.sampled_from([1.0, 5.0, 25.0]))
def test_a_textured_scene_that_shifts_is_never_frozen(speed: float, noise: float, fps: float) -> None:
    shifting = each(0, 20, lambda media: view(media, speed * media % 150, noise=noise), fps)
    assert told(moving(-8, 0) + shifting) == []
