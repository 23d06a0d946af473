# SPDX-License-Identifier: Apache-2.0
"""Settings of a Monitor's checks: one class per condition. `conditions.py` tells what each one means."""

from datetime import timedelta
from typing import Annotated, Literal

from pydantic import Field

from ..durations import Duration
from .base import Spec


def seconds(value: float) -> timedelta:
    return timedelta(seconds=value)


def _raises(value: float, description: str) -> timedelta:
    """`raiseAfter`'s default."""
    return Field(default=seconds(value), description=description)


def _clears(value: float, description: str = "Media time that must be good again.") -> timedelta:
    """`clearAfter`'s default."""
    return Field(default=seconds(value), description=description)


class CheckSpec(Spec):
    """What every check has."""

    enabled: bool = Field(default=True, description="Whether this check raises alerts.")


class BlackCheck(CheckSpec):
    """The picture is black: nearly all is dark, as ffmpeg's blackdetect has it, and the rest shows nothing.

    Specks are nothing; credits, lamps in the night and a logo are something. A dark colour, such as that of a blue
    screen, is not black.
    """

    raise_after: Duration = _raises(30, "Media time that must be black.")
    clear_after: Duration = _clears(5)
    luma: float = Field(default=0.10, ge=0, le=1, description="Brightest luma, of the nominal range, that is black.")
    area: float = Field(default=0.98, ge=0, le=1, description="Share of the picture that must be black.")


class BlackWithLogoCheck(CheckSpec):
    """The picture is black but for one small bright thing in each corner, or fewer, that stands still near the border.

    A logo that blinks is one. What moves or changes, such as credits, subtitles or a torch, is none.
    """

    raise_after: Duration = _raises(30, "Media time that must be black but for a logo.")
    clear_after: Duration = _clears(5)
    luma: float = Field(default=0.10, ge=0, le=1, description="Brightest luma, of the nominal range, that is black.")
    logo_area: float = Field(default=0.10, gt=0, le=0.5, description="Largest share of the picture that a logo takes.")


class BlankCheck(CheckSpec):
    """The picture is one uniform colour other than black. Noise on it does not matter, a pattern does."""

    raise_after: Duration = _raises(60, "Media time that must be of one colour.")
    clear_after: Duration = _clears(5)
    spread: float = Field(
        default=0.02, ge=0, le=0.5, description="Spread of luma and chroma, as a share of full scale, that is uniform."
    )
    area: float = Field(default=0.98, ge=0, le=1, description="Share of the picture that must be of that colour.")


class Region(Spec):
    """A rectangle of the picture, in shares of its width and height from the upper left corner."""

    x: float = Field(ge=0, le=1, description="Left edge.")
    y: float = Field(ge=0, le=1, description="Upper edge.")
    width: float = Field(gt=0, le=1, description="Width.")
    height: float = Field(gt=0, le=1, description="Height.")


class FreezeCheck(CheckSpec):
    """The picture stands still, as a whole and in every part. Never raised for a stream that has shown no motion yet.

    Means of small blocks are compared with those of the picture that stands: grain and coding noise are no motion, a
    running clock is. Motion is what goes on for five seconds: cards that follow each other are none. Black, black
    with a logo and blank pictures are told as that and not as frozen.
    """

    raise_after: Duration = _raises(60, "Media time that must stand still.")
    clear_after: Duration = _clears(5, "Media time that must move again.")
    noise_db: float = Field(
        default=-42, ge=-100, le=0, description="Mean difference of blocks, in dB of full scale, that is noise."
    )
    ignore: Annotated[list[Region], Field(max_length=8)] = Field(
        default=[], description="Parts of the picture that do not count, such as a running clock."
    )


class SilenceCheck(CheckSpec):
    """The sound is silent: RMS of the loudest channel over a tenth of a second. A missing track is another matter."""

    raise_after: Duration = _raises(30, "Media time that must be silent.")
    clear_after: Duration = _clears(3, "Media time that must have sound again.")
    level_db: float = Field(default=-50, ge=-120, le=0, description="Loudest level, in dBFS, that is silence.")


class OneChannelSilentCheck(CheckSpec):
    """One channel is silent while another is not: left or right. Of surround sound the other channels do not count.

    A channel that never had sound is a fault, too. Pauses in which both are silent count as part of it up to ten
    seconds; what is silent longer is the matter of `silence`. Mono has no other channel.
    """

    raise_after: Duration = _raises(60, "Media time that one channel must be silent.")
    clear_after: Duration = _clears(5, "Media time that every channel must have sound again.")
    level_db: float = Field(default=-50, ge=-120, le=0, description="Loudest level, in dBFS, that is silence.")


