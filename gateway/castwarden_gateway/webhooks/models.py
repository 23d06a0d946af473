# SPDX-License-Identifier: Apache-2.0
"""Webhook endpoints as the REST API speaks of them. What a schema cannot say is checked in `checks.py`."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from castwarden_model.events import CATALOGUE
from castwarden_model.forms import of_form
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from castwarden_gateway.webhooks.filters import is_known
from castwarden_gateway.webhooks.payloads import Payload
from castwarden_gateway.webhooks.schedule import Policy
from castwarden_gateway.webhooks.sign import Profile, Signature


def _known(pattern: str) -> str:
    if not is_known(pattern, CATALOGUE):
        raise ValueError("no event type matches; see /api/v1/webhooks/event-types")
    return pattern


Filters = Annotated[
    list[Annotated[str, AfterValidator(_known)]],
    Field(min_length=1, max_length=100, description="types, `alert.*`, or `*`"),
]
Url = Annotated[
    str,
    Field(max_length=2048, description="http or https; private addresses are refused"),
    of_form(r"^[Hh][Tt][Tt][Pp][Ss]?://[^\x00-\x20]+$", "must be an http or https URL"),
]
Description = Annotated[str, Field(max_length=1000, pattern=r"^[^\x00]*$")]
Timeout = Annotated[float, Field(ge=1, le=30, description="seconds for one attempt, all in all")]
InFlight = Annotated[int, Field(ge=1, le=64, description="deliveries under way at once, per gateway process")]
Waits = Annotated[
    list[Annotated[float, Field(ge=1, le=604_800)]],
    Field(min_length=1, max_length=20, description="seconds before each further attempt, with `retry: custom`"),
]
Rate = Annotated[float, Field(ge=0, le=1000, description="deliveries a second over all gateways; 0: no limit")]
Ordered = Annotated[bool, Field(description="one delivery at a time, each after the event before has been delivered")]
Labels = Annotated[
    dict[Annotated[str, Field(min_length=1, max_length=100)], Annotated[str, Field(max_length=1000)]],
    Field(max_length=20, description="only events whose metadata has all of these"),
]
Filter = Annotated[dict[str, Any], Field(description="only events that fulfil this condition; see docs/webhooks.md")]
Headers = Annotated[
    dict[str, str], Field(max_length=20, description="are sent with every delivery; their values are never shown")
]

_EVENTS = ["alert.*", "stream.*", "probe.*", "monitor.*", "video.*", "download.*", "webhook.*"]
ID = "019a9f3c-6f2e-7c5e-9d3b-0a1b2c3d4e5f"
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"  # noqa: S105 - an example
_CERTIFICATE: dict[str, Any] = {
    "subject": "CN=castwarden",
    "sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "not_after": "2027-11-20T12:00:00Z",
}
_ENDPOINT: dict[str, Any] = {
    "id": ID,
    "url": "https://example.com/hook",
    "events": _EVENTS,
    "labels": {"desk": "7"},
    "filter": {"data": {"duration_sec": {"$gte": 60}}},
    "description": "",
    "profile": "standard",
    "signature": "v1",
    "public_key": None,
    "old_secrets_until": [],
    "payload": "castwarden",
    "header_names": ["Authorization"],
    "client_certificate": _CERTIFICATE,
    "retry": "standard",
    "retry_waits": None,
    "timeout_seconds": 15.0,
    "max_in_flight": 8,
    "rate_per_second": 0.0,
    "ordered": False,
    "enabled": True,
    "disabled_reason": None,
    "held_since": None,
    "held_until": None,
    "paused_until": None,
    "resting_until": None,
    "failing_since": None,
    "last_error": None,
    "last_error_at": None,
    "resource_uid": None,
    "created_at": "2026-11-20T12:00:00Z",
    "updated_at": "2026-11-20T12:00:00Z",
}


class Input(BaseModel):
    model_config = ConfigDict(extra="forbid")


def shown_as(**fields: Any) -> ConfigDict:
    return ConfigDict(json_schema_extra={"examples": [fields]})


class ClientCertificate(Input):
    """What the receiver's server is shown (mutual TLS). The key is sealed and never told again."""

    model_config = shown_as(
        certificate="-----BEGIN CERTIFICATE-----\n...\n-----END CERTIFICATE-----\n",
        key="-----BEGIN PRIVATE KEY-----\n...\n-----END PRIVATE KEY-----\n",
    )

    certificate: str = Field(max_length=20_000, description="PEM, with the certificates between it and the authority")
    key: str = Field(max_length=20_000, description="PEM, not encrypted")


