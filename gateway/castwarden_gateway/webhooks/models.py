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
    of_form(r"^(?i:https?)://[^\x00-\x20]+$", "must be an http or https URL"),
]
Description = Annotated[str, Field(max_length=1000, pattern=r"^[^\x00]*$")]
Timeout = Annotated[float, Field(ge=1, le=30, description="seconds for one attempt, all in all")]
InFlight = Annotated[int, Field(ge=1, le=64, description="deliveries under way at once, per gateway process")]


class _Input(BaseModel):
    model_config = ConfigDict(extra="forbid")


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

    secret: str


class PingResult(BaseModel):
    """What the receiver said to a `webhook.ping`, which is sent once and kept nowhere."""

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
    history: list[AttemptView]


class Recover(_Input):
    since: AwareDatetime = Field(description="dead deliveries of events recorded since then go back into the queue")


class Recovered(BaseModel):
    recovered: int


class SigningKeyRequest(_Input):
    rotate: bool = Field(default=False, description="make a new key; the old one stops to sign at once")


class SigningKeyView(BaseModel):
    """`installation`: one key for all, set by whoever runs the gateway. `none`: made when it is first needed."""

    source: Literal["installation", "tenant", "none"]
    created_at: datetime | None = None
    shown_at: datetime | None = None


class SigningKeyShown(BaseModel):
    secret: str
    created_at: datetime


class EventTypeView(BaseModel):
    type: str
    description: str
    schema_: dict[str, Any] = Field(serialization_alias="schema")
    example: dict[str, Any]
