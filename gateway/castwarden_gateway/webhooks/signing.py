# SPDX-License-Identifier: Apache-2.0
"""Which secret signs a delivery. Opens sealed secrets for the moment of signing and keeps none."""

from uuid import UUID

from castwarden_gateway.webhooks.claim import Claim
from castwarden_gateway.webhooks.secrets import Keyring, UnreadableSecret


class Signer:
    """An endpoint has its own secret; a Monitor's webhookUrl signs with the installation's key or the tenant's."""

    def __init__(self, keyring: Keyring, installation_key: str | None = None) -> None:
        self.keyring = keyring
        self.installation_key = installation_key or None

    def secret_of(self, claim: Claim) -> str:
        """Raises UnreadableSecret."""
        if claim.secret is not None:
            return self.keyring.open(claim.secret, claim.tenant_id.bytes)
        if self.installation_key is not None:
            return self.installation_key
        if claim.tenant_key is None:
            raise UnreadableSecret("the tenant has no signing key")
        return self.keyring.open(claim.tenant_key, claim.tenant_id.bytes)

    def seal(self, secret: str, tenant_id: UUID) -> bytes:
        return self.keyring.seal(secret, tenant_id.bytes)
