# SPDX-License-Identifier: Apache-2.0
"""The first start: the tenant `public` with its namespace, and its first key."""

import sys
from uuid import UUID

from castwarden_base.ids import uuid7
from castwarden_base.logs import get_logger

from castwarden_gateway.audit import store as audit
from castwarden_gateway.db import Connection
from castwarden_gateway.settings import GatewaySettings
from castwarden_gateway.tenants.keys import new_key
from castwarden_gateway.tenants.principal import ADMIN, Tenant
from castwarden_gateway.tenants.store import NewKey, Note, TenantStore

log = get_logger(__name__)
PUBLIC = "public"


class NamespaceTaken(Exception):
    """The namespace of the tenant public belongs to another tenant."""


async def bootstrap(store: TenantStore, settings: GatewaySettings) -> Tenant:
    """Makes what is missing. A key that is made here is printed once, on standard output, and never again."""
    tenant_id = uuid7()
    await store.create(PUBLIC, "Public", settings.namespace, id_=tenant_id, note=_note("tenant", tenant_id))
    tenant = await store.by_slug(PUBLIC)
    if tenant is None:
        raise NamespaceTaken(f"the namespace {settings.namespace} belongs to another tenant than {PUBLIC}")
    if tenant.namespace != settings.namespace:
        log.warning("namespace_of_public_kept", namespace=tenant.namespace, wanted=settings.namespace)
    rate_limit = 1000 if settings.rate_limit else 0
    first = NewKey("first key", ["*", ADMIN], rate_limit=rate_limit, rate_window_seconds=60)
    note = _note("key", tenant.id)
    if settings.api_key is not None:
        await store.add_key(tenant.id, settings.api_key.get_secret_value(), first, note)
    elif not await store.has_keys(tenant.id):
        key = new_key()
        if await store.add_key(tenant.id, key, first, note):
            sys.stdout.write(f"API key of the tenant {PUBLIC} (shown once): {key}\n")
            sys.stdout.flush()
    return tenant


def _note(kind: str, tenant_id: UUID) -> Note:
    async def write(connection: Connection, id_: UUID) -> None:
        await audit.note(connection, audit.Entry(tenant_id, f"create_{kind}", kind, "bootstrap", str(id_), status=201))

    return write


class Tenants:
    """Tenants by namespace. A namespace that holds resources and has no tenant gets one of its own name."""

    def __init__(self, store: TenantStore) -> None:
        self._store = store
        self._by_namespace: dict[str, Tenant] = {}

    async def of_namespace(self, namespace: str) -> Tenant:
        """The owner of what lies in a namespace."""
        tenant = self._by_namespace.get(namespace) or await self._store.by_namespace(namespace)
        for slug in (namespace, f"ns-{namespace}"):
            if tenant is None:
                await self._store.create(slug, namespace, namespace)
                tenant = await self._store.by_namespace(namespace)
        if tenant is None:
            raise NamespaceTaken(f"neither {namespace} nor ns-{namespace} is free as a tenant's name")
        self._by_namespace[namespace] = tenant
        return tenant
