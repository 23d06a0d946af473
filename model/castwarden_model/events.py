# SPDX-License-Identifier: Apache-2.0
"""The event catalogue: every type with its data, JSON Schema and an example, and the envelope that carries it.

Names and data fields of the Stream Tracker and of YT Tracker are kept, so that their receivers go on working.
"""

from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field


class Subject(BaseModel):
    """The resource that an event is about."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: str
    namespace: str
    name: str
    uid: str


class Event(BaseModel):
    """The envelope of a Castwarden webhook. `id` stays the same over retries and is also the `webhook-id`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: UUID
    type: str
    timestamp: datetime
    subject: Subject
    data: dict[str, Any]
    metadata: dict[str, str] = {}


class SegmentInfo(BaseModel):
    sequence: int
    duration: float = Field(description="seconds")


class Nothing(BaseModel):
    """No data."""


class Started(BaseModel):
    title: str


class Ended(BaseModel):
    reason: str = Field(description="endlist_detected, stream_no_longer_live or segment_error_threshold")


class Delayed(BaseModel):
    scheduled_start_time: datetime
    delay_sec: float
    tolerance_sec: float


class EpochChanged(BaseModel):
    """The origin began to number its segments anew."""

    from_sequence: int
    to_sequence: int


class Raised(BaseModel):
    duration_sec: float = Field(description="how long it had lasted on air when the alert was raised")
    started_at: datetime = Field(description="when it began on air")
    threshold_sec: float = Field(description="the check's raiseAfter")
    segment_info: SegmentInfo | None = None


class Recovered(BaseModel):
    total_duration_sec: float = Field(description="how long it lasted on air")
    started_at: datetime = Field(description="when it began on air")
    recovered_at: datetime = Field(description="when it was seen to be over; the check's clearAfter had passed by then")


class SegmentErrorRaised(BaseModel):
    error: str
    duration_sec: float
    started_at: datetime


class ProbeBlocked(BaseModel):
    """We could not look; this says nothing about the stream."""

    reason: str
    hint: str


class MonitorError(BaseModel):
    reason: str
    message: str


class Video(BaseModel):
    video_id: UUID
    youtube_id: str
    title: str
    published_at: datetime | None
    url: str
    channel: str = Field(description="name of the Channel")


class VideoUpdated(Video):
    changed: list[str] = Field(description="names of the fields that changed")


class DownloadCompleted(BaseModel):
    path: str
    bytes: int
    sha256: str
    media_id: str
    title: str


class DownloadFailed(BaseModel):
    reason: str
    message: str


class Ping(BaseModel):
    message: str


@dataclass(frozen=True, slots=True)
class EventType:
    """One entry of the catalogue."""

    name: str
    description: str
    model: type[BaseModel]
    example: dict[str, Any]

    @property
    def schema(self) -> dict[str, Any]:
        """JSON Schema of the event's `data`."""
        return self.model.model_json_schema()


_AT = "2026-11-20T12:00:00Z"
_RAISED = {
    "duration_sec": 30.0,
    "started_at": _AT,
    "threshold_sec": 30.0,
    "segment_info": {"sequence": 4711, "duration": 4.0},
}
_RECOVERED = {"total_duration_sec": 42.0, "started_at": _AT, "recovered_at": "2026-11-20T12:00:42Z"}
_VIDEO = {
    "video_id": "0193483a-6f2e-7c5e-9d3b-0a1b2c3d4e5f",
    "youtube_id": "dQw4w9WgXcQ",
    "title": "Evening news",
    "published_at": _AT,
    "url": "https://www.youtube.com/watch?v=dQw4w9WgXcQ",
    "channel": "news",
}

