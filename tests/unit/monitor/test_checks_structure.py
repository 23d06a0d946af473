# SPDX-License-Identifier: Apache-2.0
"""The checks of a segment's structure, on segments made by hand."""

from collections.abc import Iterable, Mapping
from typing import Any
from uuid import uuid4

import pytest
from castwarden_model.resources.checks import Checks
from castwarden_worker.monitor.checks import CheckSet
from castwarden_worker.monitor.checks.audio_missing import AudioMissing
from castwarden_worker.monitor.checks.av_drift import AvDrift
from castwarden_worker.monitor.checks.codec_change import CodecChange
from castwarden_worker.monitor.checks.quality_drop import QualityDrop
from castwarden_worker.monitor.checks.video_missing import VideoMissing
from castwarden_worker.monitor.episode import Change
from castwarden_worker.monitor.seen import Kind, SegmentSeen, TrackSeen

from tests.unit.monitor.made import WALL, at
from tests.unit.monitor.made_facts import configured, told

VIDEO: frozenset[Kind] = frozenset(("video",))
AUDIO: frozenset[Kind] = frozenset(("audio",))


def picture(pts: float = 0.0, **given: Any) -> TrackSeen:
    usual = {"size": 500_000, "height": 720, "width": 1280, "key_size": 80_000.0, "detail": 0.05}
    return TrackSeen("h264", first_pts=pts, last_pts=pts + 3.96, **(usual | given))


def sound(pts: float = 0.0, **given: Any) -> TrackSeen:
    return TrackSeen(
        "aac", first_pts=pts, last_pts=pts + 3.98, **({"size": 60_000, "rate": 48000, "channels": 2} | given)
    )


def segment(number: int, video: TrackSeen | None, audio: TrackSeen | None, **given: Any) -> SegmentSeen:
    """The segment `number` of a stream of four-second segments."""
    return SegmentSeen(at(4.0 * number), 4.0, sequence=number, video=video, audio=audio, **given)


class TestMissingTracks:
    def rows(self, tracks: str, **given: Any) -> list[SegmentSeen]:
        """One letter per segment: b both, v picture, a sound, x broken."""
        return [
            segment(
                number,
                picture() if letter in "bv" else None,
                sound() if letter in "ba" else None,
                error="HTTP 404" if letter == "x" else None,
                **given,
            )
            for number, letter in enumerate(tracks)
        ]

    def test_sound_that_was_there_and_is_gone_for_ten_seconds_is_missing_until_it_is_back_for_five(self) -> None:
        raised, cleared = told(configured(AudioMissing()), self.rows("bbbvvvbbb"))
        assert (raised.at.media, cleared.at.media, cleared.duration) == (22.0, 29.0, 12.0)

    def test_a_stream_that_never_had_sound_misses_none(self) -> None:
        assert told(configured(AudioMissing()), self.rows("v" * 20)) == []

    def test_sound_that_the_playlist_announces_is_missed_from_the_beginning(self) -> None:
        assert len(told(configured(AudioMissing()), self.rows("v" * 5, announced=AUDIO))) == 1

    def test_a_radio_misses_no_picture(self) -> None:
        assert told(configured(VideoMissing()), self.rows("a" * 20)) == []

    def test_a_picture_that_was_there_is_missed(self) -> None:
        assert [change.raised for change in told(configured(VideoMissing()), self.rows("bbaaaabb"))] == [True, False]

    @pytest.mark.parametrize(("expected", "alerts"), [("Auto", 0), ("Always", 1), ("Never", 0)])
    def test_what_is_expected_can_be_said(self, expected: str, alerts: int) -> None:
        check = configured(VideoMissing(), expected=expected)
        seen = self.rows("a" * 20)
        assert len(told(check, seen) if check.enabled else []) == alerts

    def test_broken_segments_prove_nothing(self) -> None:
        assert told(configured(AudioMissing()), self.rows("bb" + "x" * 20 + "vv" + "bb")) == []

    def test_the_main_rendition_need_not_carry_the_sound_of_another_one(self) -> None:
        check = configured(AudioMissing())
        main = self.rows("v" * 10, sought=VIDEO, announced=VIDEO)
        apart = self.rows("a" * 10, sought=AUDIO, announced=AUDIO, rendition="audio")
        assert told(check, [seen for pair in zip(main, apart, strict=True) for seen in pair]) == []
        broken = self.rows("x" * 10, sought=AUDIO, rendition="audio")
        assert told(check, broken) == []

    def test_an_episode_known_from_before_goes_on_and_clears(self) -> None:
        check, known = configured(AudioMissing()), uuid4()
        check.prime(known, WALL - 50)
        assert told(check, self.rows("vvvvv")) == []
        (cleared,) = told(check, [segment(number, picture(), sound()) for number in range(5, 8)])
        assert (cleared.raised, cleared.episode) == (False, known)


