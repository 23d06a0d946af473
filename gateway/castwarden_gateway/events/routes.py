# SPDX-License-Identifier: Apache-2.0
"""`/api/v1/events`: what happened, newest first."""

from typing import Annotated, Any, Literal
from uuid import UUID

from aiohttp import web
from castwarden_model.forms import of_form
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from castwarden_gateway.events.store import EventFilter, EventStore, EventView
from castwarden_gateway.events.streams import Streams, TooManyStreams
from castwarden_gateway.http.cursors import PageQuery, decode, encode, page
from castwarden_gateway.http.problems import NotFound
from castwarden_gateway.http.routes import Request, Routes
from castwarden_gateway.http.sse import EventStream, asked_for
from castwarden_gateway.tenants.principal import Principal

EVENTS = web.AppKey("events", EventStore)
STREAMS = web.AppKey("streams", Streams)
routes = Routes()


TypeFilter = Annotated[
    str, Field(max_length=100), of_form(r"^([a-z_]+\.([a-z_]+|\*)|\*)$", "must be an event type, alert.* or *")
]


class EventQuery(PageQuery):
    """Filters of one resource's events."""

    type: TypeFilter | None = Field(default=None, description="A type, or `alert.*`.")
    since: AwareDatetime | None = Field(default=None, description="Inclusive.")
    until: AwareDatetime | None = Field(default=None, description="Inclusive.")


class AllEventsQuery(EventQuery):
    """Filters of all events."""

    kind: Literal["Monitor", "Channel", "DownloadJob", "WebhookEndpoint"] | None = None
    name: str | None = Field(default=None, max_length=253, description="The resource's name.")


class StreamQuery(BaseModel):
    """Filters of a stream."""

    model_config = ConfigDict(extra="forbid")

    type: TypeFilter | None = Field(default=None, description="A type, or `alert.*`.")
    last_event_id: str | None = Field(
        default=None, max_length=100, description="Goes on after this event. The header `Last-Event-ID` wins."
    )


class AllStreamQuery(StreamQuery):
    """Filters of the stream of all events."""

    kind: Literal["Monitor", "Channel", "DownloadJob", "WebhookEndpoint"] | None = None
    name: str | None = Field(default=None, max_length=253, description="The resource's name.")


@routes.get(
    "/api/v1/events/stream",
    scope="events:read",
    query=AllStreamQuery,
    returns={200: EventStream},
    problems=[TooManyStreams],
)
async def stream_events(request: Request[Principal], query: AllStreamQuery) -> web.StreamResponse:
    """Events as they come, as server-sent events."""
    return await stream(request, query, EventFilter(query.type, query.kind, query.name))


@routes.get("/api/v1/events", scope="events:read", query=AllEventsQuery, returns={200: list[EventView]})
async def list_events(request: Request[Principal], query: AllEventsQuery) -> Any:
    return await event_page(request, query, kind=query.kind, name=query.name)


@routes.get("/api/v1/events/{id}", scope="events:read", returns={200: EventView}, problems=[NotFound])
async def get_event(request: Request[Principal]) -> Any:
    try:
        event_id = UUID(request.params["id"])
    except ValueError:
        raise NotFound("That is no event's id.") from None
    found = await request.app[EVENTS].get(request.principal.tenant.id, event_id)
    if found is None:
        raise NotFound("There is no such event.")
    return {"data": found}


async def stream(request: Request[Principal], query: StreamQuery, wanted: EventFilter) -> web.StreamResponse:
    """Server-sent events of those that are wanted."""
    return await request.app[STREAMS].serve(request, wanted, asked_for(request.http, query))


async def event_page(
    request: Request[Principal],
    query: EventQuery,
    *,
    kind: str | None = None,
    name: str | None = None,
    uid: str | None = None,
) -> Any:
    """One page of a tenant's events."""
    wanted = EventFilter(query.type, kind, name, uid, query.since, query.until)
    before = decode(query.cursor, UUID)
    rows = await request.app[EVENTS].page(request.principal.tenant.id, wanted, before, query.limit + 1)
    return page(request.http.rel_url, rows, query.limit, lambda row: encode(str(row["id"])), dict)