CATALOGUE: dict[str, EventType] = {
    entry.name: entry
    for entry in (
        EventType("stream.started", "The stream is live.", Started, {"title": "Main channel"}),
        EventType("stream.ended", "The stream has ended.", Ended, {"reason": "endlist_detected"}),
        EventType(
            "stream.delayed",
            "The stream has not begun by its planned start plus tolerance.",
            Delayed,
            {"scheduled_start_time": _AT, "delay_sec": 301.0, "tolerance_sec": 300.0},
        ),
        EventType("stream.suspended", "No new segment arrives.", Nothing, {}),
        EventType("stream.resumed", "Segments arrive again.", Nothing, {}),
        EventType(
            "stream.epoch_changed",
            "The origin began to number its segments anew.",
            EpochChanged,
            {"from_sequence": 4711, "to_sequence": 0},
        ),
        EventType("alert.blackout", "The picture is black.", Raised, _RAISED),
        EventType("alert.blackout_recovered", "The picture is no longer black.", Recovered, _RECOVERED),
        EventType("alert.freeze", "The picture stands still.", Raised, _RAISED),
        EventType("alert.freeze_recovered", "The picture moves again.", Recovered, _RECOVERED),
        EventType("alert.silence", "The sound is silent.", Raised, _RAISED),
        EventType("alert.silence_recovered", "There is sound again.", Recovered, _RECOVERED),
        EventType(
            "alert.segment_error",
            "Segments cannot be fetched or decoded.",
            SegmentErrorRaised,
            {"error": "HTTP 404", "duration_sec": 12.0, "started_at": _AT},
        ),
        EventType("alert.segment_error_recovered", "Segments are whole again.", Recovered, _RECOVERED),
        EventType(
            "probe.blocked",
            "The source refuses to be looked at; this says nothing about the stream.",
            ProbeBlocked,
            {"reason": "bot_check", "hint": "Use another egress address or give the worker cookies."},
        ),
        EventType("probe.recovered", "The source can be looked at again.", Recovered, _RECOVERED),
        EventType(
            "monitor.error",
            "The Monitor cannot work.",
            MonitorError,
            {"reason": "unsupported_source", "message": "No resolver knows this page."},
        ),
        EventType("video.created", "A video was discovered.", Video, _VIDEO),
        EventType("video.updated", "A video's metadata changed.", VideoUpdated, _VIDEO | {"changed": ["title"]}),
        EventType(
            "download.completed",
            "The file is in place under its final name.",
            DownloadCompleted,
            {
                "path": "Evening news [dQw4w9WgXcQ].webm",
                "bytes": 1048576,
                "sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
                "media_id": "dQw4w9WgXcQ",
                "title": "Evening news",
            },
        ),
        EventType(
            "download.failed",
            "The download failed for good.",
            DownloadFailed,
            {"reason": "unavailable", "message": "This video is private."},
        ),
        EventType("webhook.ping", "A test of a webhook endpoint.", Ping, {"message": "It works."}),
    )
}


@dataclass(frozen=True, slots=True)
class ConditionEvents:
    """The events of one check: when it is raised, and when it clears."""

    raised: str
    cleared: str


CONDITION_EVENTS: dict[str, ConditionEvents] = {
    "black": ConditionEvents("alert.blackout", "alert.blackout_recovered"),
    "freeze": ConditionEvents("alert.freeze", "alert.freeze_recovered"),
    "silence": ConditionEvents("alert.silence", "alert.silence_recovered"),
    "stall": ConditionEvents("stream.suspended", "stream.resumed"),
    "segment_errors": ConditionEvents("alert.segment_error", "alert.segment_error_recovered"),
    "probe_blocked": ConditionEvents("probe.blocked", "probe.recovered"),
}


def check_data(type_: str, data: dict[str, Any]) -> dict[str, Any]:
    """`data` as JSON values, checked against the catalogue. KeyError for an unknown type, ValueError for bad data."""
    return CATALOGUE[type_].model.model_validate(data).model_dump(mode="json", exclude_none=True)


@cache
def schemas() -> dict[str, dict[str, Any]]:
    """Event type → JSON Schema of its data."""
    return {name: entry.schema for name, entry in CATALOGUE.items()}
