# SPDX-License-Identifier: Apache-2.0
"""What workers and gateway say to each other. See docs/architecture.md, "Worker ↔ gateway".

A snapshot (state, feed, progress) is ordered by (epoch, seq) and only the newest counts; a fact (transition,
occurrence, video, attempt) has its own id, so that a repeat changes nothing.
"""

from enum import StrEnum
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field

from .resources.channel import ChannelSpec
from .resources.downloadjob import DownloadJobSpec, DownloadProgress, DownloadResult
from .resources.monitor import Health, MonitorSpec, Statistics, StreamState

AUDIENCE = "castwarden-gateway"
INTERNAL_KEY_HEADER = "X-Internal-API-Key"
TIME_HEADER = "X-Worker-Time"
"""The worker's clock when it sends, as Unix time."""


_LONGEST_TEXT = 1024
LARGEST_THUMBNAIL = 64 * 1024
"""Bytes of a JPEG."""
WIDEST_THUMBNAIL = 320
"""Pixels, of its height too."""


def _clean(value: Any) -> Any:
    return value.replace("\0", "") if isinstance(value, str) else value


def _cut(value: Any) -> Any:
    return _clean(value)[:_LONGEST_TEXT] if isinstance(value, str) else value


def _clean_texts(value: Any) -> Any:
    return {key: _clean(text) for key, text in value.items()} if isinstance(value, dict) else value


# Everything has a bound, because a worker passes on what strangers wrote, and no NUL, which PostgreSQL cannot hold.
Name = Annotated[str, Field(max_length=253)]
Text = Annotated[str, BeforeValidator(_cut)]
Foreign = BeforeValidator(_clean)
Detail = Annotated[dict[str, Any], Field(max_length=32), BeforeValidator(_clean_texts)]


class Message(BaseModel):
    """Unknown fields are ignored, so that old and new releases understand each other."""

    model_config = ConfigDict(extra="ignore")


class ResourceRef(Message):
    """One resource, for as long as it lives: made again under its old name it has another uid."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    kind: Literal["Monitor", "Channel", "DownloadJob"]
    namespace: Name
    name: Name
    uid: Name


class Seats(Message):
    """The Monitors that have their seat in one shared Pod. `version` is the same whenever the list is."""

    version: Name
    seats: list[ResourceRef] = Field(default_factory=list)


class Settled(StrEnum):
    """Why an episode ended although nobody saw it recover."""

    CHECK_DISABLED = "check_disabled"
    STREAM_ENDED = "stream_ended"
    BASELINE_LOST = "baseline_lost"


class OpenCondition(Message):
    """An alert that has been raised and not cleared, with what it was raised by."""

    condition: Name
    episode: UUID
    started_at: AwareDatetime
    measured: Annotated[dict[str, float | Text], Field(max_length=16)] = Field(default_factory=dict)
    threshold_sec: float = 0.0

    @classmethod
    def of(cls, raised: "Transition") -> "OpenCondition":
        return cls(
            condition=raised.condition,
            episode=raised.episode,
            started_at=raised.started_at,
            measured=raised.measured,
            threshold_sec=raised.threshold_sec,
        )


class MonitorAssignment(Message):
    """A Monitor's spec and what is known of its stream; `epoch` counts the workers that have begun on it.

    `end_reason`: of a stream that has ended, as its event told it.
    """

    kind: Literal["Monitor"] = "Monitor"
    resource: ResourceRef
    version: Name
    epoch: int
    spec: MonitorSpec
    stream: StreamState = StreamState.UNKNOWN
    end_reason: Text | None = None
    open: list[OpenCondition] = Field(default_factory=list)
    statistics: Statistics = Field(default_factory=Statistics)


class FeedValidators(Message):
    """What makes the next poll conditional."""

    etag: Text | None = None
    last_modified: Text | None = None


class ChannelAssignment(Message):
    """A Channel's spec and its feed's validators."""

    kind: Literal["Channel"] = "Channel"
    resource: ResourceRef
    version: Name
    epoch: int
    spec: ChannelSpec
    validators: FeedValidators = Field(default_factory=FeedValidators)


class DownloadAssignment(Message):
    """A DownloadJob's spec and its result, when there already is one."""

    kind: Literal["DownloadJob"] = "DownloadJob"
    resource: ResourceRef
    version: Name
    epoch: int
    spec: DownloadJobSpec
    result: DownloadResult | None = None


Assignment = Annotated[MonitorAssignment | ChannelAssignment | DownloadAssignment, Field(discriminator="kind")]


class Segment(Message):
    """The segment in which something was seen."""

    sequence: int
    duration: float


class Transition(Message):
    """A condition was raised or cleared. `episode` joins the two."""

    id: UUID
    condition: Name
    state: Literal["raised", "cleared"]
    episode: UUID
    at: AwareDatetime = Field(description="when it was seen")
    started_at: AwareDatetime = Field(description="when the episode began")
    media_time: float = Field(description="seconds of media since the first segment seen")
    duration_sec: float = Field(description="how long it has lasted, or lasted in all")
    threshold_sec: float = 0.0
    segment: Segment | None = None
    measured: Annotated[dict[str, float | Text], Field(max_length=16)] = Field(default_factory=dict)
    detail: Detail = Field(default_factory=dict)
    settled: Text = Field(default="", description="why it ended although nobody saw it recover: no recovery is told")


