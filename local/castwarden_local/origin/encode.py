# SPDX-License-Identifier: Apache-2.0
"""Encodes a script into HLS segments on disk, once and faster than real time; the live origin then airs them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal

import av
from av import AudioFrame, Packet, VideoFrame
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.video.stream import VideoStream
from castwarden_worker.monitor.hls.reader import parse
from castwarden_worker.monitor.playlist import MediaPlaylist

from castwarden_local.origin.pictures import FRAME, RATE, Heard, Look, picture, sound


@dataclass(frozen=True, slots=True)
class Recipe:
    """How to encode. A group of pictures is as long as a segment unless `gop_seconds` says otherwise."""

    width: int = 320
    height: int = 180
    fps: int = 25
    segment_seconds: float = 1.0
    gop_seconds: float | None = None
    bitrate: int = 300_000
    preset: str = "superfast"
    container: Literal["ts", "fmp4"] = "ts"
    separate_audio: bool = False

    @property
    def gop(self) -> int:
        return max(1, round((self.gop_seconds or self.segment_seconds) * self.fps))


@dataclass(frozen=True, slots=True)
class Stretch:
    """So many seconds of one sort of media."""

    seconds: float
    look: Look = "motion"
    heard: Heard = "both"
    frozen: bool = False


@dataclass(frozen=True, slots=True)
class Encoded:
    """Playlists of what was encoded, each in its own folder; `audio` only when the sound is separate."""

    main: MediaPlaylist
    folder: Path
    audio: MediaPlaylist | None = None
    audio_folder: Path | None = None


def encode(script: Sequence[Stretch], recipe: Recipe, folder: Path, *, loops: int = 1) -> Encoded:
    """Encodes `script` and writes it `loops` times in a row, with timestamps that run on."""
    main, sounds = folder / "main", folder / "audio"
    main.mkdir(parents=True)
    with _open(main, recipe) as output:
        video = _video_stream(output, recipe)
        pictures = _encoded(video, _pictures(script, recipe))
        if recipe.separate_audio:
            sounds.mkdir()
            with _open(sounds, recipe) as second:
                audio = _audio_stream(second)
                _write(second, _looped(_encoded(audio, _sounds(script)), loops, _samples(script)))
            _write(output, _looped(pictures, loops, _frames(script, recipe)))
        else:
            audio = _audio_stream(output)
            heard = _looped(_encoded(audio, _sounds(script)), loops, _samples(script))
            _write(output, [*_looped(pictures, loops, _frames(script, recipe)), *heard])
    if recipe.separate_audio:
        return Encoded(_playlist(main), main, _playlist(sounds), sounds)
    return Encoded(_playlist(main), main)


def _open(folder: Path, recipe: Recipe) -> OutputContainer:
    options = {"hls_time": f"{recipe.segment_seconds:g}", "hls_list_size": "0", "hls_playlist_type": "vod"}
    if recipe.gop > recipe.segment_seconds * recipe.fps:
        options["hls_flags"] = "split_by_time"
    if recipe.container == "fmp4":
        options |= {"hls_segment_type": "fmp4", "hls_segment_filename": str(folder / "%d.m4s")}
    else:
        options |= {"hls_segment_filename": str(folder / "%d.ts")}
    return av.open(str(folder / "index.m3u8"), "w", format="hls", options=options)


def _playlist(folder: Path) -> MediaPlaylist:
    playlist = parse((folder / "index.m3u8").read_bytes())
    if not isinstance(playlist, MediaPlaylist):
        raise TypeError("the muxer wrote no media playlist")
    return playlist


def _video_stream(output: OutputContainer, recipe: Recipe) -> VideoStream:
    options = {"preset": recipe.preset, "sc_threshold": "0", "x264-params": f"keyint={recipe.gop}:min-keyint=1"}
    stream = output.add_stream("libx264", rate=recipe.fps, options=options)
    stream.width, stream.height, stream.pix_fmt = recipe.width, recipe.height, "yuv420p"
    stream.bit_rate = recipe.bitrate
    stream.time_base = stream.codec_context.time_base = Fraction(1, recipe.fps)
    return stream


def _audio_stream(output: OutputContainer) -> AudioStream:
    stream = output.add_stream("aac", rate=RATE, layout="stereo", options={"aac_coder": "fast"})
    stream.bit_rate = 96_000
    stream.time_base = stream.codec_context.time_base = Fraction(1, RATE)
    return stream


def _frames(script: Sequence[Stretch], recipe: Recipe) -> int:
    return round(sum(stretch.seconds for stretch in script) * recipe.fps)


def _samples(script: Sequence[Stretch]) -> int:
    return round(sum(stretch.seconds for stretch in script) * RATE)


def _pictures(script: Sequence[Stretch], recipe: Recipe) -> Iterator[VideoFrame]:
    number = shown = 0
    end = 0.0
    for stretch in script:
        end += stretch.seconds
        while number < round(end * recipe.fps):
            frame = picture(recipe.width, recipe.height, shown, stretch.look)
            frame.pts, frame.time_base = number, Fraction(1, recipe.fps)
            yield frame
            number += 1
            shown += not stretch.frozen


def _sounds(script: Sequence[Stretch]) -> Iterator[AudioFrame]:
    first = 0
    end = 0.0
    for stretch in script:
        end += stretch.seconds
        while first < round(end * RATE):
            frame = sound(first, stretch.heard)
            frame.pts, frame.time_base = first, Fraction(1, RATE)
            yield frame
            first += FRAME


def _encoded(stream: VideoStream | AudioStream, frames: Iterator[Any]) -> "list[Packet[Any]]":
    packets: list[Packet[Any]] = []
    for frame in frames:
        packets += stream.encode(frame)
    return packets + stream.encode(None)


def _looped(packets: "list[Packet[Any]]", loops: int, length: int) -> "Iterator[Packet[Any]]":
    """The packets `loops` times; `length` is that of one pass, in ticks of the stream's own clock."""
    for packet in packets:
        packet.dts, packet.pts = packet.dts or 0, packet.pts or 0
    for loop in range(loops):
        for packet in packets:
            copy = Packet(bytes(packet))
            copy.stream, copy.time_base, copy.is_keyframe = packet.stream, packet.time_base, packet.is_keyframe
            copy.pts, copy.dts = (packet.pts or 0) + loop * length, (packet.dts or 0) + loop * length
            copy.duration = packet.duration
            yield copy


def _write(output: OutputContainer, packets: Any) -> None:
    for packet in sorted(packets, key=lambda packet: packet.dts * packet.time_base):
        output.mux(packet)
