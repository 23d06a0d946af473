# SPDX-License-Identifier: Apache-2.0
"""What clients send for channels, and the spec that it means. Pure."""

from typing import Annotated, Any, Self

from castwarden_model.forms import of_form
from castwarden_model.resources.base import Metadata, MetadataValue, Url
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, model_validator

from castwarden_gateway.http.cursors import PageQuery

Schedule = Annotated[str, Field(min_length=1, max_length=128, description="When to poll, as cron spells it.")]
TimeZone = Annotated[str, Field(min_length=1, max_length=64, description="The schedule's.")]


class ChannelCreate(BaseModel):
    """A new channel: `youtube_id` (UC...) or `feed_url`."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"youtube_id": "UCBR8-60-B28hp2BmDPdntcQ", "schedule": "*/5 * * * *"}]},
    )

    youtube_id: Annotated[str, of_form(r"^UC[A-Za-z0-9_-]{22}$", "must be UC and 22 more characters")] | None = Field(
        default=None, description="Or else `feed_url`."
    )
    feed_url: Url | None = Field(default=None, description="An RSS or Atom feed.")
    schedule: Schedule | None = None
    time_zone: TimeZone | None = None
    suspend: bool = Field(default=False, description="Stop polling, keep the channel.")
    metadata: Metadata = Field(default={}, description="Free text that every event of this channel repeats.")

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.youtube_id is None) == (self.feed_url is None):
            raise ValueError("give either youtube_id or feed_url")
        return self

    def spec(self) -> dict[str, Any]:
        source = {"youtubeChannelId": self.youtube_id} if self.youtube_id else {"feedUrl": self.feed_url}
        optional = {
            "schedule": self.schedule,
            "timeZone": self.time_zone,
            "suspend": self.suspend or None,
            "metadata": self.metadata or None,
        }
        return {"source": source, **{key: value for key, value in optional.items() if value is not None}}


class ChannelPatch(BaseModel):
    """Changes to a channel: what is left out stays."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"schedule": "*/15 * * * *"}]})

    schedule: Schedule | None = None
    time_zone: TimeZone | None = None
    suspend: bool | None = None
    metadata: dict[str, MetadataValue | None] | None = Field(default=None, max_length=32)

    def spec(self) -> dict[str, Any]:
        given = self.model_dump(exclude_unset=True)
        names = {"time_zone": "timeZone"}
        return {names.get(key, key): value for key, value in given.items() if value is not None or key == "metadata"}


class VideoQuery(PageQuery):
    """Filters of a channel's videos; `since` and `until` are inclusive and look at the publication."""

    since: AwareDatetime | None = None
    until: AwareDatetime | None = None
    search: str | None = Field(default=None, max_length=200, description="Part of the title or the description.")


FIELDS = {
    "spec": "",
    "spec.source.youtubeChannelId": "/youtube_id",
    "spec.source.feedUrl": "/feed_url",
    "spec.timeZone": "/time_zone",
}
"""Paths of the resource → JSON Pointers of the body; the rest is spelt alike."""