class LowLoudnessCheck(CheckSpec):
    """The programme is too quiet by ITU-R BS.1770-4. Off by default: it decodes all sound.

    Silence of more than ten seconds is the matter of `silence`, if that is enabled.
    """

    enabled: bool = Field(default=False, description="Whether this check raises alerts. It decodes all sound.")
    raise_after: Duration = _raises(30, "Media time that must be too quiet.")
    clear_after: Duration = _clears(10)
    measure: Literal["Momentary", "ShortTerm", "Integrated"] = Field(
        default="ShortTerm", description="Over 0.4 s, over 3 s, or gated over the last ten minutes."
    )
    level_lufs: float = Field(default=-40, ge=-70, le=0, description="Loudness, in LUFS, below which it is too quiet.")


class ClippingCheck(CheckSpec):
    """The sound is overdriven: in every second its true peak (ITU-R BS.1770-4) reaches the limit, or samples stick.

    They stick when three in a row of one channel are at full scale. Off by default: it decodes all sound.
    """

    enabled: bool = Field(default=False, description="Whether this check raises alerts. It decodes all sound.")
    raise_after: Duration = _raises(10, "Media time in which every second must clip.")
    clear_after: Duration = _clears(10, "Media time without clipping.")
    peak_dbtp: float = Field(default=0.0, ge=-20, le=6, description="True peak, in dBTP, from which on it clips.")


class AudioMissingCheck(CheckSpec):
    """The stream has no audio track, although it had one or its playlist announces one."""

    raise_after: Duration = _raises(10, "Media time without an audio track.")
    clear_after: Duration = _clears(5, "Media time with an audio track.")
    expected: Literal["Auto", "Always", "Never"] = Field(
        default="Auto", description="Auto: once it was there or was announced. Always: from the beginning."
    )


class VideoMissingCheck(CheckSpec):
    """The stream has no video track, although it had one or its playlist announces one."""

    raise_after: Duration = _raises(10, "Media time without a video track.")
    clear_after: Duration = _clears(5, "Media time with a video track.")
    expected: Literal["Auto", "Always", "Never"] = Field(
        default="Auto", description="Auto: once it was there or was announced. Always: from the beginning."
    )


class AvDriftCheck(CheckSpec):
    """Sound and picture drift apart: the offset of their timestamps leaves its own baseline."""

    raise_after: Duration = _raises(10, "Media time that they must be apart.")
    clear_after: Duration = _clears(10, "Media time that they must be together again.")
    offset: Duration = Field(default=seconds(0.5), description="Offset from the baseline that is a fault.")


class CodecChangeCheck(CheckSpec):
    """Codec, picture size, sample rate or channels changed in mid-stream. Over when the usual format is back."""

    clear_after: Duration = _clears(60, "Media time of the new format after which it counts as the usual one.")


class QualityDropCheck(CheckSpec):
    """Picture height or bitrate fell far below the stream's own median of the last five minutes.

    A picture that rests, or shows less, takes fewer bytes: that is no drop.
    """

    raise_after: Duration = _raises(60, "Media time that quality must be low.")
    clear_after: Duration = _clears(60)
    ratio: float = Field(default=0.6, gt=0, lt=1, description="Share of the median below which quality is low.")


class StallCheck(CheckSpec):
    """No new segment arrives: the stream is suspended. That is not `spec.suspend`, which stops the watching."""

    raise_after: Duration | None = Field(
        default=None, description="Time without a new segment; unset means max(3 x target duration, 15s)."
    )
    clear_after_segments: int = Field(default=2, ge=1, le=20, description="New segments that end the stall.")


class ErrorRateCheck(CheckSpec):
    """Errors in a row, or too large a share of them."""

    consecutive: int = Field(default=3, ge=1, le=100, description="Errors in a row that raise it.")
    ratio: float = Field(default=0.2, gt=0, le=1, description="Share of errors in the window that raises it.")
    window: Duration = Field(default=seconds(60), description="The window for the share.")
    clear_after: Duration = Field(default=seconds(30), description="Time without an error that clears it.")


class SegmentErrorsCheck(ErrorRateCheck):
    """Segments cannot be fetched or decoded."""


class PlaylistErrorsCheck(ErrorRateCheck):
    """The playlist or manifest cannot be loaded or read."""


class SlowDeliveryCheck(CheckSpec):
    """Segments take almost as long to download as they play."""

    raise_after: Duration = _raises(30, "Media time that delivery must be slow.")
    clear_after: Duration = _clears(30, "Media time that delivery must be fast again.")
    ratio: float = Field(default=0.8, gt=0, le=10, description="Download time over duration from which on it is slow.")


class SequenceRegressionCheck(CheckSpec):
    """The playlist goes back in its numbering without starting a new epoch, as a lagging cache makes it do."""

    clear_after: Duration = _clears(30, "Time without a step back.")


class DiscontinuityCheck(CheckSpec):
    """Discontinuities come thick and fast. Single ones, as around advertisements, are normal."""

    count: int = Field(default=5, ge=2, le=1000, description="Discontinuities in the window that raise it.")
    window: Duration = Field(default=seconds(60), description="Media time in which they are counted.")
    clear_after: Duration = _clears(60, "Media time without a discontinuity.")


