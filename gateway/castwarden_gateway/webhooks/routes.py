# SPDX-License-Identifier: Apache-2.0
"""Webhooks over HTTP: endpoints, deliveries, the signing key of Monitors' webhookUrls, the event catalogue."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from aiohttp import web
from asyncpg import Record
from castwarden_model.events import CATALOGUE
from pydantic import BaseModel

from castwarden_gateway.http.cursors import PageQuery, decode, encode, page
from castwarden_gateway.http.problems import InvalidRequest, NotFound, PreconditionFailed
from castwarden_gateway.http.routes import Reply, Request, Routes, created, no_content
from castwarden_gateway.tenants.principal import Principal
from castwarden_gateway.webhooks.delivery_models import (
    AttemptView,
    DeliveryDetail,
    DeliveryQuery,
    DeliveryView,
    EventTypeView,
    PingResult,
    Recover,
    Recovered,
    SigningKeyRequest,
    SigningKeyShown,
    SigningKeyView,
)
from castwarden_gateway.webhooks.models import EndpointCreate, EndpointCreated, EndpointPatch, EndpointView
from castwarden_gateway.webhooks.send import Answer
from castwarden_gateway.webhooks.service import (
    EndpointIsBound,
    EndpointIsDisabled,
    KeyAlreadyShown,
    KeyOfInstallation,
    Webhooks,
    version_of,
)

WEBHOOKS = web.AppKey("webhooks", Webhooks)
routes = Routes()
_ENDPOINTS = "/api/v1/webhooks/endpoints"
_DELIVERIES = "/api/v1/webhooks/deliveries"


@routes.post(
    _ENDPOINTS,
    scope="webhooks:write",
    body=EndpointCreate,
    returns={201: EndpointCreated},
    problems=[InvalidRequest],
    secret=True,
)
async def create_endpoint(request: Request[Principal], body: EndpointCreate) -> Reply:
    row, secret = await request.app[WEBHOOKS].create(request.principal.tenant.id, body, request.operation)
    view = EndpointCreated(**_endpoint(row).model_dump(), secret=secret)
    return created(_data(view), location=f"{_ENDPOINTS}/{view.id}", version=version_of(row))


@routes.get(_ENDPOINTS, scope="webhooks:read", query=PageQuery, returns={200: list[EndpointView]})
async def list_endpoints(request: Request[Principal], query: PageQuery) -> Reply:
    before = decode(query.cursor, UUID)
    rows = await request.app[WEBHOOKS].endpoints(request.principal.tenant.id, before, query.limit + 1)
    return page(request.http.rel_url, rows, query.limit, _cursor, _endpoint)


@routes.get(_ENDPOINTS + "/{id}", scope="webhooks:read", returns={200: EndpointView}, problems=[NotFound])
async def get_endpoint(request: Request[Principal]) -> Reply:
    row = await request.app[WEBHOOKS].endpoint(request.principal.tenant.id, _id(request))
    return Reply(_data(_endpoint(row)), version=version_of(row))


@routes.patch(
    _ENDPOINTS + "/{id}",
    scope="webhooks:write",
    body=EndpointPatch,
    returns={200: EndpointView},
    problems=[NotFound, InvalidRequest, EndpointIsBound, PreconditionFailed],
)
async def update_endpoint(request: Request[Principal], body: EndpointPatch) -> Reply:
    row = await request.app[WEBHOOKS].update(
        request.principal.tenant.id, _id(request), body, request.if_match, request.operation
    )
    return Reply(_data(_endpoint(row)), version=version_of(row))


@routes.delete(
    _ENDPOINTS + "/{id}",
    scope="webhooks:write",
    returns={204: None},
    problems=[NotFound, EndpointIsBound, PreconditionFailed],
)
async def delete_endpoint(request: Request[Principal]) -> Reply:
    deleting = request.app[WEBHOOKS].delete(request.principal.tenant.id, _id(request), request.if_match)
    await request.operation.deleted(deleting)
    return no_content()


@routes.post(_ENDPOINTS + "/{id}/test", scope="webhooks:write", returns={200: PingResult}, problems=[NotFound])
async def ping_endpoint(request: Request[Principal]) -> Mapping[str, Any]:
    """Sends a `webhook.ping` and says what came of it."""
    answer = await request.app[WEBHOOKS].ping(request.principal.tenant.id, _id(request), request.operation)
    return _data(_ping_result(answer))


@routes.post(
    _ENDPOINTS + "/{id}/recover",
    scope="webhooks:write",
    body=Recover,
    returns={202: Recovered},
    problems=[NotFound, EndpointIsDisabled],
)
async def recover_endpoint(request: Request[Principal], body: Recover) -> Reply:
    """Puts dead deliveries back into the queue."""
    tenant_id = request.principal.tenant.id
    count = await request.app[WEBHOOKS].recover(tenant_id, _id(request), body.since, request.operation)
    return Reply(_data(Recovered(recovered=count)), 202)


@routes.get(_DELIVERIES, scope="webhooks:read", query=DeliveryQuery, returns={200: list[DeliveryView]})
async def list_deliveries(request: Request[Principal], query: DeliveryQuery) -> Reply:
    rows = await request.app[WEBHOOKS].deliveries(
        request.principal.tenant.id, query.endpoint_id, query.status, decode(query.cursor, UUID), query.limit + 1
    )
    return page(request.http.rel_url, rows, query.limit, _cursor, _delivery)


@routes.get(_DELIVERIES + "/{id}", scope="webhooks:read", returns={200: DeliveryDetail}, problems=[NotFound])
async def get_delivery(request: Request[Principal]) -> Mapping[str, Any]:
    row, attempts = await request.app[WEBHOOKS].delivery(request.principal.tenant.id, _id(request))
    return _data(DeliveryDetail(**_delivery(row).model_dump(), history=[_attempt(attempt) for attempt in attempts]))


@routes.post(
    _DELIVERIES + "/{id}/resend",
    scope="webhooks:write",
    returns={202: DeliveryView},
    problems=[NotFound, EndpointIsDisabled],
)
async def resend_delivery(request: Request[Principal]) -> Reply:
    """Sends the event again, as a delivery of its own."""
    row = await request.app[WEBHOOKS].resend(request.principal.tenant.id, _id(request), request.operation)
    return Reply(_data(_delivery(row)), 202)


@routes.get("/api/v1/webhooks/signing-key", scope="webhooks:read", returns={200: SigningKeyView})
async def get_signing_key(request: Request[Principal]) -> Mapping[str, Any]:
    source, row = await request.app[WEBHOOKS].signing_key(request.principal.tenant.id)
    times = {"created_at": row["created_at"], "shown_at": row["shown_at"]} if row else {}
    return _data(SigningKeyView.model_validate({"source": source, **times}))


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
    return _data(SigningKeyShown(secret=secret, created_at=created_at))


@routes.get("/api/v1/webhooks/event-types", scope="webhooks:read", returns={200: list[EventTypeView]})
async def list_event_types(request: Request[Principal]) -> Reply:
    views = [
        EventTypeView(type=entry.name, description=entry.description, schema_=entry.schema, example=entry.example)
        for entry in CATALOGUE.values()
    ]
    return page(
        request.http.rel_url, views, len(views), lambda view: view.type, lambda view: view.model_dump(by_alias=True)
    )


def _data(view: BaseModel) -> Mapping[str, Any]:
    return {"data": view}


def _id(request: Request[Principal]) -> UUID:
    try:
        return UUID(request.params["id"])
    except ValueError as error:
        raise NotFound("Ids of webhooks are UUIDs.") from error


def _cursor(row: Record) -> str:
    return encode(str(row["id"]))


def _endpoint(row: Record) -> EndpointView:
    values = {name: row[name] for name in EndpointView.model_fields if name in row}
    now = datetime.now(UTC)
    if row["resting_until"] is not None and row["resting_until"] <= now:
        values["resting_until"] = None
    if row["held_until"] is not None and row["held_until"] <= now:
        values["held_since"] = values["held_until"] = None
    return EndpointView.model_validate(
        {
            **values,
            "signature": "v1a" if row["public_key"] else "v1",
            "client_certificate": row["certificate_info"],
        }
    )


def _delivery(row: Record) -> DeliveryView:
    return DeliveryView(
        id=row["id"],
        event_id=row["event_id"],
        event_type=row["event_type"],
        endpoint_id=row["endpoint_id"],
        status=row["state"],
        attempts=row["attempt"],
        in_flight=row["in_flight"],
        next_attempt_at=None if row["in_flight"] else row["next_attempt_at"],
        last_status_code=row["status"],
        last_error=row["error"],
        created_at=row["created_at"],
        finished_at=row["finished_at"],
    )


def _attempt(row: Record) -> AttemptView:
    return AttemptView(
        attempt=row["attempt"],
        at=row["at"],
        outcome=row["outcome"],
        status_code=row["status"],
        ms=row["ms"],
        error=row["error"],
        detail=row["detail"],
        response_headers=row["response_headers"],
        response_body=row["response_body"].decode("utf-8", "replace"),
    )


def _ping_result(answer: Answer) -> PingResult:
    return PingResult(
        delivered=answer.error is None,
        status_code=answer.status,
        error=answer.error,
        detail=answer.detail,
        ms=answer.ms,
        response_body=answer.body.decode("utf-8", "replace"),
    )
