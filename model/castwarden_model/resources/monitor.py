# SPDX-License-Identifier: Apache-2.0
"""Monitor: watches one live stream."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, ClassVar, Literal

from pydantic import ConfigDict, Field, WithJsonSchema

from ..durations import Duration
from ..forms import form_schema, of_form
from .base import (
    AGE,
    Column,
    Conditions,
    LastEvent,
    Metadata,
    OneOf,
    Resource,
    Seen,
    Spec,
    Url,
    WorkerTemplate,
    YoutubeVideoId,
    condition_column,
    exactly_one_of,
    rule,
)
from .checks import Checks, seconds

_STREAM_URL = (
    r"^(https?|rtmps?|rtsps?|srt)://[^\s/\x00-\x1f\x7f]+[^\x00-\x1f\x7f]*$",
    "must be an http, https, rtmp, rtmps, rtsp, rtsps or srt URL",
)
StreamUrl = Annotated[
    str, Field(max_length=2048), of_form(*_STREAM_URL), WithJsonSchema(form_schema(*_STREAM_URL, 2048))
]
Depth = Literal["Adaptive", "Keyframes", "Full"]
Placement = Literal["Dedicated", "Packed"]
Pool = Annotated[str, Field(pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", max_length=40)]
"""A DNS label, so short that the names of the pool's Pods never need cutting."""


class StreamSource(OneOf):
    """Where the stream is: exactly one field."""

    model_config = ConfigDict(json_schema_extra=exactly_one_of("url", "youtubeVideoId"))

    url: StreamUrl | None = Field(
        default=None,
        description="A playlist (HLS), a manifest (MPEG-DASH), a stream over HTTP (Icecast, MPEG-TS), RTMP, RTSP, SRT,"
        " or any page that yt-dlp or streamlink resolves to one.",
    )
    youtube_video_id: YoutubeVideoId | None = Field(default=None, description="A YouTube video id.")

    @property
    def page_url(self) -> str:
        """The URL to resolve."""
        return self.url or f"https://www.youtube.com/watch?v={self.youtube_video_id}"


class StartSchedule(Spec):
    """When the stream should begin."""

    start: datetime = Field(description="The planned start.")
    tolerance: Duration = Field(default=seconds(300), description="How late it may be before stream.delayed is sent.")


class MonitorSpec(Spec):
    """What to watch and how."""

    model_config = ConfigDict(
        json_schema_extra=rule(
            "self.placement != 'Packed' || !has(self.template)",
            "a Packed Monitor shares its Pod with others, so template must be left out",
        )
    )

    source: StreamSource = Field(
        description="Where the stream is. It cannot change: create another Monitor instead.",
        json_schema_extra=rule("self == oldSelf", "source cannot change; create another Monitor"),
    )
    suspend: bool = Field(default=False, description="Stop watching, keep the Monitor.")
    resolver: Literal["Auto", "Direct", "YtDlp", "Streamlink"] = Field(
        default="Auto", description="How the source becomes a playlist; Auto tries direct, yt-dlp, streamlink."
    )
    depth: Depth = Field(
        default="Adaptive",
        description="What is decoded: little while all is well and back to the beginning on suspicion, every keyframe"
        " and all sound, or everything.",
    )
    look_interval: Duration = Field(
        default=seconds(30), description="How often to look whether a stream that is not live has begun."
    )
    checks: Checks = Field(default_factory=Checks, description="What raises an alert, and when.")
    schedule: StartSchedule | None = Field(default=None, description="When the stream should begin.")
    webhook_url: Url | None = Field(
        default=None, description="A receiver for this Monitor's events only, with the Stream Tracker's signature."
    )
    metadata: Metadata = Field(default={}, description="Free text that every event of this Monitor repeats.")
    placement: Placement = Field(
        default="Dedicated",
        description="A Pod of its own, or a seat in a Pod that watches many streams. A change moves the Monitor.",
    )
    pool: Pool = Field(default="default", description="Which group of shared Pods a Packed Monitor has its seat in.")
    template: WorkerTemplate = Field(
        default_factory=WorkerTemplate, description="The worker's Pod. Not for Packed Monitors, which share theirs."
    )


class StreamState(StrEnum):
    """What is known of the stream."""

    UNKNOWN = "Unknown"
    UPCOMING = "Upcoming"
    LIVE = "Live"
    STALLED = "Stalled"
    ENDED = "Ended"
    PROBE_BLOCKED = "ProbeBlocked"


class Health(StrEnum):
    """One track's health, in the Stream Tracker's words."""

    OK = "ok"
    WARNING = "warning"
    ERROR = "error"
    UNKNOWN = "unknown"


class StreamStatus(Seen):
    """The stream as last seen."""

    state: StreamState = StreamState.UNKNOWN
    title: str | None = None
    since: datetime | None = None
    scheduled_start: datetime | None = None
    reason: str | None = Field(default=None, description="Why it ended or cannot be looked at.")


class TrackHealth(Seen):
    """Health of picture and sound."""

    video: Health = Health.UNKNOWN
    audio: Health = Health.UNKNOWN
    last_check_at: datetime | None = None


class Statistics(Seen):
    """Counts since the Monitor was made."""

    total_segments_analyzed: int = 0
    segment_errors: int = 0
    blackout_events: int = 0
    freeze_events: int = 0
    silence_events: int = 0
    alerts: Annotated[dict[str, int], Field(max_length=64)] = Field(
        default={}, description="Alerts raised so far, by condition."
    )


class MonitorStatus(Seen):
    """What was seen, in short."""

    observed_generation: int | None = None
    conditions: Conditions = []
    pod_name: str | None = None
    seat: str | None = Field(default=None, description="A Packed Monitor's place, as Pod/number.")
    stream: StreamStatus | None = None
    health: TrackHealth | None = None
    statistics: Statistics | None = None
    open_conditions: Annotated[list[str], Field(max_length=64)] = Field(
        default=[], description="Checks in alert now.", json_schema_extra={"x-kubernetes-list-type": "set"}
    )
    open_summary: str | None = Field(default=None, description="The same in one line, for people.")
    last_event: LastEvent | None = None


class Monitor(Resource):
    """Watches one live stream and tells when picture, sound or delivery fail."""

    KIND: ClassVar[str] = "Monitor"
    PLURAL: ClassVar[str] = "monitors"
    SHORT_NAME: ClassVar[str] = "mon"
    COLUMNS: ClassVar[tuple[Column, ...]] = (
        condition_column("Ready"),
        condition_column("Ready", name="Reason", field="reason"),
        Column(name="Stream", json_path=".status.stream.state"),
        Column(name="Open", json_path=".status.openSummary"),
        Column(name="Last Event", json_path=".status.lastEvent.type"),
        Column(name="Seat", json_path=".status.seat"),
        Column(name="Source", json_path=".spec.source.url", priority=1),
        Column(name="Pod", json_path=".status.podName", priority=1),
        AGE,
    )

    kind: Literal["Monitor"] = "Monitor"
    spec: MonitorSpec
    status: MonitorStatus = Field(default_factory=MonitorStatus)
