# SPDX-License-Identifier: Apache-2.0
"""Encodes a medium into segments on disk, once: what was made is kept in the temporary folder for the next run."""

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from av import AudioFrame, Packet, VideoFrame
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.video.stream import VideoStream
from castwarden_worker.monitor.hls.reader import parse
from castwarden_worker.monitor.playlist import MediaPlaylist

from .cases import Format, Medium, Packaging
from .footage import FPS, RATE, Wave, Yuv
from .stamps import shift_file

_AAC = 1024
_MAKERS = ("footage", "scenes", "drawings", "sounds", "produce", "stamps")


@dataclass(frozen=True, slots=True)
class Piece:
    """One segment on disk: file names within the medium's folder, seconds, whether a discontinuity comes before it."""

    file: str
    seconds: float
    init: str | None = None
    discontinuity: bool = False


@dataclass(frozen=True, slots=True)
class Made:
    """A medium as segments; `audio` is empty unless the sound is separate."""

    folder: Path
    main: tuple[Piece, ...]
    audio: tuple[Piece, ...] = ()


def produce(medium: Medium) -> Made:
    """The segments of `medium`, from the cache when they are there."""
    folder = Path(tempfile.gettempdir()) / "castwarden-accuracy" / _key(medium)
    if not folder.exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        fresh = Path(tempfile.mkdtemp(dir=folder.parent, prefix="new-"))
        made = _make(medium, fresh)
        (fresh / "made.json").write_text(json.dumps([[asdict(piece) for piece in each] for each in made]))
        try:
            fresh.rename(folder)
        except OSError:  # another process was faster
            shutil.rmtree(fresh)
    main, audio = json.loads((folder / "made.json").read_text())
    return Made(folder, tuple(Piece(**piece) for piece in main), tuple(Piece(**piece) for piece in audio))


def _key(medium: Medium) -> str:
    digest = hashlib.sha256(repr(medium).encode())
    for name in _MAKERS:
        digest.update(Path(__file__).with_name(f"{name}.py").read_bytes())
    digest.update(av.__version__.encode())
    return digest.hexdigest()[:20]


def _make(medium: Medium, folder: Path) -> tuple[list[Piece], list[Piece]]:
    pieces: tuple[list[Piece], list[Piece]] = ([], [])
    begin = 0.0
    whole = _wave(medium)
    for number, (seconds, form) in enumerate(medium.parts):
        span = (begin, begin + seconds)
        kinds = [("main", form.video is not None, form.audio is not None and not medium.packaging.separate)]
        if medium.packaging.separate:
            kinds.append(("audio", False, form.audio is not None))
        for found, (name, with_video, with_audio) in zip(pieces, kinds, strict=False):
            place = folder / f"{name}{number}"
            place.mkdir()
            _mux(medium, form, span, whole, place, with_video=with_video, with_audio=with_audio)
            new = _pieces(place)
            if number and form.marked:
                new[0] = Piece(new[0].file, new[0].seconds, new[0].init, discontinuity=True)
            found += new
        begin += seconds
    if medium.shifts:
        sounds = pieces[1] or pieces[0]
        for piece in sounds:
            shift_file(folder / piece.file, folder / piece.init if piece.init else None, medium.shifts)
    return pieces


def _mux(
    medium: Medium,
    form: Format,
    span: tuple[float, float],
    whole: Wave,
    place: Path,
    *,
    with_video: bool,
    with_audio: bool,
) -> None:
    with _open(place, medium.packaging) as output:
        packets: list[Packet[Any]] = []
        if with_video:
            packets += _encoded(_video(output, form, medium.packaging), _pictures(medium, form, span))
        if with_audio:
            heard = _encoded(_audio(output, form), _sounds(whole, form, span))
            packets += [packet for packet in heard if not _is_deaf(medium, packet)]
        for packet in sorted(packets, key=lambda packet: (packet.dts or 0) * packet.time_base):
            output.mux(packet)


def _is_deaf(medium: Medium, packet: "Packet[Any]") -> bool:
    at = float((packet.pts or 0) * packet.time_base)
    return any(begin <= at < end for begin, end in medium.deaf)


def _open(place: Path, packaging: Packaging) -> OutputContainer:
    options = {"hls_time": f"{packaging.segment:g}", "hls_list_size": "0", "hls_playlist_type": "vod"}
    if packaging.gop > packaging.segment:
        options["hls_flags"] = "split_by_time"
    ending = "m4s" if packaging.container == "fmp4" else "ts"
    if packaging.container == "fmp4":
        options["hls_segment_type"] = "fmp4"
    options["hls_segment_filename"] = str(place / f"%d.{ending}")
    return av.open(str(place / "index.m3u8"), "w", format="hls", options=options)


