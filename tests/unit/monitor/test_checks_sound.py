# SPDX-License-Identifier: Apache-2.0
"""Silence and one silent channel, on levels made by hand."""

from collections.abc import Callable
from typing import Any

import numpy as np
from castwarden_worker.monitor.checks.one_channel_silent import OneChannelSilent
from castwarden_worker.monitor.checks.silence import Silence
from castwarden_worker.monitor.seen import Sound

from tests.unit.monitor.made import of, played, settings, sound

Levels = Callable[[float], tuple[float, ...]]


def over(seconds: float, levels: Levels, start: float = 0.0) -> list[Sound]:
    return [sound(float(media), *levels(media)) for media in np.arange(start, start + seconds, 0.1).round(1)]


def speech(media: float) -> float:
    """Words of a second, pauses of 0.6 s."""
    return -25.0 if (media + 0.01) % 1.6 < 1.0 else -80.0


class TestSilence:
    def check(self, **given: Any) -> Silence:
        made = Silence()
        made.configure(settings(silence=given))
        return made

    def test_the_level_is_the_limit(self) -> None:
        check = self.check(raiseAfter="1s", levelDb=-40)
        assert of(played(check, over(1.2, lambda _: (-40.0,)))) == [(True, 1.0)]
        assert check.judge(sound(2, -39.9)) is False

    def test_quiet_speech_with_pauses_is_not_silent(self) -> None:
        assert played(self.check(), over(120, lambda media: (speech(media) - 20.0,))) == []

    def test_a_click_begins_a_candidate_anew(self) -> None:
        assert played(self.check(), over(55, lambda media: (-20.0 if media == 28 else -90.0,))) == []

    def test_speech_with_digital_silence_between_words_clears_it(self) -> None:
        check = self.check()
        changes = played(check, over(40, lambda _: (-90.0,)) + over(20, lambda media: (speech(media),), 40.0))
        assert of(changes) == [(True, 30.0), (False, 43.0)]
        assert changes[1].duration == 40.0

    def test_two_seconds_of_sound_do_not_clear_it(self) -> None:
        check = self.check()
        blip = over(35, lambda _: (-90.0,)) + over(2, lambda _: (-20.0,), 35) + over(60, lambda _: (-90.0,), 37)
        assert of(played(check, blip)) == [(True, 30.0)]

    def test_the_loudest_channel_counts(self) -> None:
        assert played(self.check(), over(60, lambda _: (-90.0, -30.0))) == []


class TestOneChannelSilent:
    def told(self, *parts: tuple[float, Levels], **given: Any) -> list[tuple[bool, float]]:
        check = OneChannelSilent()
        check.configure(settings(oneChannelSilent=given))
        changes, start = [], 0.0
        for seconds, levels in parts:
            changes += played(check, over(seconds, levels, start))
            start += seconds
        return of(changes)

    def test_a_dead_channel_is_raised_and_cleared(self) -> None:
        def both(_: float) -> tuple[float, ...]:
            return (-20.0, -21.0)

        assert self.told((10, both), (80, lambda _: (-20.0, -90.0)), (20, both)) == [(True, 70.0), (False, 95.0)]

    def test_a_channel_that_never_had_sound_is_a_fault(self) -> None:
        assert self.told((70, lambda _: (-90.0, -20.0))) == [(True, 60.0)]

    def test_pauses_of_the_other_channel_do_not_hide_it(self) -> None:
        assert self.told((70, lambda media: (speech(media), -90.0))) == [(True, 60.0)]

    def test_pauses_of_both_do_not_keep_it_from_clearing(self) -> None:
        assert self.told((64, lambda _: (-20.0, -90.0)), (20, lambda media: (speech(media), speech(media)))) == [
            (True, 60.0),
            (False, 69.0),
        ]

    def test_silence_of_both_is_none(self) -> None:
        assert self.told((200, lambda _: (-90.0, -90.0))) == []
        assert self.told((10, lambda _: (-20.0, -90.0)), (200, lambda _: (-90.0, -90.0))) == []

    def test_silence_of_both_leaves_an_alert_as_it_is(self) -> None:
        def left(_: float) -> tuple[float, ...]:
            return (-20.0, -90.0)

        assert self.told((70, left), (30, lambda _: (-90.0, -90.0)), (30, left)) == [(True, 60.0)]

    def test_one_word_on_the_dead_channel_begins_a_candidate_anew(self) -> None:
        assert self.told((100, lambda media: (-20.0, -30.0 if 50 <= media < 51 else -90.0))) == []

    def test_channels_that_take_turns_are_both_alive(self) -> None:
        def turns(media: float) -> tuple[float, ...]:
            return (-20.0, -90.0) if media % 20 < 10 else (-90.0, -20.0)

        assert self.told((200, turns)) == []

    def test_room_tone_around_the_level_is_none(self) -> None:
        assert self.told((100, lambda _: (-49.0, -51.0))) == []

    def test_mono_has_no_other_channel(self) -> None:
        assert self.told((100, lambda _: (-90.0,))) == []
        assert self.told((100, lambda _: (-20.0,))) == []

    def test_surround_may_be_silent_and_speech_may_be_in_the_centre(self) -> None:
        assert self.told((100, lambda _: (-20.0, -20.0, -90.0, -90.0, -90.0, -90.0))) == []
        assert self.told((100, lambda _: (-90.0, -90.0, -20.0, -90.0, -90.0, -90.0))) == []
        assert self.told((100, lambda _: (-20.0, -90.0, -20.0, -90.0, -30.0, -30.0))) == [(True, 60.0)]

    def test_it_tells_which(self) -> None:
        check = OneChannelSilent()
        played(check, [sound(0, -20.0, -90.04)])
        assert check.measured() == {"channel": 1, "level_db": -90.0, "loudest_db": -20.0}

    def test_sound_without_levels_per_channel_tells_nothing(self) -> None:
        check = OneChannelSilent()
        quiet = sound(0, -90.0, -20.0)
        bare = Sound(quiet.at, quiet.seconds, quiet.level_db, quiet.peak_db)
        assert not check.judge(bare)
        assert check.observe(bare) is None