class PdtJumpCheck(CheckSpec):
    """Programme date-time jumps away from where the durations before it lead, with no discontinuity to excuse it."""

    clear_after: Duration = _clears(30, "Media time without a jump.")
    tolerance: Duration = Field(default=seconds(1), description="Difference that is still no jump.")


class LatencyGrowthCheck(CheckSpec):
    """The newest media is ever older: the distance to the live edge left its own baseline."""

    raise_after: Duration = _raises(30, "Time that latency must be high.")
    clear_after: Duration = _clears(30, "Time that latency must be back.")
    growth: Duration = Field(
        default=seconds(10),
        description="Latency above the baseline that is a fault. The baseline is the lowest that the lower quartile of"
        " five minutes has been so far; it rises by a second an hour at most, and survives a restart during an alert.",
    )


class RenditionStaleCheck(CheckSpec):
    """Another rendition of the stream stands still while the one we watch goes on."""

    raise_after: Duration = _raises(30, "Time that a rendition must lag behind.")
    clear_after: Duration = _clears(30, "Time that all renditions must keep up.")


class RenditionMissingCheck(CheckSpec):
    """Another rendition of the stream cannot be loaded, or is no longer offered."""

    consecutive: int = Field(default=3, ge=1, le=100, description="Failures in a row of one rendition that raise it.")
    clear_after_successes: int = Field(default=2, ge=1, le=100, description="Loads in a row that clear it.")


class StartDelayedCheck(CheckSpec):
    """The stream has not begun by its planned start plus tolerance (`spec.schedule`, or what its site announces)."""


class AnalysisDegradedCheck(CheckSpec):
    """The worker could not keep up, or a call that decodes did not return, and it looked less deeply than it should.

    Says nothing about the stream.
    """

    raise_after: Duration = _raises(30, "Media time that was not looked at as it should be.")
    clear_after: Duration = _clears(30, "Media time that was.")


class Checks(Spec):
    """What raises an alert, and when. One field per condition, of the same name."""

    black: BlackCheck = Field(default_factory=BlackCheck, description="Black picture.")
    black_with_logo: BlackWithLogoCheck = Field(default_factory=BlackWithLogoCheck, description="Black but for a logo.")
    blank: BlankCheck = Field(default_factory=BlankCheck, description="Picture of one colour.")
    freeze: FreezeCheck = Field(default_factory=FreezeCheck, description="Frozen picture.")
    silence: SilenceCheck = Field(default_factory=SilenceCheck, description="Silent sound.")
    one_channel_silent: OneChannelSilentCheck = Field(
        default_factory=OneChannelSilentCheck, description="One channel is silent."
    )
    low_loudness: LowLoudnessCheck = Field(default_factory=LowLoudnessCheck, description="Too quiet a programme.")
    clipping: ClippingCheck = Field(default_factory=ClippingCheck, description="Overdriven sound.")
    audio_missing: AudioMissingCheck = Field(default_factory=AudioMissingCheck, description="No audio track.")
    video_missing: VideoMissingCheck = Field(default_factory=VideoMissingCheck, description="No video track.")
    av_drift: AvDriftCheck = Field(default_factory=AvDriftCheck, description="Sound and picture apart.")
    codec_change: CodecChangeCheck = Field(default_factory=CodecChangeCheck, description="Another format.")
    quality_drop: QualityDropCheck = Field(default_factory=QualityDropCheck, description="Lower height or bitrate.")
    stall: StallCheck = Field(default_factory=StallCheck, description="No new segments.")
    segment_errors: SegmentErrorsCheck = Field(default_factory=SegmentErrorsCheck, description="Broken segments.")
    playlist_errors: PlaylistErrorsCheck = Field(default_factory=PlaylistErrorsCheck, description="Broken playlists.")
    slow_delivery: SlowDeliveryCheck = Field(default_factory=SlowDeliveryCheck, description="Slow downloads.")
    sequence_regression: SequenceRegressionCheck = Field(
        default_factory=SequenceRegressionCheck, description="Numbering that goes back."
    )
    discontinuity: DiscontinuityCheck = Field(default_factory=DiscontinuityCheck, description="Many discontinuities.")
    pdt_jump: PdtJumpCheck = Field(default_factory=PdtJumpCheck, description="Jumps of programme date-time.")
    latency_growth: LatencyGrowthCheck = Field(default_factory=LatencyGrowthCheck, description="Growing latency.")
    rendition_stale: RenditionStaleCheck = Field(
        default_factory=RenditionStaleCheck, description="A rendition that stands still."
    )
    rendition_missing: RenditionMissingCheck = Field(
        default_factory=RenditionMissingCheck, description="A rendition that is not there."
    )
    start_delayed: StartDelayedCheck = Field(default_factory=StartDelayedCheck, description="A late start.")
    analysis_degraded: AnalysisDegradedCheck = Field(
        default_factory=AnalysisDegradedCheck, description="We could not keep up."
    )
