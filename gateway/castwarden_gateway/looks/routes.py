# SPDX-License-Identifier: Apache-2.0
"""`/api/v1/monitors/{id}/thumbnail` and `/measurements`; inside, what workers send."""

from datetime import datetime
from email.utils import format_datetime
from typing import Any

from aiohttp import web
from castwarden_model.messages import Look, StripPoint
from typing_extensions import TypedDict  # pydantic reads no other before Python 3.12

from castwarden_gateway.http.etags import unchanged
from castwarden_gateway.http.media import example
from castwarden_gateway.http.problems import InvalidRequest, NotFound
from castwarden_gateway.http.routes import Reply, Request, Routes, no_content
from castwarden_gateway.internal.assignments import Gone
from castwarden_gateway.internal.auth import Worker
from castwarden_gateway.internal.routes import ASSIGNMENTS
from castwarden_gateway.internal.seats import FencedOff
from castwarden_gateway.looks.store import LookStore
from castwarden_gateway.monitors.routes import MONITORS
from castwarden_gateway.tenants.principal import Principal

LOOKS = web.AppKey("looks", LookStore)
routes = Routes()
internal_routes = Routes()
_PATH = "/api/v1/monitors/{id}"
_CACHED = {"Cache-Control": "private, max-age=10"}


class NoThumbnail(NotFound):
    code, title = "no-thumbnail", "No picture of this monitor has been seen yet"


class NoMeasurements(NotFound):
    code, title = "no-measurements", "Nothing of this monitor has been measured yet"


@example(
    taken_at="2026-11-20T12:00:00Z",
    points=[
        {
            "at": "2026-11-20T11:59:50Z",
            "state": "Live",
            "luma": 0.41,
            "dark": 0.03,
            "motion_db": -31.5,
            "level_db": -14.2,
            "delivery_ratio": 0.08,
            "bitrate_kbps": 4820.0,
        }
    ],
)
class MeasurementsView(TypedDict):
    """The last ten minutes of a stream in points of ten seconds, oldest first. What was not measured is absent."""

    taken_at: datetime
    points: list[StripPoint]


@routes.get(
    _PATH + "/thumbnail",
    scope="monitors:read",
    returns={200: bytes, 304: None},
    problems=[NotFound, NoThumbnail],
)
async def get_thumbnail(request: Request[Principal]) -> web.Response:
    """The newest picture of the stream, renewed every half minute while it is watched, and with each alert.

    Small, as JPEG. `Last-Modified` says when it was seen; of a stream that is over or stands still it may be old.
    """
    looks, uid, tenant_id = request.app[LOOKS], _uid(request), request.principal.tenant.id
    at = await looks.thumbnail_at(tenant_id, uid)
    if at is not None and (headers := _unchanged(request, uid, at)) is not None:
        return web.Response(status=304, headers=headers)
    found = None if at is None else await looks.thumbnail(tenant_id, uid)
    if found is None:
        raise NoThumbnail(
            "A worker sends one within half a minute of the first picture; a stream of sound alone has none."
        )
    headers = _headers(uid, found.at) | {"X-Content-Type-Options": "nosniff"}
    return web.Response(body=found.jpeg, content_type="image/jpeg", headers=headers)


@routes.get(
    _PATH + "/measurements",
    scope="monitors:read",
    returns={200: MeasurementsView, 304: None},
    problems=[NotFound, NoMeasurements],
)
async def get_measurements(request: Request[Principal]) -> Any:
    """What was measured in the last ten minutes."""
    uid = _uid(request)
    found = await request.app[LOOKS].measurements(request.principal.tenant.id, uid)
    if found is None:
        raise NoMeasurements("A worker sends some within half a minute of its start.")
    if (headers := _unchanged(request, uid, found.taken_at)) is not None:
        return Reply(None, 304, headers)
    return Reply({"data": {"taken_at": found.taken_at, "points": found.strip}}, headers=_headers(uid, found.taken_at))


@internal_routes.put("/internal/v1/looks", body=Look, returns={204: None}, problems=[Gone, FencedOff, InvalidRequest])
async def put_look(request: Request[Worker], body: Look) -> Reply:
    """Takes the newest look; an older one than is known changes nothing."""
    request.principal.require(body.resource)
    await request.app[ASSIGNMENTS].resource(body.resource)
    await request.app[LOOKS].keep(body)
    return no_content()


def _uid(request: Request[Principal]) -> str:
    monitor = request.app[MONITORS].get(request.principal.tenant, request.params["id"])
    return monitor.metadata.uid


def _unchanged(request: Request[Principal], uid: str, at: datetime) -> dict[str, str] | None:
    """The headers of 304 when the client has just this already."""
    given = request.http.headers.get("If-None-Match")
    return _headers(uid, at) if unchanged(given, _etag(uid, at)) else None


def _headers(uid: str, at: datetime) -> dict[str, str]:
    return {"ETag": _etag(uid, at), "Last-Modified": format_datetime(at, usegmt=True), **_CACHED}


def _etag(uid: str, at: datetime) -> str:
    return f'"{uid[:8]}-{round(at.timestamp() * 1e6)}"'
