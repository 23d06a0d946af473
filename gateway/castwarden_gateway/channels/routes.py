# SPDX-License-Identifier: Apache-2.0
"""`/api/v1/channels` and their videos."""

from datetime import datetime
from typing import Any
from uuid import UUID

from aiohttp import web
from asyncpg import Record

from castwarden_gateway.channels.answers import ChannelView, PollStarted, VideoView
from castwarden_gateway.channels.bodies import ChannelCreate, ChannelPatch, VideoQuery
from castwarden_gateway.channels.service import ChannelNotReady, Channels, TooManyChannels
from castwarden_gateway.channels.store import VideoStore
from castwarden_gateway.events.routes import EventQuery, event_page
from castwarden_gateway.events.store import EventView
from castwarden_gateway.http.cursors import PageQuery, decode, encode, page
from castwarden_gateway.http.problems import Conflict, InvalidRequest, NotFound, PreconditionFailed
from castwarden_gateway.http.routes import Reply, Request, Routes, created, no_content
from castwarden_gateway.kube.changes import version_of
from castwarden_gateway.kube.order import position
from castwarden_gateway.tenants.principal import Principal

CHANNELS = web.AppKey("channels", Channels)
VIDEOS = web.AppKey("videos", VideoStore)
routes = Routes()
_PATH = "/api/v1/channels"


@routes.post(
    _PATH,
    scope="channels:write",
    body=ChannelCreate,
    returns={201: ChannelView, 200: ChannelView},
    problems=[TooManyChannels, InvalidRequest],
)
async def create_channel(request: Request[Principal], body: ChannelCreate) -> Reply:
    """Registers a channel. 201 for a new one, 200 for one that the tenant has already."""
    channels = request.app[CHANNELS]
    channel, new = await channels.create(request.principal.tenant, body, request.operation)
    data = {"data": channels.view(channel)}
    version = version_of(channel)
    return created(data, f"{_PATH}/{channel.metadata.name}", version=version) if new else Reply(data, version=version)


@routes.get(_PATH, scope="channels:read", query=PageQuery, returns={200: list[ChannelView]})
async def list_channels(request: Request[Principal], query: PageQuery) -> Any:
    channels = request.app[CHANNELS]
    rows = channels.page(request.principal.tenant, query)
    return page(request.http.rel_url, rows, query.limit, lambda one: encode(*position(one)), channels.view)


@routes.get(_PATH + "/{id}", scope="channels:read", returns={200: ChannelView}, problems=[NotFound])
async def get_channel(request: Request[Principal]) -> Reply:
    channels = request.app[CHANNELS]
    channel = channels.get(request.principal.tenant, request.params["id"])
    return Reply({"data": channels.view(channel)}, version=version_of(channel))


@routes.patch(
    _PATH + "/{id}",
    scope="channels:write",
    body=ChannelPatch,
    returns={200: ChannelView},
    problems=[NotFound, InvalidRequest, PreconditionFailed, Conflict],
)
async def update_channel(request: Request[Principal], body: ChannelPatch) -> Reply:
    channels = request.app[CHANNELS]
    channel = await channels.update(
        request.principal.tenant, request.params["id"], body, request.if_match, request.operation
    )
    return Reply({"data": channels.view(channel)}, version=version_of(channel))


@routes.delete(
    _PATH + "/{id}",
    scope="channels:write",
    returns={204: None},
    problems=[NotFound, PreconditionFailed, Conflict],
)
async def delete_channel(request: Request[Principal]) -> Reply:
    await request.app[CHANNELS].delete(
        request.principal.tenant, request.params["id"], request.if_match, request.operation
    )
    return no_content()


@routes.post(
    _PATH + "/{id}/poll",
    scope="channels:write",
    returns={202: PollStarted},
    problems=[NotFound, ChannelNotReady],
)
async def poll_channel(request: Request[Principal]) -> Reply:
    """Polls a channel now. The schedule goes on as before."""
    job = await request.app[CHANNELS].poll(request.principal.tenant, request.params["id"], request.operation)
    return Reply({"data": {"job": job}}, 202)


@routes.get(
    _PATH + "/{id}/videos",
    scope="channels:read",
    query=VideoQuery,
    returns={200: list[VideoView]},
    problems=[NotFound],
)
async def list_videos(request: Request[Principal], query: VideoQuery) -> Any:
    channel = request.app[CHANNELS].get(request.principal.tenant, request.params["id"])
    before = decode(query.cursor, _video_position)
    rows = await request.app[VIDEOS].page(request.principal.tenant.id, channel.metadata.uid, query, before)
    return page(
        request.http.rel_url, rows, query.limit, lambda row: encode(row["position"].isoformat(), str(row["id"])), _video
    )


@routes.get(
    _PATH + "/{id}/events",
    scope="events:read",
    query=EventQuery,
    returns={200: list[EventView]},
    problems=[NotFound],
)
async def channel_events(request: Request[Principal], query: EventQuery) -> Any:
    meta = request.app[CHANNELS].get(request.principal.tenant, request.params["id"]).metadata
    return await event_page(request, query, name=meta.name, uid=meta.uid)


def _video_position(at: str, id_: str) -> tuple[datetime, UUID]:
    return datetime.fromisoformat(at), UUID(id_)


def _video(row: Record) -> dict[str, Any]:
    shown = {name: value for name, value in row.items() if name not in ("media_id", "position")}
    return {**shown, "youtube_id": row["media_id"]}
