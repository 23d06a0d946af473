# SPDX-License-Identifier: Apache-2.0
"""What the API answers about downloads."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import Field
from typing_extensions import TypedDict  # pydantic reads no other before Python 3.12

from castwarden_gateway.downloads.bodies import Status
from castwarden_gateway.http.media import example

_EXAMPLE: dict[str, Any] = {
    "id": "dl-019a9f3c-5d2e-7c41-9b7a-0f6f3b1c2d4e",
    "status": "completed",
    "entity_type": "video",
    "entity_id": "https://example.com/media/clip.mp4",
    "url": "https://example.com/media/clip.mp4",
    "container_policy": "mp4",
    "quality": "best",
    "embed_metadata": True,
    "embed_cover_art": True,
    "suspend": False,
    "progress": {"bytes": 73400320, "total_bytes": 73400320, "percent": 100.0, "bytes_per_second": 9175040},
    "result": {
        "path": "Clip [clip].mp4",
        "bytes": 73400320,
        "sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        "media_id": "clip",
        "title": "Clip",
    },
    "error": None,
    "last_event": {"type": "download.completed", "at": "2026-11-20T12:00:08Z"},
    "metadata": {},
    "conditions": [{"type": "Complete", "status": "True", "reason": "Downloaded", "message": ""}],
    "created_at": "2026-11-20T12:00:00Z",
}
_ATTEMPT = {
    "id": "019a9f3c-6f2e-7c5e-9d3b-0a1b2c3d4e5f",
    "client": "default",
    "started_at": "2026-11-20T12:00:00Z",
    "finished_at": "2026-11-20T12:00:08Z",
    "error": None,
}


@example(**_EXAMPLE)
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


@example(**_EXAMPLE, attempts=[_ATTEMPT])
class DownloadDetail(DownloadView):
    """A download with all its attempts, oldest first."""

    attempts: list[DownloadAttemptView]
