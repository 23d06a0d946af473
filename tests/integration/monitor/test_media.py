# SPDX-License-Identifier: Apache-2.0
"""Our demuxers against libavformat's, and against broken data."""

import io
import subprocess
from collections.abc import Callable
from typing import Any

import av
import imageio_ffmpeg
import numpy as np
import pytest
from castwarden_local.origin.encode import Encoded
from castwarden_worker.monitor.errors import SegmentError, StreamError, Unreadable
from castwarden_worker.monitor.media import Init, demux, read_init
from castwarden_worker.monitor.media.fmp4 import demux_fmp4
from castwarden_worker.monitor.sight.decode import PictureDecoder, SoundDecoder

Media = Callable[..., Encoded]


def parts(encoded: Encoded) -> tuple[list[bytes], bytes, Init | None]:
    data = [(encoded.folder / segment.uri).read_bytes() for segment in encoded.main.segments]
    section = encoded.main.segments[0].init
    init = (encoded.folder / section.uri).read_bytes() if section else b""
    return data, init, read_init(init) if init else None


def oracle(data: bytes, kind: str) -> list[tuple[float, bool, int]]:
    with av.open(io.BytesIO(data), "r") as container:
        packets = [packet for packet in container.demux() if packet.stream.type == kind]
        return [
            (float(packet.pts * packet.time_base), packet.is_keyframe, packet.size)
            for packet in packets
            if packet.pts is not None and packet.time_base is not None
        ]


@pytest.mark.parametrize("container", ["ts", "fmp4"])
@pytest.mark.parametrize("gop", [0.4, 2.0])
def test_pictures_are_found_with_their_times_sizes_and_keyframes(media: Media, container: str, gop: float) -> None:
    segments, init_bytes, init = parts(media(container=container, segment_seconds=2.0, gop_seconds=gop))
    for data in segments:
        track = demux(data, init).video
        assert track is not None
        expected = oracle(init_bytes + data, "video")
        assert [(sample.key, len(sample.data)) for sample in track.samples] == [
            (key, size) for _, key, size in expected
        ]
        assert [sample.pts for sample in track.samples] == pytest.approx([pts for pts, _, _ in expected], abs=1e-4)


@pytest.mark.parametrize("container", ["ts", "fmp4"])
def test_all_pictures_and_all_sound_can_be_decoded(media: Media, container: str) -> None:
    segments, _, init = parts(media(container=container, segment_seconds=2.0))
    pictures, seconds, levels = 0, 0.0, []
    for data in segments:
        found = demux(data, init)
        assert found.video is not None
        assert found.audio is not None
        assert found.damage is None
        pictures += len(PictureDecoder(found.video).group(found.video.samples))
        measured = SoundDecoder(found.audio).measure(found.audio.samples, go_on=False)
        seconds += sum(level[1] for level in measured)
        levels += [level[2] for level in measured[1:]]
        assert measured[0][0] == pytest.approx(found.audio.first_pts, abs=0.05)
    assert pictures == 150
    assert seconds == pytest.approx(6, abs=0.2)
    assert np.median(levels) == pytest.approx(-14, abs=1)