class TestAvDrift:
    def muxed(self, offsets: Iterable[float], **given: Any) -> list[SegmentSeen]:
        return [
            segment(number, picture(1000 + 4.0 * number), sound(1000 + 4.0 * number + offset), **given)
            for number, offset in enumerate(offsets)
        ]

    def apart(self, offsets: Iterable[float], *, length: float = 4.0, announced: float = 4.0) -> list[SegmentSeen]:
        """Sound in segments of `length` that its playlist calls `announced`."""
        rows: list[SegmentSeen] = []
        for number, offset in enumerate(offsets):
            rows.append(segment(number, picture(4.0 * number), None, sought=VIDEO))
            track = sound(500 + length * number + offset)
            rows.append(SegmentSeen(at(length * number), announced, "audio", number, audio=track, sought=AUDIO))
        return rows

    def test_sound_that_leaves_the_picture_by_a_second_is_raised_after_ten_and_cleared_when_it_is_back(self) -> None:
        raised, cleared = told(configured(AvDrift()), self.muxed([0.02] * 10 + [1.02] * 5 + [0.02] * 5))
        assert (raised.at.media, cleared.duration) == (50.0, 20.0)

    def test_drift_that_begins_early_does_not_take_the_baseline_along(self) -> None:
        (raised,) = told(configured(AvDrift()), self.muxed(max(0.0, 0.16 * (number - 5)) for number in range(15)))
        assert raised.began_wall == WALL + 36

    @pytest.mark.parametrize("sign", [1, -1])
    def test_slow_drift_is_found_however_slow(self, sign: int) -> None:
        (raised,) = told(configured(AvDrift()), self.muxed(sign * 0.001 * number for number in range(700)))
        assert raised.began_wall - WALL == pytest.approx(4 * (500 + 8), abs=40)

    def test_a_constant_offset_is_how_the_encoder_is(self) -> None:
        assert told(configured(AvDrift()), self.muxed([-1.4] * 100)) == []

    def test_jitter_of_interleaving_is_no_drift(self) -> None:
        assert told(configured(AvDrift()), self.muxed([0.3 * (number % 3) for number in range(100)])) == []

    def test_a_single_odd_segment_is_no_drift(self) -> None:
        assert told(configured(AvDrift()), self.muxed([0.0] * 20 + [3.0] + [0.0] * 20)) == []

    def test_a_discontinuity_begins_anew(self) -> None:
        before, after = self.muxed([0.0] * 20), self.muxed([0.0] * 20 + [2.0] * 20)[20:]
        after[0] = segment(20, after[0].video, after[0].audio, discontinuity=True)
        assert told(configured(AvDrift()), before + after) == []

    def test_timestamps_that_begin_anew_are_no_drift(self) -> None:
        wrap = 2**33 / 90_000
        rows = [
            segment(number, picture((wrap - 40 + 4 * number) % wrap), sound((wrap - 40.5 + 4 * number) % wrap))
            for number in range(30)
        ]
        assert told(configured(AvDrift()), rows) == []

    def test_separate_sound_of_other_segment_lengths_is_no_drift(self) -> None:
        assert told(configured(AvDrift()), self.apart([0.0] * 200, length=4.096, announced=4.096)) == []

    def test_rounded_durations_are_no_drift(self) -> None:
        assert told(configured(AvDrift()), self.apart([0.0] * 600, length=4.0053, announced=4.0)) == []

    def test_separate_sound_that_jumps_away_from_its_playlist_is_found(self) -> None:
        (raised,) = told(configured(AvDrift()), self.apart([0.0] * 20 + [0.8] * 20))
        assert raised.began_wall == WALL + 80

    def test_missed_media_of_separate_renditions_prove_nothing(self) -> None:
        rows = self.apart([0.0] * 60)
        assert told(configured(AvDrift()), rows[:40] + rows[61:]) == []

    def test_an_episode_known_from_before_clears_once_a_baseline_is_known(self) -> None:
        check, known = configured(AvDrift()), uuid4()
        check.prime(known, WALL - 50)
        (cleared,) = told(check, self.muxed([0.0] * 10))
        assert cleared.episode == known


