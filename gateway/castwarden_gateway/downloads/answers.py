# SPDX-License-Identifier: Apache-2.0
"""What the API answers about downloads."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import Field
from typing_extensions import TypedDict  # pydantic reads no other before Python 3.12

from castwarden_gateway.downloads.bodies import Status


class DownloadView(TypedDict):
    """A download: yt-videos-api's fields, and ours beside them."""

    id: str
    status: Status
    entity_type: str
    entity_id: str
    url: str
    container_policy: str
    quality: str
    embed_metadata: bool
    embed_cover_art: bool
    suspend: bool
    progress: Annotated[dict[str, Any], Field(description="`bytes`, `total_bytes`, `percent`, `bytes_per_second`.")]
    result: Annotated[
        dict[str, Any] | None, Field(description="The finished file: `path`, `bytes`, `sha256`, `media_id`, `title`.")
    ]
    error: str | None
    last_event: dict[str, Any] | None
    metadata: dict[str, str]
    conditions: Annotated[list[dict[str, Any]], Field(description="metav1 conditions.")]
    created_at: datetime | None


class DownloadAttemptView(TypedDict):
    """One try to fetch the media, with one client."""

    id: UUID
    client: str
    started_at: datetime
    finished_at: datetime
    error: str | None


class DownloadDetail(DownloadView):
    """A download with all its attempts, oldest first."""

    attempts: list[DownloadAttemptView]
