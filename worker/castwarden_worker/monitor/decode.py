# SPDX-License-Identifier: Apache-2.0
"""Decoders for picture and sound on PyAV, fed with samples and kept open: opening one costs more than a keyframe.

Called in a thread (FFmpeg releases the GIL). Broken data makes no picture and no sound, never an exception.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from typing import Any, cast

import av
import numpy as np
from av import Packet
from av.audio.codeccontext import AudioCodecContext
from av.audio.frame import AudioFrame
from av.codec.context import Flags
from av.video.codeccontext import VideoCodecContext
from av.video.format import VideoFormat
from av.video.frame import VideoFrame
from numpy.typing import NDArray

from .errors import Unreadable
from .media.tracks import Sample, Track
from .seen import Luma

_CLOCK = 90_000
_MAX_PIXELS = 4096 * 2304  # a picture that claims to be larger is not decoded: memory is bounded
_ROWS = 90  # what is left of a picture's height after thinning out
_WINDOW = 0.1  # seconds of sound per measurement
_FLOOR_DB = -120.0
_JUMP = 0.25  # seconds between announced and counted time of sound that are a gap

Raw = tuple[float, Luma, bool]  # pts, luma, full range
Level = tuple[float, float, float, float]  # pts, seconds, RMS dBFS, peak dBFS


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

    @property
    def size(self) -> tuple[int, int] | tuple[None, None]:
        """Width and height in pixels, once something was decoded."""
        context = self._context
        return (context.width, context.height) if context.width else (None, None)

    def alone(self, sample: Sample) -> Raw | None:
        return next(iter(self.group([sample])), None)

    def group(self, samples: Sequence[Sample]) -> list[Raw]:
        """The pictures of one group in order of presentation, without those that lean on the group before."""
        self._context.flush_buffers()
        raws = [*self.running(samples), *self.drain()]
        return [raw for raw in raws if raw[0] >= samples[0].pts - 1e-4]

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

    @property
    def form(self) -> tuple[int, int] | tuple[None, None]:
        """Sample rate in Hz and number of channels, once something was decoded."""
        context = self._context
        return (context.sample_rate, context.channels) if context.sample_rate else (None, None)

    def measure(self, samples: Iterable[Sample], *, go_on: bool) -> list[Level]:
        """Levels of windows of about a tenth of a second. `go_on`: the samples follow those measured last."""
        if not go_on:
            self._context.flush_buffers()
        levels: list[Level] = []
        window = _Window()
        for sample, packet in self._packets(samples):
            if window.end is not None and abs(sample.pts - window.end) > _JUMP:
                levels += window.take()
                window = _Window()
            for frame in self._decode(packet):
                window.add(sample.pts, frame)
                if window.seconds >= _WINDOW:
                    levels += window.take()
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
    """Sound collected for one measurement. Time is counted in samples from the first timestamp."""

    def __init__(self) -> None:
        self.end: float | None = None
        self.seconds = 0.0
        self._parts: list[NDArray[np.float32]] = []

    def add(self, pts: float, frame: AudioFrame) -> None:
        length = frame.samples / (frame.sample_rate or 48_000)
        self.end = (pts if self.end is None else self.end) + length
        self.seconds += length
        self._parts.append(_float(frame))

    def take(self) -> list[Level]:
        """The measurement of what was collected, if anything was; time goes on."""
        if self.end is None or not self._parts:
            return []
        parts, self._parts = self._parts, []
        seconds, self.seconds = self.seconds, 0.0
        same = [part for part in parts if part.shape[0] == parts[-1].shape[0]]
        wave = np.concatenate(same, axis=1)
        loudest = max(float(np.dot(channel, channel)) / max(1, channel.size) for channel in wave)
        peak = float(np.abs(wave).max(initial=0.0))
        return [(self.end - seconds, seconds, _db(loudest), _db(peak * peak))]


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
    pts = (frame.pts or 0) / _CLOCK
    name = frame.format.name
    if not (bits := _luma_bits(name)):
        frame = frame.reformat(format="gray")
        bits = 8
    plane = frame.planes[0]
    height = plane.height
    step = max(1, height // _ROWS)
    data = memoryview(plane)
    if bits == 8:
        luma = np.frombuffer(data, np.uint8).reshape(height, -1)[::step, : plane.width : step].copy()
    else:
        deep = np.frombuffer(data, np.uint16).reshape(height, -1)[::step, : plane.width : step]
        luma = (deep >> (bits - 8)).astype(np.uint8)
    return pts, luma, int(frame.color_range) == 2 or name.startswith("yuvj")


@cache
def _luma_bits(pixel_format: str) -> int:
    """Bits per sample where the first plane is luma, else 0."""
    if not pixel_format.startswith(("yuv", "gray", "nv")):
        return 0
    return VideoFormat(pixel_format).components[0].bits


def _float(frame: AudioFrame) -> NDArray[np.float32]:
    """Samples as float of full scale 1, shape (channels, n), or (1, n) when they are interleaved."""
    wave: NDArray[Any] = frame.to_ndarray()
    real: NDArray[np.float32] = wave.astype(np.float32, copy=False)
    if wave.dtype.kind == "f":
        return real
    if wave.dtype == np.uint8:
        return (real - np.float32(128)) / np.float32(128)
    return real / np.float32(2 ** (8 * wave.dtype.itemsize - 1))


def _db(power: float) -> float:
    return max(_FLOOR_DB, 10 * math.log10(power)) if power > 0 else _FLOOR_DB
