# SPDX-License-Identifier: Apache-2.0
"""Deliveries, the signing key of Monitors and the event catalogue as the REST API speaks of them."""

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from castwarden_model.events import CATALOGUE
from pydantic import AwareDatetime, BaseModel, Field

from castwarden_gateway.http.cursors import PageQuery
from castwarden_gateway.webhooks.models import ID, SECRET, Input, shown_as

State = Literal["pending", "sent", "failed", "dead"]

_OTHER = "019a9f3c-5d2e-7c41-9b7a-0f6f3b1c2d4e"
_DELIVERY: dict[str, Any] = {
    "id": _OTHER,
    "event_id": ID,
    "event_type": "stream.started",
    "endpoint_id": "019a9f3b-1a2b-7c3d-8e4f-5a6b7c8d9e0f",
    "status": "sent",
    "attempts": 1,
    "in_flight": False,
    "next_attempt_at": None,
    "last_status_code": 200,
    "last_error": None,
    "created_at": "2026-11-20T11:58:04Z",
    "finished_at": "2026-11-20T11:58:05Z",
}
_ATTEMPT: dict[str, Any] = {
    "attempt": 1,
    "at": "2026-11-20T11:58:04Z",
    "outcome": "sent",
    "status_code": 200,
    "ms": 38,
    "error": None,
    "detail": None,
    "response_headers": {"content-type": "text/plain"},
    "response_body": "ok",
}


class PingResult(BaseModel):
    """What the receiver said to a `webhook.ping`, which is sent once and kept nowhere."""

    model_config = shown_as(delivered=True, status_code=200, error=None, detail=None, ms=38, response_body="ok")

    delivered: bool
    status_code: int | None
    error: str | None
    detail: str | None
    ms: int
    response_body: str


class DeliveryQuery(PageQuery):
    endpoint_id: UUID | None = None
    status: State | None = None


class DeliveryView(BaseModel):
    """`failed` will be tried again at `next_attempt_at`, `dead` was given up and can be recovered.

    Nothing is sent while the endpoint rests or is paused; null: until it is resumed.
    """

    model_config = shown_as(**_DELIVERY)

    id: UUID
    event_id: UUID
    event_type: str | None
    endpoint_id: UUID
    status: State
    attempts: int
    in_flight: bool
    next_attempt_at: datetime | None
    last_status_code: int | None
    last_error: str | None
    created_at: datetime
    finished_at: datetime | None


class AttemptView(BaseModel):
    model_config = shown_as(**_ATTEMPT)

    attempt: int
    at: datetime
    outcome: Literal["sent", "failed", "dead"]
    status_code: int | None
    ms: int
    error: str | None
    detail: str | None
    response_headers: dict[str, str]
    response_body: str = Field(description="the first 16 KiB")


class DeliveryDetail(DeliveryView):
    model_config = shown_as(**_DELIVERY, history=[_ATTEMPT])

    history: list[AttemptView]


class Recover(Input):
    model_config = shown_as(since="2026-11-20T00:00:00Z")

    since: AwareDatetime = Field(description="dead deliveries of events recorded since then go back into the queue")


class Recovered(BaseModel):
    model_config = shown_as(recovered=12)

    recovered: int


class SigningKeyRequest(Input):
    model_config = shown_as(rotate=False)

    rotate: bool = Field(default=False, description="make a new key; the old one stops to sign at once")


class SigningKeyView(BaseModel):
    """`installation`: one key for all, set by whoever runs the gateway. `none`: made when it is first needed."""

    model_config = shown_as(source="tenant", created_at="2026-11-20T12:00:00Z", shown_at=None)

    source: Literal["installation", "tenant", "none"]
    created_at: datetime | None = None
    shown_at: datetime | None = None


class SigningKeyShown(BaseModel):
    model_config = shown_as(secret=SECRET, created_at="2026-11-20T12:00:00Z")

    secret: str
    created_at: datetime


class EventTypeView(BaseModel):
    model_config = shown_as(
        type="stream.started",
        description=CATALOGUE["stream.started"].description,
        schema=CATALOGUE["stream.started"].schema,
        example=CATALOGUE["stream.started"].example,
    )

    type: str
    description: str
    schema_: dict[str, Any] = Field(serialization_alias="schema")
    example: dict[str, Any]
