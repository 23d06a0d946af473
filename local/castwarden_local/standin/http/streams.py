# SPDX-License-Identifier: Apache-2.0
"""Answers that last: watches with their bookmarks, and logs."""

import asyncio
import random
from dataclasses import dataclass

from aiohttp import web

from castwarden_local.standin.errors import ApiError, Expired, InternalError
from castwarden_local.standin.http.lists import parse_revision
from castwarden_local.standin.http.rendering import EventRenderer
from castwarden_local.standin.http.requests import Query, View
from castwarden_local.standin.interface import LogRequest, LogSource
from castwarden_local.standin.resources import Resource
from castwarden_local.standin.storage.store import Store
from castwarden_local.standin.storage.watching import Follower, Scope
from castwarden_local.standin.validation.schema_checks import forbidden
from castwarden_local.standin.writing.admission import options_refusal

BOOKMARK_SECONDS = 60.0
_LAST_BOOKMARK_SECONDS = 2.0  # before the end, so that the next watch can begin where this one ended
_LONGEST_SECONDS = (1800, 3600)  # as on the API server: watches do not all end together
_HEADERS = {"Cache-Control": "no-cache, private"}


@dataclass(frozen=True, slots=True)
class Watch:
    """What a watch request asks for."""

    scope: Scope
    renderer: EventRenderer
    after: int | None
    bookmarks: bool
    initial_end: bool
    seconds: float

    @classmethod
    def of(cls, resource: Resource, scope: Scope, query: Query, view: View) -> "Watch":
        """Raises Invalid and InternalError."""
        asked, match = query.text("sendInitialEvents"), query.text("resourceVersionMatch")
        initial = query.flag("sendInitialEvents")
        if asked and match != "NotOlderThan":
            detail = "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan"
            raise options_refusal("ListOptions", [forbidden("resourceVersionMatch", detail)])
        if match and not asked:
            detail = "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided"
            raise options_refusal("ListOptions", [forbidden("resourceVersionMatch", detail)])
        try:
            revision = parse_revision(query.text("resourceVersion") or "0")
        except ValueError as error:
            raise InternalError(str(error)) from None
        seconds = query.integer("timeoutSeconds") or random.randint(*_LONGEST_SECONDS)  # noqa: S311 - spreads load
        bookmarks = query.flag("allowWatchBookmarks")
        from_start = initial or (revision == 0 and not asked)
        renderer = EventRenderer(resource, view, query.text("includeObject"))
        return cls(scope, renderer, None if from_start else revision, bookmarks, initial and bookmarks, seconds)


async def stream_watch(request: web.Request, store: Store, watch: Watch) -> web.StreamResponse:
    """Writes until the client leaves or its time is over."""
    response = web.StreamResponse(headers=_HEADERS)
    response.content_type = "application/json"
    response.enable_chunked_encoding()
    await response.prepare(request)
    try:
        async with asyncio.timeout(watch.seconds):
            await _send(response, store, watch)
    except TimeoutError:
        pass
    except Expired as error:
        await response.write(watch.renderer.error(error))
    await response.write_eof()
    return response


async def _send(response: web.StreamResponse, store: Store, watch: Watch) -> None:
    render = watch.renderer
    follower = Follower(store, watch.scope, store.revision if watch.after is None else watch.after)
    if watch.after is None:
        lines = [render.change("ADDED", record) for record in watch.scope.list(store)]
        if watch.initial_end:
            lines.append(render.bookmark(store.revision, initial_end=True))
        await _write(response, lines)
    loop = asyncio.get_running_loop()
    due = loop.time() + min(BOOKMARK_SECONDS, max(watch.seconds - _LAST_BOOKMARK_SECONDS, 0.5))
    while True:
        await _write(response, [render.change(kind, record) for kind, record in follower.take()])
        if watch.bookmarks and loop.time() >= due:
            await _write(response, [render.bookmark(follower.seen)])
            due = loop.time() + BOOKMARK_SECONDS
        try:
            async with asyncio.timeout_at(due if watch.bookmarks else None):
                await follower.wait()
        except TimeoutError:
            continue


async def _write(response: web.StreamResponse, lines: list[bytes]) -> None:
    if lines:
        await response.write(b"".join(lines))


async def stream_logs(request: web.Request, source: LogSource, wanted: LogRequest) -> web.StreamResponse:
    """A refusal before the first line is a Status; later the stream just ends."""
    response = web.StreamResponse(headers=_HEADERS)
    response.content_type = "text/plain"
    response.enable_chunked_encoding()
    chunks = aiter(source(wanted))
    first = await anext(chunks, b"")
    await response.prepare(request)
    try:
        if first:
            await response.write(first)
        async for chunk in chunks:
            await response.write(chunk)
    except ApiError as error:
        await response.write(error.message.encode() + b"\n")
    await response.write_eof()
    return response
