# SPDX-License-Identifier: Apache-2.0
"""Decoders for picture and sound on PyAV, fed with samples. Opening one is cheap, keeping one takes megabytes.

Called in a thread (FFmpeg releases the GIL). Broken data makes no picture and no sound, never an exception.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from typing import Any, NamedTuple, cast

import av
import numpy as np
from av import Packet
from av.audio.codeccontext import AudioCodecContext
from av.audio.fifo import AudioFifo
from av.audio.frame import AudioFrame
from av.codec.context import Flags
from av.video.codeccontext import VideoCodecContext
from av.video.format import VideoFormat
from av.video.frame import VideoFrame
from av.video.plane import VideoPlane
from numpy.typing import NDArray

from ..errors import Unreadable
from ..media.tracks import Sample, Track
from ..seen import Plane, Wave

_CLOCK = 90_000
_MAX_PIXELS = 4096 * 2304  # a picture that claims to be larger is not decoded: memory is bounded
_ROWS, _CHROMA_ROWS = 90, 45  # what is left of a picture's height after thinning out
_WINDOW = 0.1  # seconds of sound per measurement
_FLOOR_DB = -120.0
_JUMP = 0.25  # seconds between announced and counted time of sound that are a gap


class Raw(NamedTuple):
    """A decoded picture, thinned out to 8 bits."""

    pts: float
    luma: Plane
    full_range: bool
    u: Plane | None
    v: Plane | None
    width: int  # before thinning out
    height: int


class Level(NamedTuple):
    """Measurements of a stretch of sound. `wave` (channels x samples) is there when it was asked for."""

    pts: float
    seconds: float
    level_db: float  # RMS of the loudest channel
    peak_db: float
    channels_db: tuple[float, ...]
    wave: Wave | None
    rate: int


@cache
def readable(codec: str) -> bool:
    """Whether there is a decoder for it."""
    try:
        av.Codec(codec, "r")
    except (av.FFmpegError, ValueError):
        return False
    return True


class PictureDecoder:
    """One video codec. `alone` decodes a keyframe by itself, `group` what hangs on it, `running` a whole stream."""

    def __init__(self, track: Track) -> None:
        self.codec = track.codec
        self.extradata = track.extradata
        context = _create(track)
        if not isinstance(context, VideoCodecContext):
            raise Unreadable(f"{track.codec} is no picture")
        context.flags |= Flags.output_corrupt
        context.options = {"max_pixels": str(_MAX_PIXELS)}
        self._context = context

    def fits(self, track: Track) -> bool:
        return (track.codec, track.extradata) == (self.codec, self.extradata)

    def alone(self, sample: Sample) -> Raw | None:
        return next(iter(self.group([sample])), None)

    def group(self, samples: Sequence[Sample]) -> list[Raw]:
        """The pictures of one group in order of presentation, without those that lean on the group before."""
        self._context.flush_buffers()
        raws = [*self.running(samples), *self.drain()]
        return [raw for raw in raws if raw.pts >= samples[0].pts - 1e-4]

    def running(self, samples: Iterable[Sample]) -> Iterator[Raw]:
        """Decodes on; the last pictures stay inside until more comes."""
        for sample in samples:
            packet = _packet(sample)
            packet.pts = round(sample.pts * _CLOCK)
            for frame in self._decode(packet):
                if frame.pts is not None:
                    yield _raw(frame)

    def drain(self) -> list[Raw]:
        """The pictures that are still inside."""
        raws = [_raw(frame) for frame in self._decode(None) if frame.pts is not None]
        self._context.flush_buffers()
        return raws

    def _decode(self, packet: "Packet[Any] | None") -> list[VideoFrame]:
        try:
            return self._context.decode(packet)
        except (av.FFmpegError, ValueError):
            return []


class SoundDecoder:
    """One audio codec; measures what it decodes."""

    def __init__(self, track: Track) -> None:
        self.codec = track.codec
        self.extradata = track.extradata
        self.framed = track.framed
        context = _create(track)
        if not isinstance(context, AudioCodecContext):
            raise Unreadable(f"{track.codec} is no sound")
        self._context = context

    def fits(self, track: Track) -> bool:
        return (track.codec, track.extradata, track.framed) == (self.codec, self.extradata, self.framed)

    def measure(self, samples: Iterable[Sample], *, go_on: bool, wave: bool = False) -> list[Level]:
        """Levels of windows of about a tenth of a second. `go_on`: the samples follow those measured last."""
        if not go_on:
            self._context.flush_buffers()
        levels: list[Level] = []
        window = _Window(wave)
        for sample, packet in self._packets(samples):
            if window.end is not None and abs(sample.pts - window.end) > _JUMP:
                levels += window.take()
                window = _Window(wave)
            for frame in self._decode(packet):
                levels += window.add(sample.pts, frame)
        return levels + window.take()

    def _packets(self, samples: Iterable[Sample]) -> "Iterator[tuple[Sample, Packet[Any]]]":
        """In a track that is not framed, frames may straddle samples, and the last one comes out at the end."""
        sample: Sample | None = None
        for sample in samples:
            for packet in [_packet(sample)] if self.framed else self._context.parse(sample.data):
                yield sample, packet
        if sample and not self.framed:
            for packet in self._context.parse(None):
                yield sample, packet

    def _decode(self, packet: "Packet[Any]") -> list[AudioFrame]:
        try:
            return self._context.decode(packet)
        except (av.FFmpegError, ValueError):
            return []


class _Window:
    """Cuts sound into measurements. Time is counted in samples from the first timestamp.

    Frames are joined by FFmpeg: there are dozens a second, and each step in Python costs more than the sound in it.
    """

    def __init__(self, wave: bool) -> None:
        self.end: float | None = None  # of what was added
        self._rate = 48_000
        self._wanted = wave
        self._form: tuple[str, str, int] | None = None
        self._fifo = AudioFifo()

    def add(self, pts: float, frame: AudioFrame) -> list[Level]:
        """Takes a frame, and gives the measurements that it completes, or that it cannot belong to."""
        form = (frame.format.name, frame.layout.name, frame.sample_rate)
        done: list[Level] = []
        if form != self._form:
            done = self.take()
            self._form, self._fifo, self._rate = form, AudioFifo(), frame.sample_rate or 48_000
        frame.pts = None  # the queue would insist on it, and samples count
        self._fifo.write(frame)
        self.end = (pts if self.end is None else self.end) + frame.samples / self._rate
        wanted = round(_WINDOW * self._rate)
        while self._fifo.samples >= wanted:
            done.append(self._measured(self._fifo.samples, wanted))
        return done

    def take(self) -> list[Level]:
        """The measurement of what is left, if anything is; time goes on."""
        left = self._fifo.samples
        return [self._measured(left, left)] if left else []

    def _measured(self, left: int, count: int) -> Level:
        """The first `count` of the `left` samples that lead up to the end."""
        wave = _float(cast("AudioFrame", self._fifo.read(count)))
        powers = [float(np.dot(channel, channel)) / count for channel in wave]
        peak = max(float(wave.max()), -float(wave.min()))
        channels = tuple(map(_db, powers))
        begins = (self.end or 0.0) - left / self._rate
        kept = wave if self._wanted else None
        return Level(begins, count / self._rate, max(channels), _db(peak * peak), channels, kept, self._rate)


def _packet(sample: Sample) -> "Packet[Any]":
    """PyAV takes any buffer, though its annotations say bytes."""
    return Packet(cast("bytes", sample.data))


def _create(track: Track) -> av.CodecContext:
    try:
        context = av.CodecContext.create(track.codec, "r")
    except (av.FFmpegError, ValueError) as error:
        raise Unreadable(f"no decoder for {track.codec}") from error
    context.thread_count = 1  # more threads cost more CPU, and a core decodes many streams
    if track.extradata:
        context.extradata = track.extradata
    return context


def _raw(frame: VideoFrame) -> Raw:
    if not (bits := _luma_bits(frame.format.name)):
        frame = frame.reformat(format="yuv420p")
        bits = 8
    name = frame.format.name
    luma = _thinned(frame.planes[0], bits, _ROWS)
    u = v = None
    if name.startswith("nv"):
        first, second = (0, 1) if name in ("nv12", "nv16", "nv24") else (1, 0)
        u, v = (_thinned(frame.planes[1], bits, _CHROMA_ROWS, 2, at) for at in (first, second))
    elif name.startswith("yuv") and len(frame.planes) >= 3:
        u, v = (_thinned(plane, bits, _CHROMA_ROWS) for plane in frame.planes[1:3])
    full_range = int(frame.color_range) == 2 or name.startswith("yuvj")
    return Raw((frame.pts or 0) / _CLOCK, luma, full_range, u, v, frame.width, frame.height)


def _thinned(plane: VideoPlane, bits: int, rows: int, every: int = 1, at: int = 0) -> Plane:
    """A share of a plane's samples; `every` and `at` take one of several kinds that lie side by side."""
    height = plane.height
    step = max(1, height // rows)
    lines: NDArray[Any] = np.frombuffer(memoryview(plane), "u1" if bits == 8 else "u2").reshape(height, -1)
    taken = lines[::step, at : plane.width * every : step * every]
    thin: Plane = (taken >> (bits - 8)).astype(np.uint8)
    return thin


@cache
def _luma_bits(pixel_format: str) -> int:
    """Bits per sample where the first plane is luma, else 0."""
    if not pixel_format.startswith(("yuv", "gray", "nv")):
        return 0
    return VideoFormat(pixel_format).components[0].bits


def _float(frame: AudioFrame) -> Wave:
    """Samples as float of full scale 1, shape (channels, n)."""
    if frame.format.name == "fltp":  # what AAC and most others decode to: no detour
        rows = np.empty((len(frame.planes), frame.samples), np.float32)
        for row, plane in zip(rows, frame.planes, strict=True):
            row[:] = np.frombuffer(memoryview(plane), np.float32, frame.samples)
        return rows
    wave: NDArray[Any] = frame.to_ndarray()
    if not frame.format.is_planar:
        wave = wave.reshape(-1, frame.layout.nb_channels).T
    if wave.dtype.kind == "f":
        return wave.astype(np.float32, copy=False)
    if wave.dtype == np.uint8:
        return (wave.astype(np.float32) - np.float32(128)) / np.float32(128)
    return wave.astype(np.float32) / np.float32(2 ** (8 * wave.dtype.itemsize - 1))


def _db(power: float) -> float:
    return max(_FLOOR_DB, 10 * math.log10(power)) if power > 0 else _FLOOR_DB
