# SPDX-License-Identifier: Apache-2.0
"""Encodes a script into media without an end: what an encoder pushes, with the second at which each piece is due."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Literal

import av
from av import AudioFrame, Packet, VideoFrame
from av.audio.stream import AudioStream
from av.video.stream import VideoStream

from castwarden_local.origin.encode import Recipe, Stretch
from castwarden_local.origin.pictures import FRAME, RATE, picture, sound

Kind = Literal["mp3", "aac", "opus", "vorbis", "flac", "ts", "flv"]


@dataclass(frozen=True, slots=True)
class _Form:
    container: str
    codec: str
    options: dict[str, str]
    content_type: str


FORMS: dict[Kind, _Form] = {
    "mp3": _Form("mp3", "libmp3lame", {"id3v2_version": "0", "write_xing": "0"}, "audio/mpeg"),
    "aac": _Form("adts", "aac", {}, "audio/aac"),
    "opus": _Form("ogg", "libopus", {"page_duration": "200000"}, "audio/ogg"),
    "vorbis": _Form("ogg", "vorbis", {"page_duration": "200000"}, "audio/ogg"),
    "flac": _Form("ogg", "flac", {"page_duration": "200000"}, "audio/ogg"),
    "ts": _Form("mpegts", "aac", {}, "video/mp2t"),
    "flv": _Form("flv", "aac", {"flvflags": "no_duration_filesize"}, "video/x-flv"),
}
WITH_PICTURE: tuple[Kind, ...] = ("ts", "flv")


@dataclass(frozen=True, slots=True)
class Piece:
    """Bytes that are complete `due` seconds after the beginning."""

    due: float
    data: bytes


def air(script: Sequence[Stretch], kind: Kind, recipe: Recipe | None = None, *, title: str = "") -> list[Piece]:
    """All of `script` in pieces. `recipe` counts for kinds with a picture."""
    form, recipe = FORMS[kind], recipe or Recipe(width=160, height=90)
    drain = _Drain()
    pieces: list[Piece] = []
    options = form.options | {"flush_packets": "1"}
    with av.open(drain, "w", format=form.container, options=options) as output:
        if title:
            output.metadata["title"] = title
        packets: list[Packet[Any]] = []
        if kind in WITH_PICTURE:
            packets += _pictures(_video(output, recipe), script, recipe)
        packets += _sounds(_audio(output, form), script)
        for packet in sorted(packets, key=_due):
            due = _due(packet)
            output.mux(packet)
            if data := drain.take():
                pieces.append(Piece(due, data))
    rest = drain.take()
    return [*pieces, Piece(pieces[-1].due, rest)] if rest else pieces


class _Drain:
    """Takes what a muxer writes; without `seek` it writes as for a wire."""

    def __init__(self) -> None:
        self._written = bytearray()

    def write(self, data: bytes) -> int:
        self._written += data
        return len(data)

    def take(self) -> bytes:
        data = bytes(self._written)
        self._written.clear()
        return data


def _video(output: Any, recipe: Recipe) -> VideoStream:
    options = {"preset": recipe.preset, "sc_threshold": "0", "x264-params": f"keyint={recipe.gop}:min-keyint=1"}
    stream: VideoStream = output.add_stream("libx264", rate=recipe.fps, options=options)
    stream.width, stream.height, stream.pix_fmt = recipe.width, recipe.height, "yuv420p"
    stream.bit_rate = recipe.bitrate
    return stream


def _audio(output: Any, form: _Form) -> AudioStream:
    stream: AudioStream = output.add_stream(form.codec, rate=RATE, layout="stereo", options={"strict": "-2"})
    return stream


def _due(packet: "Packet[Any]") -> float:
    return float((packet.dts or 0) * (packet.time_base or 0))


def _pictures(stream: VideoStream, script: Sequence[Stretch], recipe: Recipe) -> "Iterator[Packet[Any]]":
    number = shown = 0
    end = 0.0
    for stretch in script:
        end += stretch.seconds
        while number < round(end * recipe.fps):
            frame: VideoFrame = picture(recipe.width, recipe.height, shown, stretch.look)
            frame.pts, frame.time_base = number, Fraction(1, recipe.fps)
            yield from stream.encode(frame)
            number += 1
            shown += not stretch.frozen
    yield from stream.encode(None)


def _sounds(stream: AudioStream, script: Sequence[Stretch]) -> "Iterator[Packet[Any]]":
    resampler = av.AudioResampler(stream.codec_context.format, "stereo", RATE)
    first = 0
    end = 0.0
    for stretch in script:
        end += stretch.seconds
        while first < round(end * RATE):
            frame: AudioFrame = sound(first, stretch.heard)
            frame.pts, frame.time_base = first, Fraction(1, RATE)
            for ready in resampler.resample(frame):
                yield from stream.encode(ready)
            first += FRAME
    for ready in resampler.resample(None):
        yield from stream.encode(ready)
    yield from stream.encode(None)
