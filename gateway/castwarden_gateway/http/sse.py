# SPDX-License-Identifier: Apache-2.0
"""Server-sent events on the wire (WHATWG HTML §9.2): frames, and a response that writes them."""

import asyncio
import secrets
from typing import Any

from aiohttp import hdrs, web

from castwarden_gateway.http.errors import RESPONSE_HEADERS
from castwarden_gateway.http.media import Media

HEARTBEAT = b":\n\n"
_RETRY_MS = (2000, 5000)  # spread, so that the streams of a gateway that ends do not all come back at once
_HEADERS = {
    hdrs.CONTENT_TYPE: "text/event-stream",
    hdrs.CACHE_CONTROL: "no-store",
    "X-Accel-Buffering": "no",  # nginx must not collect what is to be seen at once
}


class EventStream(Media):
    """What a route returns whose answer is such a stream of `EventView`."""

    media_type = "text/event-stream"
    example = 'id: 019a9f3c-6f2e-7c5e-9d3b-0a1b2c3d4e5f\ndata: {"type":"stream.started", ...}\n\n'


class Gone(Exception):
    """The reader is not there any more, or does not read."""


def message(data: bytes, id_: str) -> bytes:
    """One message; `data` is JSON on one line."""
    return b"id: %b\ndata: %b\n\n" % (id_.encode(), data)


class Writer:
    """`await writer.open()`, then `write`. Raises Gone."""

    def __init__(self, http: web.Request, patience_seconds: float) -> None:
        self._http = http
        self._patience = patience_seconds
        ours: dict[str, str] = http[RESPONSE_HEADERS]
        self.response = web.StreamResponse(headers={**_HEADERS, **ours})

    async def open(self) -> None:
        await self.response.prepare(self._http)
        low, high = _RETRY_MS
        await self.write(b"retry: %d\n\n" % (low + secrets.randbelow(high - low)))

    async def write(self, data: bytes) -> None:
        try:
            async with asyncio.timeout(self._patience):
                await self.response.write(data)
        except TimeoutError as error:
            self.drop()
            raise Gone from error
        except (ConnectionError, RuntimeError) as error:  # aiohttp: closing transports; "cannot write, closing"
            raise Gone from error

    @property
    def left(self) -> bool:
        """Whether the reader has hung up."""
        return self._http.transport is None or self._http.transport.is_closing()

    def drop(self) -> None:
        """Hangs up without waiting for what is still to be sent."""
        if self._http.transport is not None:
            self._http.transport.abort()


def asked_for(http: web.Request, query: Any) -> str | None:
    """The id after which a reader wants to go on: the header that EventSource sends, or else the parameter."""
    return http.headers.get("Last-Event-ID") or query.last_event_id or None
