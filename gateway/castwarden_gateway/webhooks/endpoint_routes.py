# SPDX-License-Identifier: Apache-2.0
"""Webhook endpoints over HTTP."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from castwarden_gateway.http.cursors import PageQuery, decode, page
from castwarden_gateway.http.problems import InvalidRequest, NotFound, PreconditionFailed
from castwarden_gateway.http.routes import Reply, Request, Routes, created, no_content
from castwarden_gateway.tenants.principal import Principal
from castwarden_gateway.webhooks.control_models import Pause, RotatedSecret, RotateSecret
from castwarden_gateway.webhooks.controls import TooManySecrets
from castwarden_gateway.webhooks.delivery_models import PingResult, Recover, Recovered
from castwarden_gateway.webhooks.errors import EndpointIsBound, EndpointIsDisabled
from castwarden_gateway.webhooks.models import EndpointCreate, EndpointCreated, EndpointPatch, EndpointView
from castwarden_gateway.webhooks.service import version_of
from castwarden_gateway.webhooks.views import ENDPOINTS, WEBHOOKS, cursor, data, endpoint, id_of, ping_result

routes = Routes()


@routes.post(
    ENDPOINTS,
    scope="webhooks:write",
    body=EndpointCreate,
    returns={201: EndpointCreated},
    problems=[InvalidRequest],
    secret=True,
)
async def create_endpoint(request: Request[Principal], body: EndpointCreate) -> Reply:
    row, secret = await request.app[WEBHOOKS].create(request.principal.tenant.id, body, request.operation)
    view = EndpointCreated(**endpoint(row).model_dump(), secret=secret)
    return created(data(view), location=f"{ENDPOINTS}/{view.id}", version=version_of(row))


@routes.get(ENDPOINTS, scope="webhooks:read", query=PageQuery, returns={200: list[EndpointView]})
async def list_endpoints(request: Request[Principal], query: PageQuery) -> Reply:
    before = decode(query.cursor, UUID)
    rows = await request.app[WEBHOOKS].endpoints(request.principal.tenant.id, before, query.limit + 1)
    return page(request.http.rel_url, rows, query.limit, cursor, endpoint)


@routes.get(ENDPOINTS + "/{id}", scope="webhooks:read", returns={200: EndpointView}, problems=[NotFound])
async def get_endpoint(request: Request[Principal]) -> Reply:
    row = await request.app[WEBHOOKS].endpoint(request.principal.tenant.id, id_of(request))
    return Reply(data(endpoint(row)), version=version_of(row))


@routes.patch(
    ENDPOINTS + "/{id}",
    scope="webhooks:write",
    body=EndpointPatch,
    returns={200: EndpointView},
    problems=[NotFound, InvalidRequest, EndpointIsBound, PreconditionFailed],
)
async def update_endpoint(request: Request[Principal], body: EndpointPatch) -> Reply:
    row = await request.app[WEBHOOKS].update(
        request.principal.tenant.id, id_of(request), body, request.if_match, request.operation
    )
    return Reply(data(endpoint(row)), version=version_of(row))


@routes.delete(
    ENDPOINTS + "/{id}",
    scope="webhooks:write",
    returns={204: None},
    problems=[NotFound, EndpointIsBound, PreconditionFailed],
)
async def delete_endpoint(request: Request[Principal]) -> Reply:
    deleting = request.app[WEBHOOKS].delete(request.principal.tenant.id, id_of(request), request.if_match)
    await request.operation.deleted(deleting)
    return no_content()


@routes.post(ENDPOINTS + "/{id}/test", scope="webhooks:write", returns={200: PingResult}, problems=[NotFound])
async def ping_endpoint(request: Request[Principal]) -> Mapping[str, Any]:
    """Sends a `webhook.ping` and says what came of it."""
    answer = await request.app[WEBHOOKS].ping(request.principal.tenant.id, id_of(request), request.operation)
    return data(ping_result(answer))


@routes.post(
    ENDPOINTS + "/{id}/recover",
    scope="webhooks:write",
    body=Recover,
    returns={202: Recovered},
    problems=[NotFound, EndpointIsDisabled],
)
async def recover_endpoint(request: Request[Principal], body: Recover) -> Reply:
    """Puts dead deliveries back into the queue."""
    tenant_id = request.principal.tenant.id
    count = await request.app[WEBHOOKS].recover(tenant_id, id_of(request), body.since, request.operation)
    return Reply(data(Recovered(recovered=count)), 202)


@routes.post(
    ENDPOINTS + "/{id}/rotate-secret",
    scope="webhooks:write",
    body=RotateSecret,
    returns={200: RotatedSecret},
    problems=[NotFound, InvalidRequest, EndpointIsBound, TooManySecrets],
    secret=True,
)
async def rotate_secret(request: Request[Principal], body: RotateSecret) -> Mapping[str, Any]:
    """Makes a new secret and shows it, once."""
    row, secret = await request.app[WEBHOOKS].controls.rotate(
        request.principal.tenant.id, id_of(request), body, request.operation
    )
    return data(RotatedSecret(secret=secret, **endpoint(row).model_dump(include=set(RotatedSecret.model_fields))))


@routes.post(
    ENDPOINTS + "/{id}/pause",
    scope="webhooks:write",
    body=Pause,
    returns={200: EndpointView},
    problems=[NotFound, InvalidRequest],
)
async def pause_endpoint(request: Request[Principal], body: Pause) -> Reply:
    """Sends nothing until a time, or until it is resumed; what comes in waits."""
    row = await request.app[WEBHOOKS].controls.pause(
        request.principal.tenant.id, id_of(request), body.until, request.operation
    )
    return Reply(data(endpoint(row)), version=version_of(row))


@routes.post(ENDPOINTS + "/{id}/resume", scope="webhooks:write", returns={200: EndpointView}, problems=[NotFound])
async def resume_endpoint(request: Request[Principal]) -> Reply:
    """Ends a pause. What has waited is sent."""
    row = await request.app[WEBHOOKS].controls.resume(request.principal.tenant.id, id_of(request))
    return Reply(data(endpoint(row)), version=version_of(row))
