# SPDX-License-Identifier: Apache-2.0
"""`/healthz`, `/readyz`, `/metrics` and yt-videos-api's `/health`, for everybody."""

from datetime import UTC, datetime
from typing import (
    Annotated,
    Literal,
    NotRequired,  # pydantic reads no other before Python 3.12
)

from aiohttp import web
from castwarden_base.health import HealthServer
from castwarden_model import __version__
from pydantic import Field
from typing_extensions import TypedDict

from castwarden_gateway.http.media import Metrics, example
from castwarden_gateway.http.routes import Reply, Request, Routes

HEALTH = web.AppKey("health", HealthServer)
routes = Routes()


@example(status="ok")
class Checks(TypedDict):
    """Whether all is well, and what is not."""

    status: Literal["ok", "failing"]
    reasons: NotRequired[Annotated[dict[str, str], Field(description="By check, what is wrong.")]]


@example(status="healthy", database="connected", version=__version__, timestamp="2026-11-20T12:00:00Z", reasons={})
class Health(TypedDict):
    """yt-videos-api's words for it. What it said of jobs is at `/jobs`; the disk is the workers'."""

    status: Literal["healthy", "unhealthy"]
    database: Literal["connected", "disconnected"]
    version: str
    timestamp: datetime
    reasons: Annotated[dict[str, str], Field(description="By check, what is wrong.")]


@routes.get("/healthz", open=True, returns={200: Checks, 503: Checks})
async def get_liveness(request: Request[None]) -> web.Response:
    """Is the process alive. 503: only a restart helps."""
    return request.app[HEALTH].liveness()


@routes.get("/readyz", open=True, returns={200: Checks, 503: Checks})
async def get_readiness(request: Request[None]) -> web.Response:
    """Can requests be answered. 503: not at the moment."""
    return request.app[HEALTH].readiness()


@routes.get("/health", open=True, returns={200: Health, 503: Health})
async def get_health(request: Request[None]) -> Reply:
    """The same as `/readyz` for clients of yt-videos-api."""
    reasons = request.app[HEALTH].failing()
    health = Health(
        status="unhealthy" if reasons else "healthy",
        database="disconnected" if "database" in reasons else "connected",
        version=__version__,
        timestamp=datetime.now(UTC),
        reasons=reasons,
    )
    return Reply(health, 503 if reasons else 200, {"Cache-Control": "no-store"})


@routes.get("/metrics", open=True, returns={200: Metrics})
async def get_metrics(request: Request[None]) -> web.Response:
    """For Prometheus."""
    return request.app[HEALTH].metrics()
