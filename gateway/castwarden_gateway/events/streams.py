# SPDX-License-Identifier: Apache-2.0
"""`/api/v1/events/stream` and `/api/v1/monitors/{id}/events/stream`: events as they come, as server-sent events."""

import asyncio
from collections import Counter as Counts
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from uuid import UUID

from aiohttp import hdrs, web
from prometheus_client import Counter, Gauge

from castwarden_gateway.db import DatabaseUnavailable
from castwarden_gateway.events.feed import Feed, Follower, Position
from castwarden_gateway.events.store import EventFilter
from castwarden_gateway.http.problems import FieldError, InvalidRequest, TooManyRequests, Unavailable
from castwarden_gateway.http.routes import Request
from castwarden_gateway.http.sse import HEARTBEAT, Gone, Writer
from castwarden_gateway.tenants.principal import Principal

OPEN = Gauge("castwarden_gateway_streams", "Event streams that are open")
DROPPED = Counter("castwarden_gateway_streams_dropped_total", "Event streams closed on readers too slow for them")
_HEARTBEAT_SECONDS = 15.0
_LOOK_SECONDS = 1.0  # whether the reader has gone, which nothing else tells
_PATIENCE_SECONDS = 30.0  # for a reader that takes nothing in


StillAllowed = Callable[[web.Request], Awaitable[bool]]


class TooManyStreams(TooManyRequests):
    code, title = "too-many-streams", "As many event streams are open as may be"

    def __init__(self, detail: str) -> None:
        super().__init__(detail, headers={"Retry-After": "30"})


class Streams:
    """The open streams of this process."""

    def __init__(self, feed: Feed, still_allowed: StillAllowed, most: int, most_of_a_key: int) -> None:
        self._feed = feed
        self._still_allowed = still_allowed
        self._most = most
        self._most_of_a_key = most_of_a_key
        self._of_key: Counts[UUID] = Counts()
        self._followers: set[Follower] = set()
        self._draining = False

    def drain(self) -> None:
        """Ends them all; their readers come back, elsewhere, and go on where they were."""
        self._draining = True
        for follower in self._followers:
            follower.woken.set()

    async def serve(
        self, request: Request[Principal], wanted: EventFilter, last_event_id: str | None
    ) -> web.StreamResponse:
        """Answers until the reader goes, does not read, or the gateway ends."""
        if self._draining:
            raise Unavailable("This gateway is about to end.", retry_after_seconds=1)
        tenant_id = request.principal.tenant.id
        with self._place(request.principal.key_id):
            after = await self._start(tenant_id, last_event_id)
            writer = Writer(request.http, _PATIENCE_SECONDS)
            if request.http.method == hdrs.METH_HEAD:
                return writer.response
            try:
                await writer.open()
                await self._follow(writer, request.http, tenant_id, wanted, after)
            except (Gone, DatabaseUnavailable):
                writer.drop()  # without an end, so that the reader knows that there is more
            return writer.response

    async def _start(self, tenant_id: UUID, last_event_id: str | None) -> Position:
        if last_event_id is None:
            return await self._feed.now()
        try:
            return await self._feed.position(tenant_id, UUID(last_event_id))
        except ValueError:
            wrong = FieldError("not an event's id", parameter="last_event_id")
            raise InvalidRequest("Last-Event-ID is wrong; see errors.", errors=[wrong]) from None

    async def _follow(
        self, writer: Writer, request: web.Request, tenant_id: UUID, wanted: EventFilter, after: Position
    ) -> None:
        after = await self._catch_up(writer, tenant_id, wanted, after)

        def overrun() -> None:
            DROPPED.inc()
            writer.drop()

        follower = Follower(tenant_id, wanted, overrun)
        self._followers.add(follower)
        told_from = self._feed.follow(follower, after)
        try:
            if told_from > after:
                after = await self._catch_up(writer, tenant_id, wanted, after)
            await self._pass_on(writer, request, follower, after)
        finally:
            self._feed.leave(follower)
            self._followers.discard(follower)

    async def _catch_up(self, writer: Writer, tenant_id: UUID, wanted: EventFilter, after: Position) -> Position:
        """Reads from the table, at the reader's own pace, as far as it goes."""
        more = True
        while more and not self._draining:
            page, more = await self._feed.page(tenant_id, after)
            if text := b"".join(told.message for told in page if wanted.takes(told.event)):
                await writer.write(text)
            after = page[-1].position if page else after
        return after

    async def _pass_on(self, writer: Writer, request: web.Request, follower: Follower, after: Position) -> None:
        """Until the gateway ends, or the API key does: that is looked at as often as the heart beats."""
        clock = asyncio.get_running_loop().time
        allowed_at = written_at = clock()
        while not self._draining:
            with suppress(TimeoutError):
                async with asyncio.timeout(min(_LOOK_SECONDS, _HEARTBEAT_SECONDS)):
                    await follower.woken.wait()
            news = b"".join([told.message for told in follower.take() if told.position > after])
            if not news and writer.left:
                return
            if clock() - allowed_at >= _HEARTBEAT_SECONDS:
                if not await self._still_allowed(request):
                    return
                allowed_at = clock()
            if news or clock() - written_at >= _HEARTBEAT_SECONDS:
                await writer.write(news or HEARTBEAT)
                written_at = clock()

    @contextmanager
    def _place(self, key_id: UUID) -> Iterator[None]:
        if self._of_key.total() >= self._most:
            raise TooManyStreams("This gateway has no more; another one may.")
        if self._of_key[key_id] >= self._most_of_a_key:
            raise TooManyStreams(f"At most {self._most_of_a_key} for one API key.")
        self._of_key[key_id] += 1
        OPEN.inc()
        try:
            yield
        finally:
            OPEN.dec()
            self._of_key[key_id] -= 1
            if not self._of_key[key_id]:
                del self._of_key[key_id]
