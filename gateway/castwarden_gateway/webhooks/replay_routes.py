# SPDX-License-Identifier: Apache-2.0
"""Over HTTP: what an endpoint missed is replayed, and how far that is."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from castwarden_gateway.http.cursors import decode, page
from castwarden_gateway.http.problems import InvalidRequest, NotFound
from castwarden_gateway.http.routes import Reply, Request, Routes, created
from castwarden_gateway.tenants.principal import Principal
from castwarden_gateway.webhooks.errors import EndpointIsDisabled
from castwarden_gateway.webhooks.replay_models import ReplayQuery, ReplayStart, ReplayView
from castwarden_gateway.webhooks.replays import ReplayIsRunning
from castwarden_gateway.webhooks.views import ENDPOINTS, WEBHOOKS, cursor, data, id_of, replay

routes = Routes()
_REPLAYS = "/api/v1/webhooks/replays"


@routes.post(
    ENDPOINTS + "/{id}/replay",
    scope="webhooks:write",
    body=ReplayStart,
    returns={201: ReplayView},
    problems=[NotFound, InvalidRequest, EndpointIsDisabled, ReplayIsRunning],
)
async def replay_endpoint(request: Request[Principal], body: ReplayStart) -> Reply:
    """Sends what the endpoint wants and never got, as a job of its own."""
    row = await request.app[WEBHOOKS].replays.start(
        request.principal.tenant.id, id_of(request), body, request.operation
    )
    return created(data(replay(row)), location=f"{_REPLAYS}/{row['id']}")


@routes.get(_REPLAYS, scope="webhooks:read", query=ReplayQuery, returns={200: list[ReplayView]})
async def list_replays(request: Request[Principal], query: ReplayQuery) -> Reply:
    before = decode(query.cursor, UUID)
    rows = await request.app[WEBHOOKS].replays.page(
        request.principal.tenant.id, query.endpoint_id, before, query.limit + 1
    )
    return page(request.http.rel_url, rows, query.limit, cursor, replay)


@routes.get(_REPLAYS + "/{id}", scope="webhooks:read", returns={200: ReplayView}, problems=[NotFound])
async def get_replay(request: Request[Principal]) -> Mapping[str, Any]:
    return data(replay(await request.app[WEBHOOKS].replays.get(request.principal.tenant.id, id_of(request))))


@routes.post(_REPLAYS + "/{id}/cancel", scope="webhooks:write", returns={200: ReplayView}, problems=[NotFound])
async def cancel_replay(request: Request[Principal]) -> Mapping[str, Any]:
    """Queues no more. What is queued is sent."""
    return data(replay(await request.app[WEBHOOKS].replays.cancel(request.principal.tenant.id, id_of(request))))
