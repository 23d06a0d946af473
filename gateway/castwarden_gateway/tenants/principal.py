# SPDX-License-Identifier: Apache-2.0
"""Who a request comes from and what it may do. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from uuid import UUID

from castwarden_gateway.http.media import example

ADMIN = "admin"


@example(
    id="019a9f3c-6f2e-7c5e-9d3b-0a1b2c3d4e5f",
    slug="acme",
    name="Acme Broadcasting",
    namespace="acme",
    max_monitors=1000,
)
@dataclass(frozen=True, slots=True)
class Tenant:
    """An isolated customer, bound to the one namespace that holds its resources."""

    id: UUID
    slug: str
    name: str
    namespace: str
    max_monitors: int


@dataclass(frozen=True, slots=True)
class Principal:
    """A credential that was accepted, acting for one tenant."""

    tenant: Tenant
    key_id: UUID
    scopes: tuple[str, ...]
    rate_limit: int | None = None
    rate_window_seconds: int | None = None
    key_name: str = ""
    key_prefix: str = ""
    key_tenant: str = ""
    """Slug of the tenant that the key belongs to, whatever tenant it acts for."""

    def allows(self, scope: str) -> bool:
        return _allowed(self.scopes, scope)

    def may_grant(self, scopes: Iterable[str]) -> bool:
        """Nobody hands out more than they hold."""
        return all(self.allows(scope) for scope in scopes)


@lru_cache(maxsize=4096)
def _allowed(scopes: tuple[str, ...], scope: str) -> bool:
    return any(covers(granted, scope) for granted in scopes)


def covers(granted: str, wanted: str) -> bool:
    """`*` covers all of a tenant, `monitors:*` all of one subject. `admin` crosses tenants and is only itself."""
    if granted == wanted:
        return True
    if ADMIN in (granted, wanted):
        return False
    if granted == "*":
        return True
    subject, _, verb = granted.partition(":")
    return verb == "*" and wanted.partition(":")[0] == subject
