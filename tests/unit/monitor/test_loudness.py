# SPDX-License-Identifier: Apache-2.0
"""BS.1770 on the test signals of EBU Tech 3341, and beside FFmpeg's meter."""

import re
import subprocess
from collections.abc import Iterator

import imageio_ffmpeg
import numpy as np
import pytest
from castwarden_worker.monitor.checks.clipping import Clipping
from castwarden_worker.monitor.checks.loudness import FLOOR, Loudness, TruePeak, decibels
from castwarden_worker.monitor.checks.low_loudness import LowLoudness
from castwarden_worker.monitor.seen import Sound, Wave
from hypothesis import given
from hypothesis import settings as example_settings
from hypothesis import strategies as st

from tests.unit.monitor.made import at, of, played, settings

RATE = 48_000


def sine(
    db: float, seconds: float, hz: float = 1000.0, rate: int = RATE, channels: int = 2, degrees: float = 0
) -> Wave:
    """A sine with a peak of `db` dBFS."""
    times = np.arange(round(seconds * rate)) / rate
    wave = 10 ** (db / 20) * np.sin(2 * np.pi * hz * times + np.radians(degrees))
    return np.tile(wave.astype(np.float32), (channels, 1))


def steps(*parts: tuple[float, float], times: int = 1) -> Wave:
    """Sines of 1 kHz: dBFS and seconds of each."""
    return np.concatenate([sine(db, seconds) for db, seconds in parts * times], axis=1)


def chunks(wave: Wave, size: int = 5120) -> Iterator[Wave]:
    return (wave[:, start : start + size] for start in range(0, wave.shape[1], size))


def metered(wave: Wave, rate: int = RATE, size: int = 5120) -> Loudness:
    meter = Loudness(rate, wave.shape[0])
    for chunk in chunks(wave, size):
        meter.add(chunk)
    return meter


class TestTech3341:
    @pytest.mark.parametrize("rate", [22_050, 32_000, 44_100, 48_000, 96_000])
    @pytest.mark.parametrize("db", [-23.0, -33.0])
    def test_cases_1_and_2_a_steady_sine_has_its_level(self, db: float, rate: int) -> None:
        meter = metered(sine(db, 20, rate=rate), rate)
        assert [meter.momentary, meter.short_term, meter.integrated] == [pytest.approx(db, abs=0.1)] * 3

    @pytest.mark.parametrize(
        "parts",
        [
            [(-36, 10), (-23, 60), (-36, 10)],
            [(-72, 10), (-36, 10), (-23, 60), (-36, 10), (-72, 10)],
            [(-26, 20), (-20, 20.1), (-26, 20)],
        ],
    )
    def test_cases_3_to_5_the_gates_leave_out_what_is_far_quieter(self, parts: list[tuple[float, float]]) -> None:
        assert metered(steps(*parts)).integrated == pytest.approx(-23, abs=0.1)

    def test_case_6_channels_count_by_their_place(self) -> None:
        front, centre, surround = sine(-28, 20), sine(-24, 20, channels=1), sine(-30, 20)
        five = np.concatenate([front, centre, surround])
        with_effects = np.concatenate([front, centre, sine(-10, 20, hz=60, channels=1), surround])
        assert metered(five).integrated == pytest.approx(-23, abs=0.1)
        assert metered(with_effects).integrated == pytest.approx(-23, abs=0.1)

    def test_case_9_short_term_is_steady_over_changes_of_three_seconds(self) -> None:
        meter = Loudness(RATE, 2)
        seen = []
        for chunk in chunks(steps((-20, 1.34), (-30, 1.66), times=5), 4800):
            meter.add(chunk)
            seen.append(meter.short_term)
        assert seen[:29] == [None] * 29
        assert seen[29:] == [pytest.approx(-23, abs=0.1)] * len(seen[29:])

    def test_case_12_momentary_is_steady_over_changes_of_four_tenths(self) -> None:
        meter = Loudness(RATE, 2)
        seen = []
        for chunk in chunks(steps((-20, 0.18), (-30, 0.22), times=25), 4800):
            meter.add(chunk)
            seen.append(meter.momentary)
        assert seen[10:] == [pytest.approx(-23, abs=0.1)] * len(seen[10:])

    @pytest.mark.parametrize(
        ("hz", "degrees", "peak", "expected"),
        [
            (12_000, 0, 0.5, -6),
            (12_000, 45, 0.5, -6),
            (8_000, 60, 0.5, -6),
            (6_000, 67.5, 0.5, -6),
            (12_000, 45, 1.41, 3),
        ],
    )
    def test_cases_15_to_19_peaks_between_samples(
        self, hz: float, degrees: float, peak: float, expected: float
    ) -> None:
        wave = sine(decibels(peak), 1, hz, channels=1, degrees=degrees)
        wave[:, :480] *= np.linspace(0, 1, 480, dtype=np.float32)
        found = max(decibels(value) for value in peaks(wave))
        assert -0.4 <= found - expected <= 0.2

    @pytest.mark.parametrize("rate", [44_100, 96_000, 192_000])
    def test_peaks_between_samples_at_other_rates(self, rate: int) -> None:
        wave = sine(-6, 1, 6_000, rate=rate, channels=1, degrees=30)
        wave[:, :480] *= np.linspace(0, 1, 480, dtype=np.float32)
        assert max(decibels(value) for value in peaks(wave, rate)) == pytest.approx(-6, abs=0.2)


