# SPDX-License-Identifier: Apache-2.0
"""Channel: polls one feed and discovers its videos."""

from datetime import datetime
from typing import Annotated, ClassVar, Literal

from pydantic import ConfigDict, Field

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
    condition_column,
    exactly_one_of,
    rule,
)


class ChannelSource(OneOf):
    """Whose videos: exactly one field."""

    model_config = ConfigDict(json_schema_extra=exactly_one_of("youtubeChannelId", "feedUrl"))

    youtube_channel_id: Annotated[str, Field(pattern=r"^UC[A-Za-z0-9_-]{22}$", max_length=24)] | None = Field(
        default=None, description="A YouTube channel id (UC...)."
    )
    feed_url: Url | None = Field(default=None, description="An Atom or RSS feed.")


class ChannelSpec(Spec):
    """What to poll and how often."""

    source: ChannelSource = Field(
        description="Whose videos. It cannot change: create another Channel instead.",
        json_schema_extra=rule("self == oldSelf", "source cannot change; create another Channel"),
    )
    schedule: Annotated[str, Field(min_length=1, max_length=128, pattern=r"^(@[a-z]+|\S+(\s+\S+){4})$")] = Field(
        default="*/15 * * * *", description="When to poll, as a cron schedule."
    )
    time_zone: Annotated[str, Field(min_length=1, max_length=64)] = Field(
        default="Etc/UTC", description="The schedule's time zone."
    )
    suspend: bool = Field(default=False, description="Stop polling, keep the Channel.")
    metadata: Metadata = Field(default={}, description="Free text that every event of this Channel repeats.")
    template: WorkerTemplate = Field(default_factory=WorkerTemplate, description="The worker's Pod.")


class FeedStatus(Seen):
    """The feed as last polled. A failing feed says nothing about its videos."""

    state: Literal["Unknown", "OK", "Failing"] = "Unknown"
    title: str | None = None
    last_polled_at: datetime | None = None
    http_status: int | None = None
    error: str | None = None


class ChannelStatus(Seen):
    """What was seen, in short."""

    observed_generation: int | None = None
    conditions: Conditions = []
    cron_job_name: str | None = None
    first_poll_at: datetime | None = Field(default=None, description="When the first poll's Job was made.")
    feed: FeedStatus | None = None
    videos: int | None = Field(default=None, description="Videos known.")
    last_video_published_at: datetime | None = None
    last_event: LastEvent | None = None


class Channel(Resource):
    """Polls one feed and tells of new and changed videos."""

    KIND: ClassVar[str] = "Channel"
    PLURAL: ClassVar[str] = "channels"
    SHORT_NAME: ClassVar[str] = "chan"
    COLUMNS: ClassVar[tuple[Column, ...]] = (
        condition_column("Ready"),
        Column(name="Feed", json_path=".status.feed.state"),
        Column(name="Videos", json_path=".status.videos", type="integer"),
        Column(name="Polled", json_path=".status.feed.lastPolledAt", type="date"),
        Column(name="Schedule", json_path=".spec.schedule"),
        Column(name="Title", json_path=".status.feed.title", priority=1),
        AGE,
    )

    kind: Literal["Channel"] = "Channel"
    spec: ChannelSpec
    status: ChannelStatus = Field(default_factory=ChannelStatus)
