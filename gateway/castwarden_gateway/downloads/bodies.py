# SPDX-License-Identifier: Apache-2.0
"""What clients send for downloads, and the spec that it means. Pure."""

import re
from typing import Annotated, Any, Literal, Self

from castwarden_model.forms import of_form
from castwarden_model.resources.base import Metadata, Url
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from castwarden_gateway.http.cursors import PageQuery

Status = Literal["pending", "processing", "completed", "failed", "cancelled"]
_VIDEO_ID = re.compile(r"[A-Za-z0-9_-]{11}")


class DownloadCreate(BaseModel):
    """A new download: `url`, or yt-videos-api's `entity_type` and `entity_id`."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"url": "https://example.com/media/clip.mp4", "container_policy": "mp4"}]},
    )

    url: Url | None = Field(default=None, description="A media file, or a page that yt-dlp understands.")
    entity_type: Literal["video", "playlist", "channel"] | None = None
    entity_id: Annotated[str, Field(min_length=1, max_length=2048)] | None = Field(
        default=None, description="A YouTube video id, or a URL."
    )
    container_policy: Literal["original", "webm", "mp4", "mkv"] | None = Field(
        default=None, description="The container of the finished file; original keeps what the site serves."
    )
    quality: Annotated[str, of_form(r"^(best|worst|[0-9]{3,4}p)$", "must be best, worst, or like 1080p")] | None = (
        Field(default=None, description="best, worst, or the largest height, e.g. 1080p.")
    )
    embed_metadata: bool | None = Field(default=None, description="Write title, channel and date into the file.")
    embed_cover_art: bool | None = Field(default=None, description="Write the thumbnail into the file.")
    metadata: Metadata = Field(default={}, description="Free text that every event of this download repeats.")

    @field_validator("entity_type")
    @classmethod
    def _one_video(cls, value: str | None) -> str | None:
        if value in ("playlist", "channel"):
            raise ValueError("one download is one video: register the channel, or send its videos one by one")
        return value

    @field_validator("entity_id")
    @classmethod
    def _known_id(cls, value: str | None) -> str | None:
        if value is not None and not _VIDEO_ID.fullmatch(value) and not value.startswith(("http://", "https://")):
            raise ValueError("neither a YouTube video id nor a URL")
        return value

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.url is None) == (self.entity_id is None):
            raise ValueError("give either url or entity_id")
        return self

    def source(self) -> dict[str, str]:
        wanted = self.url or self.entity_id or ""
        return {"youtubeVideoId": wanted} if _VIDEO_ID.fullmatch(wanted) else {"url": wanted}

    def spec(self) -> dict[str, Any]:
        optional = {
            "container": self.container_policy,
            "quality": self.quality,
            "embedMetadata": self.embed_metadata,
            "embedCoverArt": self.embed_cover_art,
            "metadata": self.metadata or None,
        }
        return {"source": self.source(), **{key: value for key, value in optional.items() if value is not None}}


class DownloadPatch(BaseModel):
    """A download can be held and let go."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"suspend": True}]})

    suspend: bool = Field(description="Hold the download, keep it.")


class DownloadQuery(PageQuery):
    """Filters of the list."""

    status: Status | None = None


FIELDS = {
    "spec": "",
    "spec.source.url": "/url",
    "spec.source.youtubeVideoId": "/entity_id",
    "spec.container": "/container_policy",
    "spec.embedMetadata": "/embed_metadata",
    "spec.embedCoverArt": "/embed_cover_art",
}
"""Paths of the resource → JSON Pointers of the body; the rest is spelt alike."""