def peaks(wave: Wave, rate: int = RATE) -> list[float]:
    meter = TruePeak(rate, wave.shape[0])
    return [meter.add(chunk) for chunk in chunks(wave)]


def programme(rate: int, channels: int, seconds: float = 25.0) -> Wave:
    """Something like a programme: noise of every pitch that swells and pauses, a different one in each channel."""
    random = np.random.default_rng(3)
    count = round(seconds * rate)
    white = random.normal(0, 0.05, (channels, count))
    low = np.cumsum(white, axis=1)
    low -= np.linspace(low[:, :1], low[:, -1:], count, axis=1)[:, 0, :]
    swell = 1 + np.sin(np.arange(count) / rate * 0.9)[None, :]
    wave = (white + 0.02 * low) * swell * (np.arange(count) % (7 * rate) > rate)
    loud: Wave = (0.5 * wave / np.abs(wave).max()).astype(np.float32)
    return loud


def by_ffmpeg(wave: Wave, rate: int) -> tuple[list[float], list[float], float, float]:
    """Momentary and short-term loudness every tenth of a second, integrated loudness, true peak."""
    layout = {1: "mono", 2: "stereo", 6: "5.1"}[wave.shape[0]]
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-hide_banner", "-f", "f32le", "-ar", str(rate)]
    command += ["-ch_layout", layout, "-i", "pipe:0", "-af", "ebur128=peak=true:framelog=info", "-f", "null", "-"]
    told = subprocess.run(command, input=wave.T.tobytes(), capture_output=True, check=True, timeout=60).stderr.decode()
    rows = re.findall(r"M:\s*(\S+)\s+S:\s*(\S+)\s+I:", told)
    summary = told.rpartition("Summary:")[2]
    integrated, peak = re.search(r"I:\s+(\S+) LUFS", summary), re.search(r"Peak:\s+(\S+) dBFS", summary)
    assert integrated
    assert peak
    return [float(row[0]) for row in rows], [float(row[1]) for row in rows], float(integrated[1]), float(peak[1])


