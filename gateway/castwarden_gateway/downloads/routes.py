# SPDX-License-Identifier: Apache-2.0
"""`/api/v1/downloads`, also under yt-videos-api's `/jobs`."""

from typing import Any

from aiohttp import web

from castwarden_gateway.downloads.answers import DownloadDetail, DownloadView
from castwarden_gateway.downloads.bodies import DownloadCreate, DownloadPatch, DownloadQuery
from castwarden_gateway.downloads.service import Downloads, DownloadsDisabled, TooManyDownloads
from castwarden_gateway.downloads.store import AttemptStore
from castwarden_gateway.events.routes import EventQuery, event_page
from castwarden_gateway.events.store import EventView
from castwarden_gateway.http.cursors import encode, page
from castwarden_gateway.http.problems import Conflict, InvalidRequest, NotFound, PreconditionFailed
from castwarden_gateway.http.routes import Reply, Request, Routes, created, no_content
from castwarden_gateway.kube.changes import version_of
from castwarden_gateway.kube.order import position
from castwarden_gateway.tenants.principal import Principal

DOWNLOADS = web.AppKey("downloads", Downloads)
ATTEMPTS = web.AppKey("attempts", AttemptStore)
routes = Routes()
_PATH = "/api/v1/downloads"


@routes.post(
    _PATH,
    scope="downloads:write",
    body=DownloadCreate,
    returns={201: DownloadView, 200: DownloadView},
    problems=[DownloadsDisabled, TooManyDownloads, InvalidRequest],
    aliases=("/jobs",),
)
async def create_download(request: Request[Principal], body: DownloadCreate) -> Reply:
    """Starts a download. 201 for a new one, 200 for one that is there or on its way."""
    downloads = request.app[DOWNLOADS]
    job, new = await downloads.create(request.principal.tenant, body, request.operation)
    data = {"data": downloads.view(job)}
    version = version_of(job)
    return created(data, f"{_PATH}/{job.metadata.name}", version=version) if new else Reply(data, version=version)


@routes.get(
    _PATH,
    scope="downloads:read",
    query=DownloadQuery,
    returns={200: list[DownloadView]},
    aliases=("/jobs",),
)
async def list_downloads(request: Request[Principal], query: DownloadQuery) -> Any:
    downloads = request.app[DOWNLOADS]
    rows = downloads.page(request.principal.tenant, query)
    return page(request.http.rel_url, rows, query.limit, lambda one: encode(*position(one)), downloads.view)


@routes.get(
    _PATH + "/{id}",
    scope="downloads:read",
    returns={200: DownloadDetail},
    problems=[NotFound],
    aliases=("/jobs/{id}",),
)
async def get_download(request: Request[Principal]) -> Reply:
    downloads = request.app[DOWNLOADS]
    job = downloads.get(request.principal.tenant, request.params["id"])
    attempts = await request.app[ATTEMPTS].of(request.principal.tenant.id, job.metadata.uid)
    detail = {**downloads.view(job), "attempts": attempts}
    return Reply({"data": detail}, version=version_of(job))


@routes.patch(
    _PATH + "/{id}",
    scope="downloads:write",
    body=DownloadPatch,
    returns={200: DownloadView},
    problems=[NotFound, PreconditionFailed, Conflict],
)
async def update_download(request: Request[Principal], body: DownloadPatch) -> Reply:
    downloads = request.app[DOWNLOADS]
    job = await downloads.update(
        request.principal.tenant, request.params["id"], body, request.if_match, request.operation
    )
    return Reply({"data": downloads.view(job)}, version=version_of(job))


@routes.delete(
    _PATH + "/{id}",
    scope="downloads:write",
    returns={204: None},
    problems=[NotFound, PreconditionFailed, Conflict],
    aliases=("/jobs/{id}",),
)
async def delete_download(request: Request[Principal]) -> Reply:
    """Cancels a download. A file that is finished stays where it is."""
    await request.app[DOWNLOADS].delete(
        request.principal.tenant, request.params["id"], request.if_match, request.operation
    )
    return no_content()


@routes.get(
    _PATH + "/{id}/events",
    scope="events:read",
    query=EventQuery,
    returns={200: list[EventView]},
    problems=[NotFound],
)
async def download_events(request: Request[Principal], query: EventQuery) -> Any:
    meta = request.app[DOWNLOADS].get(request.principal.tenant, request.params["id"]).metadata
    return await event_page(request, query, name=meta.name, uid=meta.uid)
