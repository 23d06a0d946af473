# SPDX-License-Identifier: Apache-2.0
"""How often all workers together may ask a site by yt-dlp or streamlink: a token bucket each, shared in PostgreSQL.
While several namespaces ask, each gets half of that at most, so that none keeps the others from looking.
"""

from collections.abc import Mapping

from aiohttp import web
from castwarden_model.messages import ExtractionGrant, ExtractionRequest
from prometheus_client import Counter

from castwarden_gateway.db import Database, statements
from castwarden_gateway.http.routes import Request, Routes
from castwarden_gateway.internal.auth import Worker
from castwarden_gateway.internal.seats import FencedOff

SQL = statements(__file__)
EXTRACTIONS = Counter("castwarden_gateway_extractions_total", "Extractions asked for", ["site", "granted"])
_HOUR = 3600.0
_BURST = 4  # of what an hour brings, one part so large may be used at once
_NEVER = ExtractionGrant(granted=False, retry_after_seconds=_HOUR)
routes = Routes()


class Extractions:
    """`take` asks for one extraction of a site, for a namespace. Sites without a rate are not counted."""

    def __init__(self, database: Database, per_hour: Mapping[str, int]) -> None:
        self._db = database
        self._per_hour = dict(per_hour)

    async def take(self, site: str, namespace: str) -> ExtractionGrant:
        """Raises DatabaseUnavailable."""
        per_hour = self._per_hour.get(site)
        if per_hour is None:
            grant = ExtractionGrant(granted=True)
        elif per_hour == 0:
            grant = _NEVER
        else:
            grant = await self._take(site, namespace, per_hour)
        EXTRACTIONS.labels(site if per_hour is not None else "other", str(grant.granted).lower()).inc()
        return grant

    async def _take(self, site: str, namespace: str, per_hour: int) -> ExtractionGrant:
        most, per_second = max(1.0, per_hour / _BURST), per_hour / _HOUR
        row = await self._db.fetchrow(SQL.take, site, namespace, most, per_second)
        if row is None:
            await self._db.execute(SQL.begin, site, namespace, most)
            row = await self._db.fetchrow(SQL.take, site, namespace, most, per_second)
        if row is None:  # it was lost with a crash of PostgreSQL just now
            return ExtractionGrant(granted=False, retry_after_seconds=1 / per_second)
        return ExtractionGrant(granted=row["granted"], retry_after_seconds=row["wait"])


EXTRACTIONS_KEY = web.AppKey("extractions", Extractions)


@routes.post(
    "/internal/v1/extractions",
    body=ExtractionRequest,
    returns={200: ExtractionGrant},
    problems=[FencedOff],
)
async def post_extraction(request: Request[Worker], body: ExtractionRequest) -> ExtractionGrant:
    """Whether the worker may ask the site now."""
    request.principal.require(body.resource)
    return await request.app[EXTRACTIONS_KEY].take(body.site, body.resource.namespace)
