# SPDX-License-Identifier: Apache-2.0
"""Problems of more than one part of the webhooks' API."""

from uuid import UUID

from asyncpg import Record

from castwarden_gateway.db import Connection
from castwarden_gateway.http.problems import Conflict, NotFound
from castwarden_gateway.webhooks import store


class EndpointIsBound(Conflict):
    code, title = "webhook-endpoint-bound", "The endpoint belongs to a Monitor"


class EndpointIsDisabled(Conflict):
    code, title = "webhook-endpoint-disabled", "The endpoint is disabled"


def found(row: Record | None) -> Record:
    """Raises NotFound."""
    if row is None:
        raise NotFound("There is no such endpoint, delivery or replay.")
    return row


async def refuse_disabled(connection: Connection, tenant_id: UUID, endpoint_id: UUID) -> None:
    """Raises EndpointIsDisabled, or NotFound."""
    if not found(await store.endpoint(connection, tenant_id, endpoint_id))["enabled"]:
        raise EndpointIsDisabled("Enable the endpoint first.")
