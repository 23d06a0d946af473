# SPDX-License-Identifier: Apache-2.0
"""The event catalogue: every type with its data, JSON Schema and an example, and the envelope that carries it.

Names and data fields of the Stream Tracker and of YT Tracker are kept, so that their receivers go on working.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Annotated, Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from .conditions import ALERTS, Condition


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


class OfMonitor(BaseModel):
    """What every event of a Monitor says besides."""

    stream_url: str | None = Field(default=None, description="what the Monitor watches")


class OfCondition(OfMonitor):
    condition: str | None = Field(default=None, description="its name under spec.checks and in status, in snake case")
    episode: UUID | None = Field(default=None, description="the same in an alert and its recovery")


class Started(OfMonitor):
    title: str


class Ended(OfMonitor):
    reason: str = Field(description="endlist_detected, stream_no_longer_live or segment_error_threshold")


class Delayed(OfMonitor):
    scheduled_start_time: datetime
    delay_sec: float
    tolerance_sec: float


class EpochChanged(OfMonitor):
    """The origin began to number its segments anew."""

    from_sequence: int
    to_sequence: int


Measured = Annotated[
    dict[str, float | str], Field(max_length=16, description="what the check saw; its fields depend on the condition")
]


class Suspended(OfCondition):
    measured: Measured | None = None


class Raised(OfCondition):
    duration_sec: float = Field(description="how long it had lasted on air when the alert was raised")
    started_at: datetime = Field(description="when it began on air")
    threshold_sec: float = Field(description="the check's raiseAfter")
    segment_info: SegmentInfo | None = None
    measured: Measured | None = None


class Recovered(OfCondition):
    total_duration_sec: float = Field(description="how long it lasted on air")
    started_at: datetime = Field(description="when it began on air")
    recovered_at: datetime = Field(description="when it was seen to be over; the check's clearAfter had passed by then")


class SegmentErrorRaised(OfCondition):
    error: str
    duration_sec: float
    started_at: datetime
    measured: Measured | None = None


class ProbeBlocked(OfCondition):
    """We could not look; this says nothing about the stream."""

    reason: str
    hint: str


class MonitorError(OfMonitor):
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


class WebhookDisabled(BaseModel):
    """`failing_since`: the first failure after the last success."""

    endpoint_id: str
    url: str
    reason: str
    last_error: str | None = None
    failing_since: datetime | None = None


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
_RECOVERED = {"total_duration_sec": 42.0, "started_at": _AT, "recovered_at": "2026-11-20T12:00:47Z"}
_VIDEO = {
    "video_id": "0193483a-6f2e-7c5e-9d3b-0a1b2c3d4e5f",
    "youtube_id": "dQw4w9WgXcQ",
    "title": "Evening news",
    "published_at": _AT,
    "url": "https://www.youtube.com/watch?v=dQw4w9WgXcQ",
    "channel": "news",
}

# What differs from the usual pair: the Stream Tracker's receivers, and those who want to know why, count on it.
_MODELS: dict[str, tuple[type[BaseModel], type[BaseModel]]] = {
    "stall": (Suspended, Suspended),
    "segment_errors": (SegmentErrorRaised, Recovered),
    "playlist_errors": (SegmentErrorRaised, Recovered),
    "probe_blocked": (ProbeBlocked, Recovered),
}
_EXAMPLES: dict[type[BaseModel], dict[str, Any]] = {
    Suspended: {},
    Raised: _RAISED,
    Recovered: _RECOVERED,
    SegmentErrorRaised: {"error": "HTTP 404", "duration_sec": 12.0, "started_at": _AT},
    ProbeBlocked: {"reason": "bot_check", "hint": "Use another egress address or give the worker cookies."},
}


def _condition_events() -> Iterator[EventType]:
    """The types of all conditions that open and close."""
    for entry in ALERTS.values():
        raised, cleared = _MODELS.get(entry.name, (Raised, Recovered))
        yield EventType(entry.raised, entry.raised_text, raised, _example(raised, entry))
        yield EventType(entry.cleared, entry.cleared_text, cleared, _EXAMPLES[cleared] | _same(entry))


def _example(model: type[BaseModel], entry: Condition) -> dict[str, Any]:
    return _EXAMPLES[model] | ({"measured": entry.measured} if entry.measured else {}) | _same(entry)


def _same(entry: Condition) -> dict[str, str]:
    """What joins an alert and its recovery."""
    return {"condition": entry.name, "episode": "0193483a-5b1c-7a20-8e4f-2c3d4e5f6a7b"}


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
        EventType(
            "stream.epoch_changed",
            "The origin began to number its segments anew.",
            EpochChanged,
            {"from_sequence": 4711, "to_sequence": 0},
        ),
        *_condition_events(),
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
        EventType(
            "webhook.disabled",
            "A webhook endpoint was given up: its receiver is gone, or has done nothing but fail for five days. "
            "The tenant's other endpoints are told.",
            WebhookDisabled,
            {
                "endpoint_id": "019a9f3c-6f2e-7c5e-9d3b-0a1b2c3d4e5f",
                "url": "https://example.com/hook",
                "reason": "nothing but failures for 5 days",
                "last_error": "status_500",
                "failing_since": "2026-11-15T12:00:00Z",
            },
        ),
        EventType("webhook.ping", "A test of a webhook endpoint.", Ping, {"message": "It works."}),
    )
}


def check_data(type_: str, data: dict[str, Any]) -> dict[str, Any]:
    """`data` as JSON values, checked against the catalogue. KeyError for an unknown type, ValueError for bad data."""
    return CATALOGUE[type_].model.model_validate(data).model_dump(mode="json", exclude_none=True)


@cache
def schemas() -> dict[str, dict[str, Any]]:
    """Event type → JSON Schema of its data."""
    return {name: entry.schema for name, entry in CATALOGUE.items()}
