# SPDX-License-Identifier: Apache-2.0
"""What can be done with an endpoint beside changing it, as the REST API speaks of it."""

from datetime import datetime

from pydantic import AwareDatetime, BaseModel, Field

from castwarden_gateway.webhooks.models import SECRET, Input, shown_as
from castwarden_gateway.webhooks.sign import Signature

_DAY = 86_400


class RotateSecret(Input):
    """A new secret. The old ones go on signing beside it for the overlap; 0: they stop at once."""

    model_config = shown_as(overlap_seconds=86400.0)

    overlap_seconds: float = Field(default=_DAY, ge=0, le=7 * _DAY, description="up to 7 days")
    signature: Signature | None = Field(default=None, description="another scheme for the new one; else as it was")


class RotatedSecret(BaseModel):
    """The only answer that holds the new secret. With v1a there is none to tell: verify with `public_key`."""

    model_config = shown_as(secret=SECRET, signature="v1", public_key=None, old_secrets_until=["2026-11-21T12:00:00Z"])

    secret: str | None
    signature: Signature
    public_key: str | None
    old_secrets_until: list[datetime] = Field(description="when each of the old ones stops to sign")


class Pause(Input):
    """Nothing is sent meanwhile, and nothing is lost: what comes in waits."""

    model_config = shown_as(until="2026-11-20T18:00:00Z")

    until: AwareDatetime | None = Field(default=None, description="absent: until `resume`")
