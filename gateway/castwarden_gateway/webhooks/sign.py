# SPDX-License-Identifier: Apache-2.0
"""Signature headers of a delivery. Standard Webhooks headers are always there; a profile adds a seed's own. Pure.

Specification: standard-webhooks/standard-webhooks spec/standard-webhooks.md, "v1" (HMAC-SHA256), "v1a" (ed25519).
"""

import base64
import binascii
import hashlib
import hmac
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

Profile = Literal["standard", "body-sha256", "timestamped"]
Signature = Literal["v1", "v1a"]

_PREFIX = "whsec_"
_PRIVATE, _PUBLIC = "whsk_", "whpk_"


@dataclass(frozen=True, slots=True)
class Message:
    """What is signed. `event_id` is the webhook-id: it stays the same over retries, resends and recovery."""

    event_id: UUID
    delivery_id: UUID
    event_type: str
    body: bytes


def new_secret() -> str:
    """A fresh secret as a user sees it: `whsec_` and 32 random bytes in base64."""
    return _PREFIX + base64.b64encode(secrets.token_bytes(32)).decode()


def new_private_key() -> tuple[str, str]:
    """For v1a: what signs and stays here, and the public key that the receiver verifies with."""
    key = Ed25519PrivateKey.generate()
    public = key.public_key().public_bytes_raw()
    return _PRIVATE + base64.b64encode(key.private_bytes_raw()).decode(), _PUBLIC + base64.b64encode(public).decode()


def headers(
    profile: Profile, secret: str, message: Message, timestamp: int, older: Sequence[str] = ()
) -> dict[str, str]:
    """All signature headers for one attempt at `timestamp` (Unix seconds).

    The two older schemes take the secret as the text that the user was shown, the standard one its decoded bytes.
    `older` secrets, which are being replaced, sign beside it where a header can carry more than one signature.
    """
    signed = {
        "webhook-id": str(message.event_id),
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join([_standard(one, message, timestamp) for one in (secret, *older)]),
    }
    if profile == "body-sha256":
        signed["X-Webhook-Signature"] = "sha256=" + _hex(secret, message.body)
        signed["X-Webhook-Event"] = message.event_type
        signed["X-Webhook-Id"] = str(message.delivery_id)
    elif profile == "timestamped":
        signed["X-Timestamp"] = str(timestamp)
        signed["X-Signature-256"] = "sha256=" + _hex(secret, f"{timestamp}.".encode() + message.body)
    return signed


def standard_key(secret: str) -> bytes:
    """The key of the standard scheme: the base64 after `whsec_`, or the text's own bytes for any other secret."""
    if secret.startswith(_PREFIX):
        encoded = secret.removeprefix(_PREFIX)
        try:
            return base64.b64decode(encoded + "=" * (-len(encoded) % 4), validate=True)
        except binascii.Error:
            pass
    return secret.encode()


def _standard(secret: str, message: Message, timestamp: int) -> str:
    signed = f"{message.event_id}.{timestamp}.".encode() + message.body
    if secret.startswith(_PRIVATE):
        key = Ed25519PrivateKey.from_private_bytes(base64.b64decode(secret.removeprefix(_PRIVATE)))
        return "v1a," + base64.b64encode(key.sign(signed)).decode()
    digest = hmac.digest(standard_key(secret), signed, hashlib.sha256)
    return "v1," + base64.b64encode(digest).decode()


def _hex(secret: str, signed: bytes) -> str:
    return hmac.digest(secret.encode(), signed, hashlib.sha256).hex()
