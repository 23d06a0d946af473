# SPDX-License-Identifier: Apache-2.0
"""`/api/v1/monitors`."""

from datetime import UTC, datetime
from typing import Any

from aiohttp import web

from castwarden_gateway.events.routes import EventQuery, StreamQuery, event_page, stream
from castwarden_gateway.events.store import EventFilter, EventView
from castwarden_gateway.events.streams import TooManyStreams
from castwarden_gateway.http.cursors import encode, page
from castwarden_gateway.http.problems import Conflict, InvalidRequest, NotFound, PreconditionFailed
from castwarden_gateway.http.routes import Reply, Request, Routes, created
from castwarden_gateway.http.sse import EventStream
from castwarden_gateway.kube.changes import version_of
from castwarden_gateway.kube.order import position
from castwarden_gateway.monitors.answers import MonitorDeleted, MonitorView
from castwarden_gateway.monitors.bodies import MonitorCreate, MonitorPatch, MonitorQuery
from castwarden_gateway.monitors.service import DuplicateMonitor, Monitors, TooManyMonitors
from castwarden_gateway.tenants.principal import Principal

MONITORS = web.AppKey("monitors", Monitors)
routes = Routes()
_PATH = "/api/v1/monitors"


@routes.post(
    _PATH,
    scope="monitors:write",
    body=MonitorCreate,
    returns={201: MonitorView},
    problems=[DuplicateMonitor, TooManyMonitors, InvalidRequest],
)
async def create_monitor(request: Request[Principal], body: MonitorCreate) -> Reply:
    monitors = request.app[MONITORS]
    monitor = await monitors.create(request.principal.tenant, body, request.operation)
    location = f"{_PATH}/{monitor.metadata.name}"
    return created({"data": monitors.view(monitor)}, location, version=version_of(monitor))


@routes.get(_PATH, scope="monitors:read", query=MonitorQuery, returns={200: list[MonitorView]})
async def list_monitors(request: Request[Principal], query: MonitorQuery) -> Any:
    monitors = request.app[MONITORS]
    rows = monitors.page(request.principal.tenant, query)
    return page(request.http.rel_url, rows, query.limit, lambda one: encode(*position(one)), monitors.rendered)


@routes.get(_PATH + "/{id}", scope="monitors:read", returns={200: MonitorView}, problems=[NotFound])
async def get_monitor(request: Request[Principal]) -> Reply:
    monitors = request.app[MONITORS]
    monitor = monitors.get(request.principal.tenant, request.params["id"])
    return Reply({"data": monitors.rendered(monitor)}, version=version_of(monitor))


@routes.patch(
    _PATH + "/{id}",
    scope="monitors:write",
    body=MonitorPatch,
    returns={200: MonitorView},
    problems=[NotFound, InvalidRequest, PreconditionFailed, Conflict],
)
async def update_monitor(request: Request[Principal], body: MonitorPatch) -> Reply:
    monitors = request.app[MONITORS]
    monitor = await monitors.update(
        request.principal.tenant, request.params["id"], body, request.if_match, request.operation
    )
    return Reply({"data": monitors.view(monitor)}, version=version_of(monitor))


@routes.delete(
    _PATH + "/{id}",
    scope="monitors:write",
    returns={200: MonitorDeleted},
    problems=[NotFound, PreconditionFailed, Conflict],
)
async def delete_monitor(request: Request[Principal]) -> Any:
    name = request.params["id"]
    await request.app[MONITORS].delete(request.principal.tenant, name, request.if_match, request.operation)
    return {"data": {"monitor_id": name, "deleted": True, "deleted_at": datetime.now(UTC)}}


@routes.get(
    _PATH + "/{id}/events",
    scope="events:read",
    query=EventQuery,
    returns={200: list[EventView]},
    problems=[NotFound],
)
async def monitor_events(request: Request[Principal], query: EventQuery) -> Any:
    monitor = request.app[MONITORS].get(request.principal.tenant, request.params["id"])
    return await event_page(request, query, name=monitor.metadata.name, uid=monitor.metadata.uid)


@routes.get(
    _PATH + "/{id}/events/stream",
    scope="events:read",
    query=StreamQuery,
    returns={200: EventStream},
    problems=[NotFound, TooManyStreams],
)
async def stream_monitor_events(request: Request[Principal], query: StreamQuery) -> web.StreamResponse:
    """A monitor's events as they come, as server-sent events."""
    meta = request.app[MONITORS].get(request.principal.tenant, request.params["id"]).metadata
    return await stream(request, query, EventFilter(query.type, name=meta.name, uid=meta.uid))
