# SPDX-License-Identifier: Apache-2.0
"""Over HTTP: how an endpoint does."""

from collections.abc import Mapping
from typing import Any

from castwarden_gateway.http.problems import InvalidRequest, NotFound
from castwarden_gateway.http.routes import Request, Routes
from castwarden_gateway.tenants.principal import Principal
from castwarden_gateway.webhooks.statistics_models import StatisticsQuery, StatisticsView
from castwarden_gateway.webhooks.views import ENDPOINTS, WEBHOOKS, data, id_of

routes = Routes()


@routes.get(
    ENDPOINTS + "/{id}/statistics",
    scope="webhooks:read",
    query=StatisticsQuery,
    returns={200: StatisticsView},
    problems=[NotFound, InvalidRequest],
)
async def get_statistics(request: Request[Principal], query: StatisticsQuery) -> Mapping[str, Any]:
    """How many attempts succeeded and failed hour by hour, why, how long they took, and what waits."""
    tenant_id = request.principal.tenant.id
    return data(await request.app[WEBHOOKS].statistics.of(tenant_id, id_of(request), query.since, query.until))
