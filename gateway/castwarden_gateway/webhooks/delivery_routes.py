# SPDX-License-Identifier: Apache-2.0
"""Over HTTP: deliveries, the signing key of Monitors' webhookUrls, the event catalogue."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from castwarden_model.events import CATALOGUE

from castwarden_gateway.http.cursors import decode, page
from castwarden_gateway.http.problems import NotFound
from castwarden_gateway.http.routes import Reply, Request, Routes
from castwarden_gateway.tenants.principal import Principal
from castwarden_gateway.webhooks.delivery_models import (
    DeliveryDetail,
    DeliveryQuery,
    DeliveryView,
    EventTypeView,
    SigningKeyRequest,
    SigningKeyShown,
    SigningKeyView,
)
from castwarden_gateway.webhooks.errors import EndpointIsDisabled
from castwarden_gateway.webhooks.service import KeyAlreadyShown, KeyOfInstallation
from castwarden_gateway.webhooks.views import WEBHOOKS, attempt, cursor, data, delivery, id_of

routes = Routes()
_DELIVERIES = "/api/v1/webhooks/deliveries"


@routes.get(_DELIVERIES, scope="webhooks:read", query=DeliveryQuery, returns={200: list[DeliveryView]})
async def list_deliveries(request: Request[Principal], query: DeliveryQuery) -> Reply:
    rows = await request.app[WEBHOOKS].deliveries(
        request.principal.tenant.id, query.endpoint_id, query.status, decode(query.cursor, UUID), query.limit + 1
    )
    return page(request.http.rel_url, rows, query.limit, cursor, delivery)


@routes.get(_DELIVERIES + "/{id}", scope="webhooks:read", returns={200: DeliveryDetail}, problems=[NotFound])
async def get_delivery(request: Request[Principal]) -> Mapping[str, Any]:
    row, attempts = await request.app[WEBHOOKS].delivery(request.principal.tenant.id, id_of(request))
    return data(DeliveryDetail(**delivery(row).model_dump(), history=[attempt(one) for one in attempts]))


@routes.post(
    _DELIVERIES + "/{id}/resend",
    scope="webhooks:write",
    returns={202: DeliveryView},
    problems=[NotFound, EndpointIsDisabled],
)
async def resend_delivery(request: Request[Principal]) -> Reply:
    """Sends the event again, as a delivery of its own."""
    row = await request.app[WEBHOOKS].resend(request.principal.tenant.id, id_of(request), request.operation)
    return Reply(data(delivery(row)), 202)


@routes.get("/api/v1/webhooks/signing-key", scope="webhooks:read", returns={200: SigningKeyView})
async def get_signing_key(request: Request[Principal]) -> Mapping[str, Any]:
    source, row = await request.app[WEBHOOKS].signing_key(request.principal.tenant.id)
    times = {"created_at": row["created_at"], "shown_at": row["shown_at"]} if row else {}
    return data(SigningKeyView.model_validate({"source": source, **times}))


@routes.post(
    "/api/v1/webhooks/signing-key",
    scope="webhooks:write",
    body=SigningKeyRequest,
    returns={200: SigningKeyShown},
    problems=[KeyAlreadyShown, KeyOfInstallation],
    secret=True,
)
async def show_signing_key(request: Request[Principal], body: SigningKeyRequest) -> Mapping[str, Any]:
    """Shows, once, the key that signs for receivers of one Monitor only."""
    tenant_id = request.principal.tenant.id
    secret, created_at = await request.app[WEBHOOKS].show_signing_key(tenant_id, body.rotate, request.operation)
    return data(SigningKeyShown(secret=secret, created_at=created_at))


@routes.get("/api/v1/webhooks/event-types", scope="webhooks:read", returns={200: list[EventTypeView]})
async def list_event_types(request: Request[Principal]) -> Reply:
    views = [
        EventTypeView(type=entry.name, description=entry.description, schema_=entry.schema, example=entry.example)
        for entry in CATALOGUE.values()
    ]
    return page(
        request.http.rel_url, views, len(views), lambda view: view.type, lambda view: view.model_dump(by_alias=True)
    )
