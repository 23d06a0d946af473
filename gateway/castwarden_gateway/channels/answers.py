# SPDX-License-Identifier: Apache-2.0
"""What the API answers about channels and their videos."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import Field
from typing_extensions import TypedDict  # pydantic reads no other before Python 3.12


class ChannelView(TypedDict):
    """A channel and how its feed is."""

    id: str
    youtube_id: str | None
    feed_url: str | None
    url: Annotated[str, Field(description="The channel's page, or the feed.")]
    title: str | None
    active: Annotated[bool, Field(description="The opposite of `suspend`.")]
    suspend: bool
    schedule: str | None
    time_zone: str | None
    feed: Annotated[dict[str, Any], Field(description="`state`, `last_polled_at`, `http_status`, `error`.")]
    video_count: int
    last_video_published_at: datetime | None
    last_event: dict[str, Any] | None
    metadata: dict[str, str]
    conditions: Annotated[list[dict[str, Any]], Field(description="metav1 conditions.")]
    generation: int
    created_at: datetime | None


class PollStarted(TypedDict):
    """The poll that was asked for."""

    job: Annotated[str, Field(description="Name of the Kubernetes Job.")]


class VideoView(TypedDict):
    """One entry of a channel's feed, as last seen."""

    id: UUID
    youtube_id: Annotated[str, Field(description="In other feeds than YouTube's, the entry's own id.")]
    title: str
    url: str
    description: str
    thumbnail_url: str | None
    views: int | None
    published_at: datetime | None
    updated_at: datetime | None
    first_seen_at: datetime