class Occurrence(Message):
    """Something that happened at one moment; `type` is an event type of the catalogue."""

    id: UUID
    type: Literal["stream.started", "stream.ended", "stream.delayed", "stream.epoch_changed", "monitor.error"]
    at: AwareDatetime
    data: Detail = Field(default_factory=dict)


class MonitorObservation(Message):
    """How the stream is now."""

    stream: StreamState
    title: Text | None = None
    reason: Text | None = None
    scheduled_start: AwareDatetime | None = None
    video: Health = Health.UNKNOWN
    audio: Health = Health.UNKNOWN
    last_check_at: AwareDatetime | None = None
    statistics: Statistics = Field(default_factory=Statistics)


class FeedObservation(Message):
    """How the feed answered."""

    polled_at: AwareDatetime
    http_status: int | None = None
    title: Text | None = None
    validators: FeedValidators = Field(default_factory=FeedValidators)
    error: Text | None = None


class VideoSeen(Message):
    """One entry of a feed. `media_id` is the YouTube id, or the entry's own id in other feeds."""

    media_id: Annotated[str, Field(min_length=1, max_length=512), Foreign]
    title: Annotated[str, Field(max_length=1024), Foreign]
    url: Annotated[str, Field(max_length=2048), Foreign]
    published_at: AwareDatetime | None = None
    updated_at: AwareDatetime | None = None
    description: Annotated[str, Field(max_length=65536), Foreign] = ""
    thumbnail_url: Annotated[str, Field(max_length=2048), Foreign] | None = None
    views: int | None = None


class DownloadAttempt(Message):
    """One try to fetch the media, with one client."""

    id: UUID
    client: Name
    started_at: AwareDatetime
    finished_at: AwareDatetime
    error: Text | None = None


class DownloadFailure(Message):
    """Why a download failed. `final` means that another try would not help."""

    reason: Text
    message: Text
    final: bool


class DownloadObservation(Message):
    """How the download stands."""

    progress: DownloadProgress | None = None
    attempts: Annotated[list[DownloadAttempt], Field(max_length=100)] = Field(default_factory=list)
    result: DownloadResult | None = None
    failure: DownloadFailure | None = None


class Report(Message):
    """What one worker saw. Sent until acknowledged; the same `id` again changes nothing."""

    id: UUID
    resource: ResourceRef
    pod: Name = ""
    clock_offset: float = Field(default=0.0, exclude=True, description="seconds ahead; found out by the gateway alone")
    epoch: int
    seq: int
    monitor: MonitorObservation | None = None
    transitions: Annotated[list[Transition], Field(max_length=1000)] = Field(default_factory=list)
    occurrences: Annotated[list[Occurrence], Field(max_length=1000)] = Field(default_factory=list)
    feed: FeedObservation | None = None
    videos: Annotated[list[VideoSeen], Field(max_length=5000)] = Field(default_factory=list)
    download: DownloadObservation | None = None


class StripPoint(Message):
    """Ten seconds of a stream, as far as they were looked at; None where nothing was."""

    at: AwareDatetime = Field(description="when the ten seconds began")
    state: StreamState
    luma: Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)] | None = Field(
        default=None, description="mean brightness of the picture, 0 black to 1 white"
    )
    dark: Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)] | None = Field(
        default=None, description="share of dark pixels"
    )
    motion_db: Annotated[float, Field(ge=-200, le=200, allow_inf_nan=False)] | None = Field(
        default=None, description="difference from picture to picture; the lower, the stiller"
    )
    level_db: Annotated[float, Field(ge=-200, le=200, allow_inf_nan=False)] | None = Field(
        default=None, description="loudest sound, dB below full scale"
    )
    delivery_ratio: Annotated[float, Field(ge=0, le=1000, allow_inf_nan=False)] | None = Field(
        default=None, description="seconds of download per second of media"
    )
    bitrate_kbps: Annotated[float, Field(ge=0, le=10_000_000, allow_inf_nan=False)] | None = Field(
        default=None, description="of the segments as they came"
    )


class Look(Message):
    """The newest picture of a stream and its last ten minutes. Sent once and never kept: the next one replaces it."""

    model_config = ConfigDict(extra="ignore", ser_json_bytes="base64", val_json_bytes="base64")

    resource: ResourceRef
    epoch: int
    taken_at: AwareDatetime
    thumbnail: Annotated[bytes, Field(max_length=LARGEST_THUMBNAIL)] | None = Field(
        default=None, description="a JPEG, in base64; None keeps the one before"
    )
    strip: Annotated[list[StripPoint], Field(max_length=60)] = Field(default_factory=list)


class ExtractionRequest(Message):
    """A worker is about to ask a site by yt-dlp or streamlink."""

    resource: ResourceRef
    site: Annotated[str, Field(min_length=1, max_length=253, pattern=r"^[a-z0-9.-]+$")]


class ExtractionGrant(Message):
    """Whether it may; if not, in how many seconds there is hope."""

    granted: bool
    retry_after_seconds: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0


class ReportAck(Message):
    """The report is committed. `duplicate` tells that it had been before."""

    id: UUID
    duplicate: bool = False