class CertificateView(BaseModel):
    model_config = shown_as(**_CERTIFICATE)

    subject: str
    sha256: str = Field(description="of the certificate")
    not_after: datetime


class EndpointCreate(Input):
    """A receiver. `profile` adds headers to the Standard Webhooks ones, which are always sent."""

    model_config = shown_as(url="https://example.com/hook", events=_EVENTS)

    url: Url
    events: Filters = ["*"]
    labels: Labels = {}
    filter: Filter = {}
    description: Description = ""
    profile: Profile = "standard"
    signature: Signature = Field(default="v1", description="v1: HMAC; v1a: ed25519, with the profile `standard` alone")
    payload: Payload = "castwarden"
    headers: Headers = {}
    client_certificate: ClientCertificate | None = None
    retry: Policy = "standard"
    retry_waits: Waits | None = None
    timeout_seconds: Timeout = 15.0
    max_in_flight: InFlight = 8
    rate_per_second: Rate = 0.0
    ordered: Ordered = False


class EndpointPatch(Input):
    """What is absent stays as it is. Disabling parks what waits; `recover` brings it back."""

    model_config = shown_as(events=["alert.*"], enabled=True)

    url: Url | None = None
    events: Filters | None = None
    labels: Labels | None = None
    filter: Filter | None = None
    description: Description | None = None
    profile: Profile | None = None
    payload: Payload | None = None
    headers: Headers | None = None
    client_certificate: ClientCertificate | None = Field(default=None, description="null takes it away")
    retry: Policy | None = None
    retry_waits: Waits | None = None
    timeout_seconds: Timeout | None = None
    max_in_flight: InFlight | None = None
    rate_per_second: Rate | None = None
    ordered: Ordered | None = None
    enabled: bool | None = None

    def changes(self) -> dict[str, Any]:
        """What is to be another."""
        found = self.model_dump(exclude_none=True)
        if self.client_certificate is None and "client_certificate" in self.model_fields_set:
            found["client_certificate"] = None
        return found


class EndpointView(BaseModel):
    """`resource_uid` is set on the endpoint that a Monitor's webhookUrl makes.

    `held_since` is a pause that you asked for, `paused_until` one that the receiver asked for, `resting_until` what
    follows from failures in a row: until then nothing is sent, and nothing is lost. `failing_since` is the first
    failure after the last success. `last_error` stays when it works again.
    """

    model_config = shown_as(**_ENDPOINT)

    id: UUID
    url: str
    events: list[str]
    labels: dict[str, str]
    filter: dict[str, Any]
    description: str
    profile: Profile
    signature: Signature
    public_key: str | None = Field(description="`whpk_...`: what verifies v1a")
    old_secrets_until: list[datetime] = Field(description="until when each old secret signs too")
    payload: Payload
    header_names: list[str]
    client_certificate: CertificateView | None
    retry: Policy
    retry_waits: list[float] | None
    timeout_seconds: float
    max_in_flight: int
    rate_per_second: float
    ordered: bool
    enabled: bool
    disabled_reason: str | None
    held_since: datetime | None
    held_until: datetime | None
    paused_until: datetime | None
    resting_until: datetime | None
    failing_since: datetime | None
    last_error: str | None
    last_error_at: datetime | None
    resource_uid: str | None
    created_at: datetime
    updated_at: datetime


class EndpointCreated(EndpointView):
    """The only answer that holds the secret. With v1a there is none to tell: verify with `public_key`."""

    model_config = shown_as(**_ENDPOINT, secret=SECRET)

    secret: str | None