def _pieces(place: Path) -> list[Piece]:
    playlist = parse((place / "index.m3u8").read_bytes())
    if not isinstance(playlist, MediaPlaylist):
        raise TypeError("the muxer wrote no media playlist")
    return [
        Piece(f"{place.name}/{found.uri}", found.duration, f"{place.name}/{found.init.uri}" if found.init else None)
        for found in playlist.segments
    ]


def _video(output: OutputContainer, form: Format, packaging: Packaging) -> VideoStream:
    gop = max(1, round(packaging.gop * FPS / form.every))
    options = {"preset": "superfast", "sc_threshold": "0", "threads": "1"}
    if form.video == "libx264":
        options["x264-params"] = f"keyint={gop}:min-keyint=1" + form.coding
    elif form.video == "libx265":
        options |= {"preset": "ultrafast", "x265-params": f"keyint={gop}:min-keyint=1:log-level=none:pools=none"}
    stream = output.add_stream(form.video or "", rate=FPS, options=options)
    if not isinstance(stream, VideoStream):
        raise TypeError(f"{form.video} makes no pictures")
    stream.width, stream.height, stream.pix_fmt = form.width, form.height, form.pixels
    stream.bit_rate = form.bitrate
    stream.time_base = stream.codec_context.time_base = Fraction(1, FPS)
    return stream


def _audio(output: OutputContainer, form: Format) -> AudioStream:
    options = {"aac_coder": "fast"} if form.audio == "aac" else {}
    stream = output.add_stream(form.audio or "", rate=form.rate, layout=form.layout, options=options)
    if not isinstance(stream, AudioStream):
        raise TypeError(f"{form.audio} makes no sound")
    stream.bit_rate = form.audio_bitrate
    stream.time_base = stream.codec_context.time_base = Fraction(1, form.rate)
    return stream


def _encoded(stream: VideoStream | AudioStream, frames: Iterator[Any]) -> "list[Packet[Any]]":
    packets: list[Packet[Any]] = []
    for frame in frames:
        packets += stream.encode(frame)
    return packets + stream.encode(None)


def _pictures(medium: Medium, form: Format, span: tuple[float, float]) -> Iterator[VideoFrame]:
    number = 0
    end = 0.0
    for seconds, scene in medium.video:
        first, end = number, end + seconds
        for number in range(first, round(end * FPS)):
            if span[0] <= number / FPS < span[1] - 1e-6 and number % form.every == 0:
                frame = _formatted(_frame(scene.picture(number - first)), form)
                frame.pts, frame.time_base = number, Fraction(1, FPS)
                yield frame
        number = round(end * FPS)


def _frame(found: Yuv) -> VideoFrame:
    rows = np.concatenate([found.y.reshape(-1), found.u.reshape(-1), found.v.reshape(-1)])
    return VideoFrame.from_ndarray(rows.reshape(-1, found.y.shape[1]), format="yuv420p")


def _formatted(frame: VideoFrame, form: Format) -> VideoFrame:
    if (form.width, form.height, form.pixels) == (frame.width, frame.height, frame.format.name):
        return frame
    full = form.pixels == "yuvj420p"
    return frame.reformat(
        form.width, form.height, form.pixels, src_color_range="MPEG", dst_color_range="JPEG" if full else "MPEG"
    )


def _wave(medium: Medium) -> Wave:
    """All sound, at 48 kHz, in as many channels as any part wants."""
    channels = max(form.channels for _, form in medium.parts)
    return np.concatenate([sound.wave(seconds, channels) for seconds, sound in medium.sound], axis=1)


def _sounds(whole: Wave, form: Format, span: tuple[float, float]) -> Iterator[AudioFrame]:
    wave = whole[: form.channels, round(span[0] * RATE) : round(span[1] * RATE)]
    if form.rate != RATE:
        places = np.arange(int(wave.shape[1] * form.rate / RATE)) * (RATE / form.rate)
        wave = np.stack([np.interp(places, np.arange(len(one)), one).astype(np.float32) for one in wave])
    first = round(span[0] * form.rate)
    for at in range(0, wave.shape[1] - _AAC + 1, _AAC):
        frame = AudioFrame.from_ndarray(
            np.ascontiguousarray(wave[:, at : at + _AAC]), format="fltp", layout=form.layout
        )
        frame.sample_rate = form.rate
        frame.pts, frame.time_base = first + at, Fraction(1, form.rate)
        yield frame


def cpus() -> int:
    """Processors that may be used."""
    return len(os.sched_getaffinity(0))
