# SPDX-License-Identifier: Apache-2.0
"""Which secret signs a delivery. Opens sealed secrets for the moment of signing and keeps none."""

import ssl
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

import orjson
from asyncpg import Record

from castwarden_gateway.webhooks.certificates import Certificates
from castwarden_gateway.webhooks.claim import Claim
from castwarden_gateway.webhooks.secrets import Keyring, UnreadableSecret
from castwarden_gateway.webhooks.sign import Signature, new_private_key, new_secret


@dataclass(frozen=True, slots=True)
class SigningKey:
    """What signs an endpoint's deliveries, sealed, and the public key that verifies v1a."""

    sealed: bytes
    public: str | None = None


class Signer:
    """An endpoint has its own secret; a Monitor's webhookUrl signs with the installation's key or the tenant's."""

    def __init__(self, keyring: Keyring, installation_key: str | None = None) -> None:
        self.keyring = keyring
        self.installation_key = installation_key or None
        self._certificates = Certificates(keyring)

    def secret_of(self, claim: Claim) -> str:
        """Raises UnreadableSecret."""
        if claim.secret is not None:
            return self.keyring.open(claim.secret, claim.tenant_id.bytes)
        if self.installation_key is not None:
            return self.installation_key
        if claim.tenant_key is None:
            raise UnreadableSecret("the tenant has no signing key")
        return self.keyring.open(claim.tenant_key, claim.tenant_id.bytes)

    def older(self, claim: Claim) -> list[str]:
        """Secrets that are being replaced and sign too. One that does not open is left out: the newest one counts."""
        found = []
        for sealed in claim.old_secrets:
            with suppress(UnreadableSecret):
                found.append(self.keyring.open(sealed, claim.tenant_id.bytes))
        return found

    def extra_headers(self, claim: Claim) -> dict[str, str]:
        """What the endpoint wants to be sent besides. Raises UnreadableSecret."""
        if claim.headers is None:
            return {}
        found: dict[str, str] = orjson.loads(self.keyring.open(claim.headers, claim.tenant_id.bytes))
        return found

    def tls(self, claim: Claim) -> ssl.SSLContext | None:
        """A context with the endpoint's client certificate. Raises UnreadableSecret."""
        if claim.client_certificate is None:
            return None
        return self._certificates.context(claim.client_certificate, claim.tenant_id.bytes)

    def seal(self, secret: str, tenant_id: UUID) -> bytes:
        return self.keyring.seal(secret, tenant_id.bytes)

    def new_key(self, signature: Signature, tenant_id: UUID) -> SigningKey:
        """A fresh one."""
        if signature == "v1a":
            private, public = new_private_key()
            return SigningKey(self.seal(private, tenant_id), public)
        return SigningKey(self.seal(new_secret(), tenant_id))

    def shown(self, row: Record) -> str | None:
        """The secret of an endpoint's row, for its owner; None where there is none to tell (v1a)."""
        return None if row["public_key"] else self.keyring.open(row["secret"], row["tenant_id"].bytes)


def active(row: Record, now: datetime | None = None) -> list[tuple[bytes, datetime]]:
    """The old secrets of an endpoint's row that still sign, sealed, and until when."""
    now = now or datetime.now(UTC)
    return [one for one in zip(row["old_secrets"], row["old_until"], strict=True) if one[1] > now]