class TestCodecChange:
    def rows(self, *heights: int | None) -> list[SegmentSeen]:
        return [segment(number, picture(height=height), sound()) for number, height in enumerate(heights)]

    def test_another_height_is_raised_at_once_and_named(self) -> None:
        check = configured(CodecChange())
        (raised,) = told(check, self.rows(720, 720, 480))
        assert (raised.at.media, raised.duration) == (8.0, 0.0)
        assert check.measured() == {"field": "height", "before": "720", "after": "480"}

    def test_what_is_not_decoded_yet_is_no_change(self) -> None:
        assert told(configured(CodecChange()), self.rows(None, 720, None, 720)) == []

    def test_it_clears_when_the_usual_format_is_back(self) -> None:
        _, cleared = told(configured(CodecChange()), self.rows(720, 480, 480, 720, 720, 720, 720))
        assert (cleared.at.media, cleared.duration) == (22.0, 8.0)

    def test_a_new_format_that_lasts_becomes_the_usual_one(self) -> None:
        changes = told(configured(CodecChange()), self.rows(720, *[480] * 40, 720))
        assert [change.raised for change in changes] == [True, False, True]
        assert changes[1].duration == 60.0

    def test_a_stream_that_alternates_does_not_alert_at_each_segment(self) -> None:
        assert len(told(configured(CodecChange()), self.rows(*[720, 480] * 50))) == 1

    @pytest.mark.parametrize(
        ("field", "other"),
        [("codec", TrackSeen("ac3", 1, 0, 4)), ("rate", sound(rate=44100)), ("ch", sound(channels=6))],
    )
    def test_sound_has_a_format_too(self, field: str, other: TrackSeen) -> None:
        rows = [segment(0, picture(), sound()), segment(1, picture(), None), segment(2, picture(), other)]
        assert len(told(configured(CodecChange()), rows)) == 1

    def test_another_rendition_has_another_format(self) -> None:
        check = configured(CodecChange())
        told(check, self.rows(720, 720))
        check.renewed()
        assert told(check, self.rows(480, 480)) == []

    def test_an_episode_known_from_before_clears_in_a_steady_format(self) -> None:
        check = configured(CodecChange())
        check.prime(uuid4(), WALL - 5)
        assert [change.raised for change in told(check, self.rows(*[720] * 5))] == [False]


