# SPDX-License-Identifier: Apache-2.0
"""Endless media, cut: made by real encoders, fed in pieces of any size, and noise."""

from collections import Counter
from functools import cache
from itertools import pairwise

import pytest
from castwarden_local.origin.encode import Recipe
from castwarden_local.origin.encode import Stretch as Script
from castwarden_local.origin.streams import Kind, air
from castwarden_worker.monitor.endless.stretches import SNIFF, Stretch, cutter_for, is_continuous
from castwarden_worker.monitor.endless.stretches.cut import Cutter, Gatherer
from castwarden_worker.monitor.endless.stretches.frames import Frame, FrameCutter
from castwarden_worker.monitor.endless.stretches.icy import IcyFilter
from castwarden_worker.monitor.endless.stretches.ogg import OggCutter
from castwarden_worker.monitor.errors import Unreadable
from castwarden_worker.monitor.media.tracks import Sample, Track
from castwarden_worker.monitor.sight.decode import SoundDecoder
from hypothesis import given, settings
from hypothesis import strategies as st

SECONDS = 7.0
SOUNDS: tuple[Kind, ...] = ("mp3", "aac", "opus", "vorbis", "flac")
SMALL = Recipe(width=160, height=90, gop_seconds=1)


@cache
def encoded(kind: Kind, title: str = "") -> bytes:
    """SECONDS of a tone, with moving pictures in a kind that has any."""
    return b"".join(piece.data for piece in air([Script(SECONDS)], kind, SMALL, title=title))


def cut(data: bytes, cutter: Cutter | None = None, piece: int = 1000) -> list[Stretch]:
    cutter = cutter or cutter_for(data[:SNIFF])
    found = [stretch for at in range(0, len(data), piece) for stretch in cutter.feed(data[at : at + piece])]
    return found + cutter.finish()


def sounds(stretches: list[Stretch]) -> list[Track]:
    return [stretch.media.audio for stretch in stretches if stretch.media.audio]


@pytest.mark.parametrize("codec", SOUNDS)
def test_endless_sound_becomes_stretches_of_two_seconds_that_can_be_heard(codec: Kind) -> None:
    stretches = cut(encoded(codec))
    tracks = sounds(stretches)
    assert [round(stretch.seconds) for stretch in stretches[:3]] == [2, 2, 2]
    assert sum(stretch.seconds for stretch in stretches) == pytest.approx(SECONDS, abs=0.08)
    for before, after in pairwise(stretches):
        assert before.media.audio
        assert after.media.audio
        assert before.media.audio.first_pts + before.seconds == pytest.approx(after.media.audio.first_pts)
    assert {track.codec for track in tracks} == {codec}
    assert not any(stretch.media.damage or stretch.discontinuity for stretch in stretches)
    decoder = SoundDecoder(tracks[0])
    for track in tracks:
        assert decoder.fits(track)
        levels = [level[2] for level in decoder.measure(track.samples, go_on=True)]
        assert len(levels) >= 8 * min(1.0, len(track.samples) / 60)
        assert max(levels) == pytest.approx(-14, abs=1.5)


@pytest.mark.parametrize("codec", SOUNDS)
@pytest.mark.parametrize("piece", [1, 777, 10**6])
def test_the_size_of_the_pieces_changes_nothing(codec: Kind, piece: int) -> None:
    whole, parts = cut(encoded(codec)), cut(encoded(codec), piece=piece)
    assert [stretch.seconds for stretch in whole] == [stretch.seconds for stretch in parts]
    assert [bytes(it.samples[-1].data) for it in sounds(whole)] == [bytes(it.samples[-1].data) for it in sounds(parts)]


@pytest.mark.parametrize("codec", ["mp3", "aac"])
def test_sound_that_is_joined_in_the_middle_begins_with_the_next_frame(codec: Kind) -> None:
    data = encoded(codec)[5001:]
    assert is_continuous(data[:SNIFF])
    stretches = cut(data)
    assert not any(stretch.media.damage for stretch in stretches)
    assert sum(stretch.seconds for stretch in stretches) > 5


