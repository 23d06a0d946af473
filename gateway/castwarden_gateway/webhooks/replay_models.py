# SPDX-License-Identifier: Apache-2.0
"""Replays as the REST API speaks of them."""

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, Field

from castwarden_gateway.http.cursors import PageQuery
from castwarden_gateway.webhooks.models import ID, Input, shown_as

_REPLAY: dict[str, Any] = {
    "id": "019a9f3d-0a1b-7c2d-8e3f-4a5b6c7d8e9f",
    "endpoint_id": ID,
    "since": "2026-11-20T00:00:00Z",
    "until": "2026-11-20T12:00:00Z",
    "status": "running",
    "reason": None,
    "progress": 0.42,
    "events": 2500,
    "queued": 310,
    "created_at": "2026-11-20T12:00:00Z",
    "finished_at": None,
}


class ReplayStart(Input):
    """Events from `since` to `until` that the endpoint wants and never got. Dead deliveries: see `recover`."""

    model_config = shown_as(since="2026-11-20T00:00:00Z")

    since: AwareDatetime = Field(description="at most 30 days ago")
    until: AwareDatetime | None = Field(default=None, description="absent: now")


class ReplayQuery(PageQuery):
    endpoint_id: UUID | None = None


class ReplayView(BaseModel):
    """`completed`: all that was missing is queued; whether it arrived is told by its deliveries."""

    model_config = shown_as(**_REPLAY)

    id: UUID
    endpoint_id: UUID
    since: datetime
    until: datetime
    status: Literal["running", "completed", "cancelled"]
    reason: str | None = Field(description="why it was cancelled")
    progress: float = Field(ge=0, le=1, description="how much of the time from since to until has been looked at")
    events: int = Field(description="looked at")
    queued: int = Field(description="of them, how many were missing and are sent")
    created_at: datetime
    finished_at: datetime | None