class TestQualityDrop:
    def rows(self, *parts: tuple[int, dict[str, Any]]) -> list[SegmentSeen]:
        """(number of segments, what their picture is like) one after the other."""
        given = [track for count, track in parts for _ in range(count)]
        return [segment(number, picture(**track), sound()) for number, track in enumerate(given)]

    def test_fewer_bytes_for_the_same_picture_are_a_drop_until_they_are_back(self) -> None:
        low = {"size": 150_000, "key_size": 25_000.0}
        raised, cleared = told(configured(QualityDrop()), self.rows((30, {}), (30, low), (40, {})))
        assert (raised.at.media, raised.began_wall) == (180.0, WALL + 120)
        assert (cleared.at.media, cleared.duration) == (300.0, 120.0)

    def test_it_does_not_end_because_it_lasts(self) -> None:
        low = {"size": 150_000, "key_size": 25_000.0}
        assert [c.raised for c in told(configured(QualityDrop()), self.rows((30, {}), (500, low)))] == [True]

    def test_half_the_height_is_a_drop(self) -> None:
        check = configured(QualityDrop())
        assert len(told(check, self.rows((30, {}), (30, {"height": 360})))) == 1
        assert check.measured()["height"] == 360

    @pytest.mark.parametrize(
        "what",
        [
            pytest.param({"size": 90_000}, id="a picture that rests"),
            pytest.param({"size": 9_000, "key_size": 1_000.0, "detail": 0.0}, id="black"),
            pytest.param({"size": 150_000, "key_size": 25_000.0, "detail": 0.012}, id="a dark scene"),
            pytest.param({"height": 480}, id="a little less height"),
            pytest.param({"size": 150_000, "key_size": 25_000.0, "detail": None}, id="never looked at"),
        ],
    )
    def test_is_no_drop(self, what: dict[str, Any]) -> None:
        assert told(configured(QualityDrop()), self.rows((60, {}), (60, what))) == []

    def test_content_that_comes_and_goes_is_no_drop(self) -> None:
        busy, calm = (10, {"size": 900_000, "key_size": 90_000.0}), (20, {"size": 300_000, "key_size": 40_000.0})
        assert told(configured(QualityDrop()), self.rows(*[busy, calm] * 10)) == []

    def test_a_minute_of_baseline_is_needed(self) -> None:
        low = {"size": 150_000, "key_size": 25_000.0}
        assert told(configured(QualityDrop()), self.rows((10, {}), (60, low))) == []

    def test_a_drop_shorter_than_a_minute_raises_nothing(self) -> None:
        low = {"size": 150_000, "key_size": 25_000.0}
        for segments in (1, 2, 3, 13, 14):
            assert told(configured(QualityDrop()), self.rows((30, {}), (segments, low), (60, {}))) == []


class TestTakenOver:
    """Alerts of checks that measure a stream against its own past, in the hands of another process."""

    def told(self, condition: str, measured: Mapping[str, float | str], rows: Iterable[SegmentSeen]) -> list[Change]:
        checks = CheckSet(Checks())
        check = checks.named(condition)
        assert check is not None
        check.prime(uuid4(), WALL - 50, measured)
        return [change for seen in rows for change in checks.segment(seen) if change.condition == condition]

    def drifted(self, offset: float, count: int) -> list[SegmentSeen]:
        return [
            segment(number, picture(1000 + 4.0 * number), sound(1000 + 4.0 * number + offset))
            for number in range(count)
        ]

    def test_drift_stays_open_until_sound_and_picture_are_together_by_the_old_baseline(self) -> None:
        measured = {"offset_sec": 0.8, "baseline_sec": 0.02}
        assert self.told("av_drift", measured, self.drifted(0.8, 100)) == []
        (cleared,) = self.told("av_drift", measured, self.drifted(0.02, 10))
        assert (cleared.raised, cleared.settled) == (False, "")

    def test_drift_of_separate_renditions_ends_without_a_recovery(self) -> None:
        rows = [segment(number, picture(4.0 * number), None, sought=VIDEO) for number in range(9)]
        (ended,) = self.told("av_drift", {"offset_sec": 0.8, "baseline_sec": 0.0}, rows)
        assert ended.settled == "baseline_lost"

    def test_a_format_stays_changed_until_the_usual_one_is_back(self) -> None:
        measured = {"field": "height", "before": "720", "after": "480"}
        low = [segment(number, picture(height=480), sound()) for number in range(12)]
        assert self.told("codec_change", measured, low) == []
        high = [segment(number, picture(height=720), sound()) for number in range(12)]
        (cleared,) = self.told("codec_change", measured, high)
        assert (cleared.raised, cleared.settled) == (False, "")

    def test_a_drop_of_quality_ends_without_a_recovery(self) -> None:
        rows = [segment(number, picture(height=480), sound()) for number in range(40)]
        (ended,) = self.told("quality_drop", {"bitrate_kbps": 400.0, "median_kbps": 3000.0}, rows)
        assert ended.settled == "baseline_lost"
