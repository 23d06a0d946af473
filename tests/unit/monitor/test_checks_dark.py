# SPDX-License-Identifier: Apache-2.0
"""Black and black with a logo, on pictures made by hand."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from castwarden_worker.monitor.checks import CheckSet
from castwarden_worker.monitor.checks.black import Black
from castwarden_worker.monitor.checks.black_with_logo import BlackWithLogo
from castwarden_worker.monitor.seen import Picture
from hypothesis import given
from hypothesis import settings as example_settings
from hypothesis import strategies as st

from tests.unit.monitor.made import COLUMNS, ROWS, at, coloured, flat, scene, settings, shown

Draw = Callable[[float], Picture]


def box(media: float, *boxes: tuple[int, int, int, int], bright: int = 235, noise: float = 0.0) -> Picture:
    """Black with boxes of x, y, width, height."""
    picture = flat(16, media, noise=noise)
    for x, y, width, height in boxes:
        picture.luma[y : y + height, x : x + width] = bright
    return picture


CORNER = (6, 6, 18, 10)


def text(media: float, seed: int, *, top: int = 40, lines: int = 1) -> Picture:
    """Lines of something like letters in the middle."""
    picture, random = flat(16, media), np.random.default_rng(seed)
    for line in range(lines):
        for x in range(30, 130, 4):
            if random.random() < 0.8:
                height = int(random.integers(2, 5))
                picture.luma[top + 8 * line : top + 8 * line + height, x : x + int(random.integers(1, 4))] = 235
    return picture


def told(pictures: list[Picture], **checks: Any) -> list[tuple[str, bool, float]]:
    """What the two checks together say."""
    found = CheckSet(settings(**checks))
    return [
        (change.condition, change.raised, round(change.at.media, 3))
        for picture in pictures
        for check in found.pictures
        if check.condition.startswith("black") and check.enabled and (change := check.observe(picture))
    ]


def each(start: float, end: float, draw: Draw, step: float = 0.5) -> list[Picture]:
    return [draw(media) for media in np.arange(start, end, step)]


def moving(start: float, end: float) -> list[Picture]:
    return each(start, end, lambda media: scene(media, shift=int(2 * media)))


class TestBlack:
    @pytest.mark.parametrize(
        ("level", "full_range", "black"),
        [(16, False, True), (37, False, True), (38, False, False), (25, True, True), (26, True, False)],
    )
    def test_luma_counts_within_the_nominal_range(self, level: int, full_range: bool, black: bool) -> None:
        assert Black().judge(flat(level, full_range=full_range)) is black

    def test_specks_on_two_percent_are_still_black_and_on_more_are_not(self) -> None:
        few, many = flat(16), flat(16)
        few.luma[::7, ::8] = 60
        many.luma[::5, ::8] = 60
        assert few.dark_area(0.1) > 0.98 > many.dark_area(0.1)
        assert Black().judge(few)
        assert not Black().judge(many)

    def test_luma_and_area_can_be_set(self) -> None:
        check = Black()
        check.configure(settings(black={"luma": 0.5, "area": 0.5}))
        picture = flat(100)
        picture.luma[:40] = 120
        assert check.judge(picture)

    def test_a_blue_screen_is_as_dark_as_black_and_is_not_black(self) -> None:
        assert coloured(32, 240, 118).is_dark
        assert not Black().judge(coloured(32, 240, 118))
        assert Black().judge(coloured(24, 140, 122))

    @example_settings(deadline=None)
    @given(st.integers(0, 30), st.floats(0, 3), st.integers(0, 2**32 - 1))
    def test_black_with_noise_below_the_limit_is_always_black(self, level: int, noise: float, seed: int) -> None:
        grain = np.random.default_rng(seed).normal(level, noise, (ROWS, COLUMNS)).round().clip(0, 37)
        assert Black().judge(Picture(at(0), grain.astype(np.uint8)))

    @pytest.mark.parametrize("lines", [1, 2, 5])
    def test_credits_are_not_black(self, lines: int) -> None:
        assert not Black().judge(text(0, 1, lines=lines))

    def test_lamps_in_the_night_are_not_black(self) -> None:
        night = box(0, (40, 50, 5, 4), (90, 44, 4, 5), (120, 55, 6, 4), bright=180)
        assert night.is_dark
        assert not Black().judge(night)

    def test_letterbox_bars_alone_are_not_black(self) -> None:
        picture = scene(0)
        picture.luma[:20] = picture.luma[-20:] = 16
        assert not Black().judge(picture)

    def test_a_fade_counts_from_where_it_is_dark(self) -> None:
        fade = [flat(int(max(16, 200 - 92 * media)), media) for media in np.arange(0, 40, 0.25)]
        assert told(fade) == [("black", True, 31.75 + 0.25 * (flat(200 - int(92 * 1.75)).dark_area(0.1) < 0.98))]

    def test_a_second_of_picture_begins_a_candidate_anew_and_does_not_end_an_alert(self) -> None:
        blink = (
            each(0, 20, lambda media: flat(16, media)) + moving(20, 21) + each(21, 45, lambda media: flat(16, media))
        )
        assert told(blink) == []
        later = (
            each(0, 35, lambda media: flat(16, media)) + moving(35, 36) + each(36, 45, lambda media: flat(16, media))
        )
        assert told(later + moving(45, 55)) == [("black", True, 30.0), ("black", False, 50.0)]


class TestBlackWithLogo:
    def test_a_logo_on_black_is_told_as_that_alone(self) -> None:
        dark = each(10, 50, lambda media: box(media, CORNER, noise=2))
        assert told(moving(0, 10) + dark + moving(50, 60)) == [
            ("black_with_logo", True, 40.0),
            ("black_with_logo", False, 55.0),
        ]

    @pytest.mark.parametrize("size", [(6, 5), (18, 10), (40, 30)])
    @pytest.mark.parametrize("right", [False, True])
    @pytest.mark.parametrize("low", [False, True])
    def test_it_may_stand_in_any_corner_and_have_any_size_up_to_the_limit(
        self, size: tuple[int, int], right: bool, low: bool
    ) -> None:
        picture = box(0, (COLUMNS - 6 - size[0] if right else 6, ROWS - 6 - size[1] if low else 6, *size))
        assert BlackWithLogo().judge(picture)
        assert not Black().judge(picture)

    def test_there_may_be_one_in_more_corners_than_one(self) -> None:
        assert BlackWithLogo().judge(box(0, CORNER, (130, 75, 20, 8)))

    @pytest.mark.parametrize(
        "boxes",
        [
            [(60, 35, 40, 20)],  # in the middle
            [(2, 2, 60, 40)],  # too large
            [(4, 4, 152, 3), (4, 4, 3, 82), (153, 4, 3, 82), (4, 83, 152, 3)],  # a frame
        ],
    )
    def test_other_things_on_black_are_no_logo(self, boxes: list[tuple[int, int, int, int]]) -> None:
        assert not BlackWithLogo().judge(box(0, *boxes))
        assert not Black().judge(box(0, *boxes))

    def test_a_torch_that_wanders_through_the_night_is_none(self) -> None:
        def torch(media: float) -> Picture:
            return box(media, (int(75 + 70 * np.sin(media / 3)), int(40 + 35 * np.cos(media / 4)), 8, 8))

        assert told(each(0, 120, torch, 0.2)) == []

    def test_subtitles_that_change_are_none_and_with_gaps_between_they_are_not_black(self) -> None:
        def subtitle(media: float) -> Picture:
            return flat(16, media) if media % 4 > 3 else text(media, int(media // 4), top=76)

        assert told(each(0, 120, subtitle)) == []

    def test_credits_on_black_that_change_are_none(self) -> None:
        def rolling(media: float) -> Picture:
            return flat(16, media) if media % 6 > 5 else text(media, int(media // 6), lines=3)

        assert told(each(0, 120, rolling)) == []

    def test_a_clock_on_black_is_one(self) -> None:
        def clock(media: float) -> Picture:
            return box(media, (8, 8, 30, 6), (40, 8, 2 + int(media) % 4, 6))

        assert told(each(0, 40, clock)) == [("black_with_logo", True, 30.0)]

    def test_a_logo_that_is_gone_for_a_moment_changes_nothing(self) -> None:
        dark = [flat(16, media) if 35 <= media < 37 else box(media, CORNER) for media in np.arange(0, 60, 0.5)]
        assert told(dark + moving(60, 70)) == [("black_with_logo", True, 30.0), ("black_with_logo", False, 65.0)]

    def test_a_logo_that_blinks_is_one_all_the_time(self) -> None:
        dark = [flat(16, media) if media % 4 >= 2 else box(media, CORNER) for media in np.arange(0, 60, 0.5)]
        assert told(dark) == [("black_with_logo", True, 30.0)]

    def test_when_it_goes_for_good_it_is_black_from_there_on(self) -> None:
        dark = each(0, 40, lambda media: box(media, CORNER)) + each(40, 80, lambda media: flat(16, media))
        assert told(dark) == [
            ("black_with_logo", True, 30.0),
            ("black_with_logo", False, 45.0),
            ("black", True, 70.0),
        ]

    def test_when_it_comes_it_is_no_longer_black_alone(self) -> None:
        dark = each(0, 40, lambda media: flat(16, media)) + each(40, 80, lambda media: box(media, CORNER))
        assert told(dark) == [("black", True, 30.0), ("black", False, 45.0), ("black_with_logo", True, 70.0)]

    @example_settings(deadline=None, max_examples=25)
    @given(st.lists(st.tuples(st.sampled_from("bls"), st.floats(1, 40)), max_size=12))
    def test_never_more_than_one_of_the_two_is_open(self, parts: list[tuple[str, float]]) -> None:
        def pictures() -> Iterator[Picture]:
            start = 0.0
            for kind, seconds in parts:
                for media in np.arange(start, start + seconds, 1.0):
                    yield {"b": flat(16, media), "l": box(media, CORNER), "s": scene(media)}[kind]
                start += seconds

        open_now: set[str] = set()
        for condition, raised, _ in told(list(pictures())):
            assert raised is (condition not in open_now)
            open_now ^= {condition}
            assert len(open_now) <= 1

    def test_switched_off_a_small_logo_is_black(self) -> None:
        off = {"blackWithLogo": {"enabled": False}}
        assert told(each(0, 40, lambda media: box(media, CORNER)), **off) == [("black", True, 30.0)]

    def test_it_tells_how_large_the_logo_is(self) -> None:
        check = BlackWithLogo()
        shown(check, [box(0, CORNER)])
        assert check.measured() == {"dark_area": 0.9875, "logo_area": 0.0125}