@pytest.mark.parametrize("codec", ["mp3", "aac", "opus"])
def test_rubbish_in_between_is_damage_of_one_stretch_and_what_follows_is_heard(codec: Kind) -> None:
    data = encoded(codec)
    half = len(data) // 2
    stretches = cut(data[:half] + b"rubbish!" * 200 + data[half:])
    damaged = [stretch for stretch in stretches if stretch.media.damage]
    assert len(damaged) == 1
    assert sum(stretch.seconds for stretch in stretches) > 5


def test_a_chained_ogg_stream_begins_anew_with_its_own_headers_and_title() -> None:
    cutter = OggCutter()
    first = cut(encoded("opus", title="One"), cutter)
    assert cutter.title == "One"
    second = cut(encoded("vorbis", title="Two"), cutter)
    assert cutter.title == "Two"
    assert [track.codec for track in sounds(first + second)] == ["opus"] * len(first) + ["vorbis"] * len(second)
    assert [stretch.discontinuity for stretch in second] == [True] + [False] * (len(second) - 1)


def test_a_transport_stream_is_cut_between_pictures_and_none_is_lost_or_doubled() -> None:
    stretches = cut(encoded("ts"))
    assert [round(stretch.seconds, 1) for stretch in stretches[:3]] == [2.0, 2.0, 2.0]
    pictures = [sample.pts for stretch in stretches if stretch.media.video for sample in stretch.media.video.samples]
    assert len(pictures) == SECONDS * 25
    assert len(set(pictures)) == len(pictures)
    steps = {round(later - earlier, 3) for earlier, later in pairwise(sorted(pictures))}
    assert steps == {0.04}
    heard = b"".join(bytes(sample.data) for track in sounds(stretches) for sample in track.samples)
    assert heard == b"".join(
        bytes(sample.data) for track in sounds(cut(encoded("ts"), piece=10**7)) for sample in track.samples
    )
    assert not any(stretch.media.damage for stretch in stretches)


@pytest.mark.parametrize("piece", [100, 188, 5000])
def test_a_transport_stream_in_other_pieces_gives_the_same_stretches(piece: int) -> None:
    whole, parts = cut(encoded("ts"), piece=10**7), cut(encoded("ts"), piece=piece)
    assert [stretch.seconds for stretch in whole] == [stretch.seconds for stretch in parts]
    assert [len(it.media.video.samples) for it in whole if it.media.video] == [
        len(it.media.video.samples) for it in parts if it.media.video
    ]


def test_a_transport_stream_finds_its_step_again() -> None:
    data = encoded("ts")
    half = len(data) // 2 // 188 * 188
    stretches = cut(data[7:half] + b"rubbish" * 100 + data[half:])
    assert [stretch.media.damage for stretch in stretches if stretch.media.damage] == ["packets out of sync"]
    assert sum(stretch.seconds for stretch in stretches) == pytest.approx(SECONDS, abs=0.3)


def test_a_transport_stream_whose_clock_leaps_is_broken_there() -> None:
    cutter = cutter_for(encoded("ts")[:SNIFF])
    first = [*cutter.feed(encoded("ts"))]
    second = [*cutter.feed(encoded("ts")), *cutter.finish()]
    stretches = first + second
    assert [stretch.discontinuity for stretch in stretches].count(True) == 1
    assert sum(stretch.seconds for stretch in stretches) == pytest.approx(2 * SECONDS, abs=0.3)


@pytest.mark.parametrize("head", [b"", b"<html>", b"RIFF" + bytes(4000), bytes(5000), b"\xff" * 5000, b"ID3"])
def test_what_is_no_stream_of_a_known_kind_is_unreadable(head: bytes) -> None:
    with pytest.raises(Unreadable):
        cutter_for(head, "audio/wav")