@pytest.mark.parametrize(("rate", "channels"), [(48_000, 2), (44_100, 2), (32_000, 1), (48_000, 6)])
def test_it_measures_what_ffmpeg_measures(rate: int, channels: int) -> None:
    wave = programme(rate, channels)
    momentary, short_term, integrated, peak = by_ffmpeg(wave, rate)
    meter = Loudness(rate, channels)
    rows = []
    for chunk in chunks(wave, rate // 10):
        meter.add(chunk)
        rows.append((meter.momentary, meter.short_term))
    assert len(rows) - len(momentary) in (0, 1)
    for (ours_now, ours_short), theirs_now, theirs_short in zip(
        rows[30:], momentary[30:], short_term[30:], strict=False
    ):
        if theirs_now > -65:
            assert ours_now == pytest.approx(theirs_now, abs=0.1)
        assert ours_short == pytest.approx(theirs_short, abs=0.1)
    assert meter.integrated == pytest.approx(integrated, abs=0.1)
    assert decibels(max(peaks(wave, rate))) == pytest.approx(peak, abs=0.2)


@example_settings(deadline=None, max_examples=20)
@given(st.lists(st.integers(0, 9000), min_size=1, max_size=40))
def test_it_does_not_matter_how_the_wave_is_cut(sizes: list[int]) -> None:
    wave = programme(RATE, 2, 4.0)
    meter, start = Loudness(RATE, 2), 0
    for size in sizes:
        meter.add(wave[:, start : start + size])
        start += size
    meter.add(wave[:, start:])
    whole = metered(wave, size=wave.shape[1])
    for name in ("momentary", "short_term", "integrated"):
        assert getattr(meter, name) == pytest.approx(getattr(whole, name), abs=0.01)


def test_integrated_loudness_forgets_what_is_older_than_ten_minutes() -> None:
    meter = Loudness(8000, 1)
    for db, minutes in ((-10, 2), (-30, 11)):
        for _ in range(minutes):
            meter.add(sine(db, 60, rate=8000, channels=1))
    assert meter.integrated == pytest.approx(-33, abs=0.1)


def test_nothing_is_known_before_enough_was_heard_and_silence_has_no_loudness() -> None:
    meter = Loudness(RATE, 2)
    meter.add(np.zeros((2, RATE // 5), np.float32))
    assert (meter.momentary, meter.short_term, meter.integrated) == (None, None, None)
    meter.add(np.zeros((2, 4 * RATE), np.float32))
    assert (meter.momentary, meter.short_term, meter.integrated) == (FLOOR, FLOOR, FLOOR)


def sounds(wave: Wave, rate: int = RATE) -> list[Sound]:
    made, media = [], 0.0
    for chunk in chunks(wave, rate // 10):
        level, seconds = decibels(float(np.sqrt(np.square(chunk).mean(axis=1).max()))), chunk.shape[1] / rate
        made.append(Sound(at(media), seconds, level, decibels(float(np.abs(chunk).max())), (level,), chunk, rate))
        media += seconds
    return made


class TestLowLoudness:
    def told(self, wave: Wave, **given_: object) -> list[tuple[bool, float]]:
        check = LowLoudness()
        check.configure(settings(lowLoudness={"enabled": True, "raiseAfter": "10s", "clearAfter": "3s"} | given_))
        return of(played(check, sounds(wave)))

    def test_a_quiet_programme_is_raised_from_where_the_last_three_seconds_are_too_quiet(self) -> None:
        (raised, up), (cleared, down) = self.told(steps((-23, 5), (-44, 20), (-23, 8)))
        assert (raised, cleared) == (True, False)
        assert up == pytest.approx(5 + 3 + 10, abs=0.21)
        assert down == pytest.approx(25 + 3, abs=0.21)

    @pytest.mark.parametrize(("measure", "window"), [("Momentary", 0.4), ("ShortTerm", 3.0), ("Integrated", 0.4)])
    def test_each_measure_has_its_window(self, measure: str, window: float) -> None:
        ((raised, up),) = self.told(steps((-44, 15)), measure=measure)
        assert raised
        assert up == pytest.approx(window + 10, abs=0.11)

    def test_what_is_just_loud_enough_is_none(self) -> None:
        assert self.told(steps((-39.8, 30))) == []

    def test_silence_is_not_told_twice(self) -> None:
        assert self.told(steps((-23, 5), (-100, 40)), raiseAfter="15s") == []

    def test_pauses_in_quiet_speech_count(self) -> None:
        assert [raised for raised, _ in self.told(steps((-44, 2), (-100, 1), times=8))] == [True]

    def test_it_tells_all_three_measures(self) -> None:
        check = LowLoudness()
        check.configure(settings(lowLoudness={"enabled": True}))
        assert check.measured() == {}
        played(check, sounds(steps((-30, 4))))
        assert check.measured() == {"momentary_lufs": -30.0, "short_term_lufs": -30.0, "integrated_lufs": -30.0}

    def test_another_sample_rate_begins_anew(self) -> None:
        check = LowLoudness()
        check.configure(settings(lowLoudness={"enabled": True}))
        played(check, sounds(steps((-44, 4))))
        played(check, sounds(sine(-20, 1, rate=44_100), 44_100))
        assert check.measured() == {
            "momentary_lufs": pytest.approx(-20, abs=0.1),
            "integrated_lufs": pytest.approx(-20, abs=0.1),
        }

    def test_sound_without_a_wave_tells_nothing(self) -> None:
        check = LowLoudness()
        assert check.observe(Sound(at(0), 0.1, -60.0, -60.0)) is None


class TestClipping:
    def told(self, wave: Wave, **given_: object) -> list[tuple[bool, float]]:
        check = Clipping()
        check.configure(settings(clipping={"enabled": True, "raiseAfter": "5s", "clearAfter": "3s"} | given_))
        return of(played(check, sounds(wave)))

    def test_a_wave_that_is_cut_off_clips(self) -> None:
        cut = steps((6, 10)).clip(-1, 1)
        (raised, up), (cleared, down) = self.told(np.concatenate([steps((-12, 5)), cut, steps((-12, 8))], axis=1))
        assert (raised, up, cleared) == (True, 10.0, False)
        assert down == pytest.approx(18, abs=0.11)

    def test_peaks_between_samples_count(self) -> None:
        assert len(self.told(sine(0.5, 8, 12_000, degrees=45))) == 1
        assert self.told(sine(-0.5, 8, 12_000, degrees=45)) == []

    def test_a_clip_now_and_then_is_none_and_one_in_every_second_is(self) -> None:
        wave = steps((-12, 12))
        rare, often = wave.copy(), wave.copy()
        rare[:, :: 3 * RATE] = 1.2
        often[:, :: RATE * 4 // 5] = 1.2
        assert self.told(rare) == []
        assert [raised for raised, _ in self.told(often)] == [True]

    def test_one_channel_is_enough(self) -> None:
        wave = steps((-12, 8))
        wave[1] = sine(3, 8)[1]
        assert [raised for raised, _ in self.told(wave)] == [True]

    def test_samples_that_stick_at_full_scale_clip_even_below_the_limit(self) -> None:
        square = np.sign(sine(0, 8, 50)).astype(np.float32)
        assert [raised for raised, _ in self.told(square, peakDbtp=6)] == [True]
        assert self.told(0.9 * square, peakDbtp=6) == []

    def test_it_tells_the_peak(self) -> None:
        check = Clipping()
        check.configure(settings(clipping={"enabled": True}))
        assert check.measured() == {}
        played(check, sounds(sine(2, 1)))
        assert check.measured() == {"true_peak_dbtp": pytest.approx(2.0, abs=0.11)}
