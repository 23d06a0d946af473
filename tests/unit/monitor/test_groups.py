# SPDX-License-Identifier: Apache-2.0
"""Compressed pictures that are kept: how many, and that their size is counted and not summed again and again."""

import random

from castwarden_worker.monitor.episode import Moment
from castwarden_worker.monitor.media.tracks import Sample, Track
from castwarden_worker.monitor.sight import groups
from castwarden_worker.monitor.sight.eyes import Eyes
from castwarden_worker.monitor.sight.groups import Groups


class Counted(Sample):
    """Says how often its size was asked for."""

    __slots__ = ("_size",)
    asked = 0

    @property
    def size(self) -> int:
        Counted.asked += 1
        return self._size

    @size.setter
    def size(self, value: int) -> None:
        self._size = value


def place(pts: float) -> Moment:
    return Moment(pts, 1e9 + pts)


def summed(kept: Groups) -> int:
    return sum(sample.size for group in kept for sample in group.samples)


def test_the_size_is_that_of_the_samples_whatever_comes_and_goes() -> None:
    kept, chance = Groups(), random.Random(4)
    for turn in range(300):
        samples = [Sample(turn + at / 10, bytes(chance.randrange(1, 50)), chance.random() < 0.4) for at in range(9)]
        kept.take(Track("h264", tuple(samples)), place)
        match chance.randrange(6):
            case 0:
                kept.set_examined()
                kept.forget(None)
            case 1 if kept:
                assert kept.hand_over() is not None
            case 2:
                kept.tear()
            case 3 if chance.random() < 0.2:
                list(kept.pass_through(Track("h264", ())))
        assert kept.size == summed(kept)
    assert kept.size > 0


def test_keyframes_that_all_have_the_same_time_are_not_kept_without_end() -> None:
    Counted.asked = 0
    track = Track("h264", tuple(Counted(0.0, b"\0\0\1\x65", key=True) for _ in range(5000)))
    eyes = Eyes([])
    eyes.see(track, place, place(4.0))
    assert eyes.kept <= 4 * (groups._MAX_GROUPS + 1)
    assert Counted.asked <= 4 * 5000
    for _ in range(3):
        eyes.keep(track, place)
    assert eyes.kept <= 4 * (groups._MAX_GROUPS + 1)


def test_looking_back_a_second_takes_a_bounded_number_of_groups() -> None:
    kept = Groups()
    kept.take(Track("h264", tuple(Sample(0.0, b"x", key=True) for _ in range(900))), place)
    assert kept.before(800, 2) == 798 - groups._MAX_BEFORE