@pytest.mark.parametrize("container", ["ts", "fmp4"])
def test_a_segment_that_was_cut_gives_what_is_left_and_says_so(media: Media, container: str) -> None:
    segments, _, init = parts(media(container=container, segment_seconds=2.0))
    whole = demux(segments[1], init)
    cut = demux(segments[1][: len(segments[1]) * 2 // 3 + 1], init)
    assert whole.damage is None
    assert cut.damage is not None
    assert whole.video is not None
    assert cut.video is not None
    assert 0 < len(cut.video.samples) < len(whole.video.samples)


@pytest.mark.parametrize("container", ["ts", "fmp4"])
def test_no_damage_to_a_segment_or_its_init_section_raises_anything_but_the_typed_errors(
    media: Media, container: str
) -> None:
    segments, init_bytes, init = parts(media(container=container, segment_seconds=2.0))
    random = np.random.default_rng(3)
    outcomes = set()
    for _ in range(150):
        data, start = bytearray(segments[1]), bytearray(init_bytes)
        for target in (data[:1500] and data, start):
            for _ in range(int(random.integers(0, 12)) if target else 0):
                target[int(random.integers(0, min(len(target), 2500)))] = int(random.integers(0, 256))
        data = data[: int(random.integers(1, len(data)))]
        outcomes.add(outcome(bytes(data), bytes(start), init))
    assert len(outcomes) > 1


def outcome(data: bytes, init_bytes: bytes, init: Init | None) -> str:
    try:
        found = demux(data, read_init(init_bytes) if init else None)
        if found.video:
            PictureDecoder(found.video).group(found.video.samples[:5])
        if found.audio:
            SoundDecoder(found.audio).measure(found.audio.samples, go_on=False)
    except StreamError as error:
        return type(error).__name__
    return "read"


def test_a_picture_has_its_chroma_and_sound_its_channels_and_its_wave(media: Media) -> None:
    found = demux(parts(media(segment_seconds=2.0))[0][0])
    assert found.video is not None
    assert found.audio is not None
    picture = PictureDecoder(found.video).alone(found.video.samples[0])
    assert picture is not None
    assert (picture.width, picture.height) == (320, 180)
    assert picture.luma.shape == (90, 160)
    assert picture.u is not None
    assert picture.v is not None
    assert picture.u.shape == picture.v.shape == (45, 80)
    levels = SoundDecoder(found.audio).measure(found.audio.samples, go_on=False, wave=True)
    assert {len(level.channels_db) for level in levels} == {2}
    assert all(level.wave is not None and level.wave.shape[0] == 2 for level in levels)
    assert sum(level.wave.shape[1] for level in levels if level.wave is not None) / levels[0].rate == pytest.approx(
        sum(level.seconds for level in levels)
    )
    assert SoundDecoder(found.audio).measure(found.audio.samples, go_on=False)[0].wave is None


@pytest.mark.parametrize("lost", [1, 7])
def test_packets_that_are_missing_within_a_unit_are_damage(media: Media, lost: int) -> None:
    whole = parts(media(segment_seconds=2.0))[0][1]
    packets = [whole[at : at + 188] for at in range(0, len(whole), 188)]
    inner = next(
        at
        for at in range(20, len(packets) - lost)
        if all(one[1:3] == packets[at][1:3] and not one[1] & 0x40 for one in packets[at - 1 : at + lost + 1])
    )
    assert demux(whole).damage is None
    assert demux(b"".join(packets[:inner] + packets[inner + lost :])).damage == "packets are missing"


def test_counters_that_begin_anew_where_a_unit_does_are_no_damage(media: Media) -> None:
    first, second, _ = parts(media(segment_seconds=2.0))[0]
    assert demux(first + first).damage is None
    assert demux(second + first).damage is None


def test_junk_before_the_first_packet_is_skipped(media: Media) -> None:
    segments, _, _ = parts(media(segment_seconds=2.0))
    clean, dirty = demux(segments[1]), demux(b"junk" * 10 + segments[1])
    assert clean.video is not None
    assert dirty.video is not None
    assert len(clean.video.samples) == len(dirty.video.samples)


def packed(pts: float, media: Media) -> tuple[bytes, Any]:
    """An ADTS stream cut out of a transport stream, behind an ID3 tag with a timestamp."""
    segments, _, _ = parts(media(segment_seconds=2.0))
    audio = demux(segments[1]).audio
    assert audio is not None
    body = b"PRIV" + (53).to_bytes(4) + b"\0\0" + b"com.apple.streaming.transportStreamTimestamp\0"
    body += round(pts * 90_000).to_bytes(8)
    tag = b"ID3\x04\0\0" + bytes([0, 0, 0, len(body)]) + body
    return tag + b"".join(bytes(sample.data) for sample in audio.samples), audio


def test_packed_audio_is_read_with_the_timestamp_of_its_tag(media: Media) -> None:
    data, _ = packed(12.5, media)
    audio = demux(data).audio
    assert audio is not None
    levels = SoundDecoder(audio).measure(audio.samples, go_on=False)
    assert levels[0][0] == pytest.approx(12.5, abs=1e-4)
    assert sum(level[1] for level in levels) == pytest.approx(2, abs=0.2)


@pytest.mark.parametrize("data", [b"", b"<!DOCTYPE html><html></html>", b"G" + bytes(400)])
def test_what_is_no_media_is_a_segment_error(data: bytes) -> None:
    with pytest.raises(SegmentError if data[:1] != b"G" else StreamError):
        demux(data)


def test_an_unknown_container_is_nobodys_fault() -> None:
    with pytest.raises(Unreadable):
        demux(b"\x1aE\xdf\xa3" + bytes(100))


def test_fmp4_without_its_init_section_is_an_error(media: Media) -> None:
    segments, _, _ = parts(media(container="fmp4", segment_seconds=2.0))
    with pytest.raises(SegmentError, match="without an init section"):
        demux_fmp4(segments[0], None)


def test_drm_is_nobodys_fault(media: Media) -> None:
    _, init_bytes, _ = parts(media(container="fmp4", segment_seconds=2.0))
    with pytest.raises(Unreadable, match="encrypted"):
        read_init(init_bytes.replace(b"avc1", b"encv"))


def test_a_playlist_in_place_of_a_segment_opens_nothing() -> None:
    with pytest.raises(StreamError):
        demux(b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n")
    with pytest.raises(SegmentError):
        read_init(b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n")


CODECS = {
    "h264 in open groups, eac3": ("ts", "libx264 -x264-params open-gop=1:keyint=25:scenecut=0", "eac3", 2),
    "h264 of 10 bits, mp3": ("ts", "libx264 -pix_fmt yuv420p10le -g 25", "libmp3lame", 2),
    "h264 interlaced, aac": ("ts", "libx264 -flags +ilme+ildct -g 25", "aac", 2),
    "hevc, ac3": ("ts", "libx265 -preset ultrafast -x265-params keyint=25:log-level=0", "ac3", 2),
    "mpeg2, mp2": ("ts", "mpeg2video -g 25", "mp2", 2),
    "hevc, flac": ("mp4", "libx265 -preset ultrafast -x265-params keyint=25:log-level=0 -tag:v hvc1", "flac", 2),
    "av1, opus": ("mp4", "libsvtav1 -preset 12 -g 25 -svtav1-params key-frames=1", "libopus", 1),
    "vp9, alac": ("mp4", "libvpx-vp9 -deadline realtime -g 25", "alac", 2),
}


@pytest.mark.parametrize(("container", "video", "audio", "keys"), CODECS.values(), ids=CODECS)
def test_other_codecs_are_read_and_decoded(container: str, video: str, audio: str, keys: int) -> None:
    data = made_by_ffmpeg(container, video.split(), audio)
    found = demux(data)
    assert found.video is not None
    assert found.audio is not None
    assert [sample.key for sample in found.video.samples].count(True) >= keys
    pictures = PictureDecoder(found.video).group(found.video.samples)
    assert len(pictures) == pytest.approx(50, abs=3)
    levels = SoundDecoder(found.audio).measure(found.audio.samples, go_on=False)
    assert sum(level[1] for level in levels) == pytest.approx(2, abs=0.1)
    assert np.median([level[2] for level in levels]) == pytest.approx(-21, abs=1)


def made_by_ffmpeg(container: str, video: list[str], audio: str) -> bytes:
    source = ["-f", "lavfi", "-i", "testsrc2=s=160x96:r=25:d=2", "-f", "lavfi", "-i", "sine=f=440:d=2"]
    output = ["-f", "mpegts"] if container == "ts" else ["-f", "mp4", "-movflags", "frag_keyframe+empty_moov"]
    command = [
        imageio_ffmpeg.get_ffmpeg_exe(),
        "-v",
        "error",
        *source,
        "-c:v",
        *video,
        "-c:a",
        audio,
        *output,
        "pipe:1",
    ]
    return subprocess.run(command, check=True, capture_output=True, timeout=60).stdout
