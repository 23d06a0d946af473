# SPDX-License-Identifier: Apache-2.0
"""Webhooks as the REST API speaks of them."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from castwarden_model.events import CATALOGUE
from castwarden_model.forms import of_form
from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field

from castwarden_gateway.http.cursors import PageQuery
from castwarden_gateway.webhooks.filters import is_known
from castwarden_gateway.webhooks.payloads import Payload
from castwarden_gateway.webhooks.schedule import Policy
from castwarden_gateway.webhooks.sign import Profile

State = Literal["pending", "sent", "failed", "dead"]


def _known(pattern: str) -> str:
    if not is_known(pattern, CATALOGUE):
        raise ValueError("no event type matches; see /api/v1/webhooks/event-types")
    return pattern


Filters = Annotated[list[Annotated[str, AfterValidator(_known)]], Field(min_length=1, max_length=100)]
Url = Annotated[
    str,
    Field(max_length=2048, description="http or https; private addresses are refused"),
    of_form(r"^[Hh][Tt][Tt][Pp][Ss]?://[^\x00-\x20]+$", "must be an http or https URL"),
]
Description = Annotated[str, Field(max_length=1000, pattern=r"^[^\x00]*$")]
Timeout = Annotated[float, Field(ge=1, le=30, description="seconds for one attempt, all in all")]
InFlight = Annotated[int, Field(ge=1, le=64, description="deliveries under way at once, per gateway process")]


_ID, _OTHER = "019a9f3c-6f2e-7c5e-9d3b-0a1b2c3d4e5f", "019a9f3c-5d2e-7c41-9b7a-0f6f3b1c2d4e"
_SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"  # noqa: S105 - an example


_ENDPOINT: dict[str, Any] = {
    "id": _ID,
    "url": "https://example.com/hook",
    "events": ["alert.*", "stream.*", "video.created"],
    "description": "",
    "profile": "standard",
    "payload": "castwarden",
    "retry": "standard",
    "timeout_seconds": 15.0,
    "max_in_flight": 8,
    "enabled": True,
    "disabled_reason": None,
    "paused_until": None,
    "resting_until": None,
    "last_error": None,
    "last_error_at": None,
    "resource_uid": None,
    "created_at": "2026-11-20T12:00:00Z",
    "updated_at": "2026-11-20T12:00:00Z",
}
_DELIVERY: dict[str, Any] = {
    "id": _OTHER,
    "event_id": _ID,
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


class _Input(BaseModel):
    model_config = ConfigDict(extra="forbid")


def _example(**fields: Any) -> ConfigDict:
    return ConfigDict(json_schema_extra={"examples": [fields]})


class EndpointCreate(_Input):
    """A receiver. `profile` adds headers to the Standard Webhooks ones, which are always sent."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"url": "https://example.com/hook", "events": ["alert.*", "stream.*", "video.created"]}]
        }
    )

    url: Url
    events: Filters = Field(default=["*"], description="types, `alert.*`, or `*`")
    description: Description = ""
    profile: Profile = "standard"
    payload: Payload = "castwarden"
    retry: Policy = "standard"
    timeout_seconds: Timeout = 15.0
    max_in_flight: InFlight = 8


class EndpointPatch(_Input):
    """What is absent stays as it is. Disabling parks what waits; `recover` brings it back."""

    model_config = _example(events=["alert.*"], enabled=True)

    url: Url | None = None
    events: Filters | None = None
    description: Description | None = None
    profile: Profile | None = None
    payload: Payload | None = None
    retry: Policy | None = None
    timeout_seconds: Timeout | None = None
    max_in_flight: InFlight | None = None
    enabled: bool | None = None


class EndpointView(BaseModel):
    """`resource_uid` is set on the endpoint that a Monitor's webhookUrl makes.

    `paused_until` is what the receiver asked for, `resting_until` what follows from failures in a row: until then
    nothing is sent, and nothing is lost. `last_error` stays when it works again.
    """

    model_config = _example(**_ENDPOINT)

    id: UUID
    url: str
    events: list[str]
    description: str
    profile: Profile
    payload: Payload
    retry: Policy
    timeout_seconds: float
    max_in_flight: int
    enabled: bool
    disabled_reason: str | None
    paused_until: datetime | None
    resting_until: datetime | None
    last_error: str | None
    last_error_at: datetime | None
    resource_uid: str | None
    created_at: datetime
    updated_at: datetime


class EndpointCreated(EndpointView):
    """The only answer that holds the secret."""

    model_config = _example(**_ENDPOINT, secret=_SECRET)

    secret: str


class PingResult(BaseModel):
    """What the receiver said to a `webhook.ping`, which is sent once and kept nowhere."""

    model_config = _example(delivered=True, status_code=200, error=None, detail=None, ms=38, response_body="ok")

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
    """`failed` will be tried again at `next_attempt_at`; `dead` was given up and can be recovered."""

    model_config = _example(**_DELIVERY)

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
    model_config = _example(**_ATTEMPT)

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
    model_config = _example(**_DELIVERY, history=[_ATTEMPT])

    history: list[AttemptView]


class Recover(_Input):
    model_config = _example(since="2026-11-20T00:00:00Z")

    since: AwareDatetime = Field(description="dead deliveries of events recorded since then go back into the queue")


class Recovered(BaseModel):
    model_config = _example(recovered=12)

    recovered: int


class SigningKeyRequest(_Input):
    model_config = _example(rotate=False)

    rotate: bool = Field(default=False, description="make a new key; the old one stops to sign at once")


class SigningKeyView(BaseModel):
    """`installation`: one key for all, set by whoever runs the gateway. `none`: made when it is first needed."""

    model_config = _example(source="tenant", created_at="2026-11-20T12:00:00Z", shown_at=None)

    source: Literal["installation", "tenant", "none"]
    created_at: datetime | None = None
    shown_at: datetime | None = None


class SigningKeyShown(BaseModel):
    model_config = _example(secret=_SECRET, created_at="2026-11-20T12:00:00Z")

    secret: str
    created_at: datetime


class EventTypeView(BaseModel):
    model_config = _example(
        type="stream.started",
        description=CATALOGUE["stream.started"].description,
        schema=CATALOGUE["stream.started"].schema,
        example=CATALOGUE["stream.started"].example,
    )

    type: str
    description: str
    schema_: dict[str, Any] = Field(serialization_alias="schema")
    example: dict[str, Any]
