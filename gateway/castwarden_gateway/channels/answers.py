# SPDX-License-Identifier: Apache-2.0
"""What the API answers about channels and their videos."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import Field
from typing_extensions import TypedDict  # pydantic reads no other before Python 3.12

from castwarden_gateway.http.media import example


@example(
    id="chan-019a9f3c-5d2e-7c41-9b7a-0f6f3b1c2d4e",
    youtube_id="UCBR8-60-B28hp2BmDPdntcQ",
    feed_url=None,
    url="https://www.youtube.com/channel/UCBR8-60-B28hp2BmDPdntcQ",
    title="YouTube",
    active=True,
    suspend=False,
    schedule="*/5 * * * *",
    time_zone=None,
    feed={"state": "Ok", "last_polled_at": "2026-11-20T12:00:00Z", "http_status": 200, "error": None},
    video_count=15,
    last_video_published_at="2026-11-20T09:30:00Z",
    last_event={"type": "video.created", "at": "2026-11-20T09:35:02Z"},
    metadata={},
    conditions=[{"type": "Ready", "status": "True", "reason": "Scheduled", "message": ""}],
    generation=1,
    created_at="2026-11-19T08:00:00Z",
)
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


@example(job="poll-chan-019a9f3c-2n4x7")
class PollStarted(TypedDict):
    """The poll that was asked for."""

    job: Annotated[str, Field(description="Name of the Kubernetes Job.")]


@example(
    id="019a9f3c-6f2e-7c5e-9d3b-0a1b2c3d4e5f",
    youtube_id="dQw4w9WgXcQ",
    title="A new video",
    url="https://www.youtube.com/watch?v=dQw4w9WgXcQ",
    description="What it is about.",
    thumbnail_url="https://i.ytimg.com/vi/dQw4w9WgXcQ/hqdefault.jpg",
    views=1024,
    published_at="2026-11-20T09:30:00Z",
    updated_at="2026-11-20T09:31:00Z",
    first_seen_at="2026-11-20T09:35:02Z",
)
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
