# SPDX-License-Identifier: Apache-2.0
"""`/api/v1/audit`: who changed what, newest first."""

from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from aiohttp import web
from castwarden_model.forms import of_form
from pydantic import AwareDatetime, Field

from castwarden_gateway.audit.store import AuditStore, AuditView, Wanted
from castwarden_gateway.http.cursors import PageQuery, decode, encode, page
from castwarden_gateway.http.routes import Request, Routes
from castwarden_gateway.tenants.principal import Principal

AUDIT = web.AppKey("audit", AuditStore)
routes = Routes()

Action = Annotated[str, Field(max_length=100), of_form(r"^[a-z_]+$", "must be an operationId, such as create_monitor")]


class AuditQuery(PageQuery):
    """Filters of the audit log."""

    since: AwareDatetime | None = Field(default=None, description="Inclusive.")
    until: AwareDatetime | None = Field(default=None, description="Inclusive.")
    action: Action | None = Field(default=None, description="An operationId of this API, such as `create_monitor`.")
    key_id: UUID | None = Field(default=None, description="What this API key did.")


@routes.get("/api/v1/audit", scope="audit:read", query=AuditQuery, returns={200: list[AuditView]})
async def list_audit(request: Request[Principal], query: AuditQuery) -> Any:
    """Who changed what by this API, newest first."""
    tenant, wanted = request.principal.tenant, Wanted(query.since, query.until, query.action, query.key_id)
    before = decode(query.cursor, _position)
    rows = await request.app[AUDIT].page(tenant.id, tenant.slug, wanted, before, query.limit + 1)
    return page(request.http.rel_url, rows, query.limit, _cursor, asdict)


def _cursor(row: AuditView) -> str:
    return encode(row.at.isoformat(), str(row.id))


def _position(at: str, id_: str) -> tuple[datetime, UUID]:
    return datetime.fromisoformat(at), UUID(id_)