def interleaved(data: bytes, interval: int, titles: dict[int, bytes]) -> bytes:
    out = bytearray()
    for count, at in enumerate(range(0, len(data), interval)):
        out += data[at : at + interval]
        if at + interval <= len(data):
            text = titles.get(count, b"")
            out += bytes([-(-len(text) // 16)]) + text + bytes(-len(text) % 16)
    return bytes(out)


def test_titles_are_taken_out_of_the_sound() -> None:
    data = encoded("mp3")
    mixed = interleaved(data, 800, {2: b"StreamTitle='A - It's late';StreamUrl='';", 40: b"StreamTitle='caf\xe9';"})
    found = IcyFilter(800)
    half = len(mixed) // 5
    sound_bytes = found.feed(mixed[:half])
    assert found.title == "A - It's late"
    assert sound_bytes + found.feed(mixed[half:]) == data
    assert found.title == "café"


@given(st.binary(max_size=600), st.integers(1, 50), st.lists(st.integers(1, 30), max_size=20), st.binary(max_size=40))
def test_whatever_the_pieces_are_the_sound_between_titles_is_whole(
    data: bytes, interval: int, cuts: list[int], text: bytes
) -> None:
    mixed = interleaved(data, interval, {0: text, 3: text})
    found, out, at = IcyFilter(interval), b"", 0
    for size in [*cuts, len(mixed)]:
        out += found.feed(mixed[at : at + size])
        at += size
    assert out == data


@pytest.mark.parametrize("interval", [0, -1, 2**30])
def test_an_absurd_interval_between_titles_is_refused(interval: int) -> None:
    with pytest.raises(ValueError, match="between titles"):
        IcyFilter(interval)


def test_a_tag_that_claims_to_be_huge_is_not_waited_for() -> None:
    huge = b"ID3\4\0\0\x7f\x7f\x7f\x7f"
    stretches = cut(encoded("mp3") + huge + encoded("mp3"))
    assert sum(stretch.seconds for stretch in stretches) == pytest.approx(2 * SECONDS, abs=0.3)


def test_a_flood_of_tiny_samples_that_take_no_time_is_cut_by_their_number() -> None:
    gathered = Gatherer()
    gathered.set_track("audio", "opus", None)
    done = [stretch for number in range(50_000) for stretch in gathered.add("audio", Sample(number * 1e-9, b"x"))]
    assert len(done) == 2
    assert all(stretch.seconds > 0 for stretch in done)


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from([*SOUNDS, "ts"]),
    st.lists(st.tuples(st.floats(0, 1), st.binary(min_size=1, max_size=40)), max_size=8),
    st.integers(50, 3000),
)
def test_damaged_media_of_any_kind_never_raises(codec: Kind, changes: list[tuple[float, bytes]], piece: int) -> None:
    data = bytearray(encoded(codec))
    cutter = cutter_for(bytes(data[:SNIFF]))
    for where, noise in changes:
        at = int(where * len(data))
        data[at : at + len(noise)] = noise
    for stretch in cut(bytes(data), cutter, piece):
        assert stretch.seconds > 0


@settings(max_examples=60, deadline=None)
@given(st.sampled_from([*SOUNDS, "ts"]), st.lists(st.binary(max_size=300), max_size=20))
def test_noise_never_raises(codec: Kind, noise: list[bytes]) -> None:
    cutter = cutter_for(encoded(codec)[:SNIFF])
    for piece in noise:
        cutter.feed(piece)
    cutter.finish()


@pytest.mark.parametrize("codec", ["mp3", "aac"])
@pytest.mark.parametrize(
    "rubbish", [b"\xff", b"\xff\xfb\x10\x00", b"\xff\xf1\x50\x00\x01\xff\x00", b"\xff\xf1\x50\x03\xff\xff"]
)
def test_rubbish_is_searched_for_frames_once_however_slowly_it_comes(codec: str, rubbish: bytes) -> None:
    cutter, read = FrameCutter(codec), Counter[str]()
    inner = cutter._read

    def counted(data: bytes | bytearray, at: int) -> Frame | None:
        read["headers"] += 1
        return inner(data, at)

    cutter._read = counted
    noise = rubbish * (40_000 // len(rubbish))
    cutter.feed(noise)
    for at in range(4000):
        cutter.feed(noise[at : at + 1])
        assert len(cutter._buffer) < 10_000
    assert read["headers"] <= 4 * 44_000
