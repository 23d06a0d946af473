# SPDX-License-Identifier: Apache-2.0
"""DownloadJob: fetches one media file, once, atomically."""

from datetime import datetime, timedelta
from typing import Annotated, ClassVar, Literal

from pydantic import ConfigDict, Field

from ..durations import Duration
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


class MediaSource(OneOf):
    """What to fetch: exactly one field."""

    model_config = ConfigDict(json_schema_extra=exactly_one_of("url", "youtubeVideoId"))

    url: Url | None = Field(default=None, description="A media file, or any page that yt-dlp understands.")
    youtube_video_id: YoutubeVideoId | None = Field(default=None, description="A YouTube video id.")

    @property
    def page_url(self) -> str:
        """The URL to fetch."""
        return self.url or f"https://www.youtube.com/watch?v={self.youtube_video_id}"


class Storage(Spec):
    """Where the file lands."""

    persistent_volume_claim: Annotated[str, Field(max_length=253)] | None = Field(
        default=None, description="The claim; unset means the operator's default."
    )
    sub_path: Annotated[str, Field(max_length=512, pattern=r"^[A-Za-z0-9_-][A-Za-z0-9_. /-]*$")] | None = Field(
        default=None,
        description="A folder inside the claim.",
        json_schema_extra=rule("!self.split('/').exists(p, p == '..')", "subPath must not contain .."),
    )


class DownloadJobSpec(Spec):
    """What to fetch and where to put it. Only `suspend` and `ttlSecondsAfterFinished` may change."""

    source: MediaSource = Field(
        description="What to fetch.",
        json_schema_extra=rule("self == oldSelf", "source cannot change; create another DownloadJob"),
    )
    container: Literal["original", "webm", "mp4", "mkv"] = Field(
        default="original",
        description="The container of the finished file; original keeps what the site serves.",
        json_schema_extra=rule("self == oldSelf", "container cannot change; create another DownloadJob"),
    )
    quality: Annotated[str, Field(pattern=r"^(best|worst|[0-9]{3,4}p)$", max_length=8)] = Field(
        default="best", description="best, worst, or the largest height, e.g. 1080p."
    )
    embed_metadata: bool = Field(default=True, description="Write title, channel and date into the file.")
    embed_cover_art: bool = Field(default=True, description="Write the thumbnail into the file.")
    storage: Storage = Field(default_factory=Storage, description="Where the file lands.")
    suspend: bool = Field(default=False, description="Hold the download, keep the DownloadJob.")
    backoff_limit: int = Field(default=3, ge=0, le=20, description="Retries after a failed Pod.")
    timeout: Duration = Field(default=timedelta(hours=6), description="The longest one download may take in all.")
    ttl_seconds_after_finished: Annotated[int, Field(ge=0)] | None = Field(
        default=None, description="Seconds after which the finished Job, not the file, is removed."
    )
    metadata: Metadata = Field(default={}, description="Free text that every event of this download repeats.")
    template: WorkerTemplate = Field(default_factory=WorkerTemplate, description="The worker's Pod.")


class DownloadProgress(Seen):
    """How far it is."""

    bytes: int = 0
    total_bytes: int | None = None
    percent: float | None = None
    bytes_per_second: float | None = None
    updated_at: datetime | None = None


class DownloadResult(Seen):
    """The finished file."""

    path: str = Field(description="Relative to the download folder.")
    bytes: int
    sha256: str
    media_id: str
    title: str


class DownloadJobStatus(Seen):
    """What happened, in short."""

    observed_generation: int | None = None
    conditions: Conditions = []
    job_name: str | None = None
    state: Literal["Pending", "Running", "Complete", "Failed"] | None = None
    progress: DownloadProgress | None = None
    result: DownloadResult | None = None
    error: str | None = None
    last_event: LastEvent | None = None


class DownloadJob(Resource):
    """Fetches one media file, once, atomically, with its SHA-256."""

    KIND: ClassVar[str] = "DownloadJob"
    PLURAL: ClassVar[str] = "downloadjobs"
    SHORT_NAME: ClassVar[str] = "dlj"
    COLUMNS: ClassVar[tuple[Column, ...]] = (
        Column(name="State", json_path=".status.state"),
        Column(name="Percent", json_path=".status.progress.percent", type="number"),
        Column(name="File", json_path=".status.result.path"),
        condition_column("Failed", name="Error", field="reason"),
        Column(name="Source", json_path=".spec.source.url", priority=1),
        AGE,
    )

    kind: Literal["DownloadJob"] = "DownloadJob"
    spec: DownloadJobSpec
    status: DownloadJobStatus = Field(default_factory=DownloadJobStatus)
