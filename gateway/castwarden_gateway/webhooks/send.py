# SPDX-License-Identifier: Apache-2.0
"""One HTTP attempt: bounded in time and in what is read, never redirected, every failure named. Touches no database."""

import asyncio
import time
from collections.abc import Iterable
from dataclasses import dataclass, field

import aiohttp
from aiohttp.abc import AbstractResolver
from castwarden_base.http import BlockedAddress, InvalidUrl, outbound_session
from castwarden_base.settings import Network

from castwarden_gateway.webhooks.schedule import parse_retry_after

BODY_LIMIT = 16 * 1024
_CONNECT_SECONDS = 5.0
_KEPT_HEADERS = ("Content-Type", "Location", "Retry-After", "Server", "X-Request-Id")
_HEADER_LIMIT = 256
_DETAIL_LIMIT = 500

# The first that fits names the failure; the more special ones stand first.
_ERRORS: tuple[tuple[type[BaseException], str], ...] = (
    (BlockedAddress, "address_refused"),
    (InvalidUrl, "invalid_url"),
    (aiohttp.InvalidURL, "invalid_url"),
    (TimeoutError, "timeout"),
    (aiohttp.ClientConnectorDNSError, "dns"),
    (aiohttp.ClientSSLError, "tls"),
    (aiohttp.ClientConnectorError, "connect"),
    (aiohttp.ServerDisconnectedError, "disconnected"),
    (aiohttp.ClientOSError, "disconnected"),
    (aiohttp.ClientError, "protocol"),
)


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of one attempt. `error` is None for 2xx only."""

    ms: int
    status: int | None = None
    error: str | None = None
    detail: str | None = None
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    retry_after: float | None = None


def delivery_session(
    allow: Iterable[Network], sockets: int, resolver: AbstractResolver | None = None
) -> aiohttp.ClientSession:
    """The guarded session for deliveries. No limit per host: the engine bounds what is in flight per endpoint."""
    return outbound_session(
        allow, total=None, connect=_CONNECT_SECONDS, limit=sockets, limit_per_host=0, resolver=resolver
    )


async def post(
    session: aiohttp.ClientSession, url: str, body: bytes, headers: dict[str, str], timeout_seconds: float
) -> Answer:
    """POSTs once. `timeout_seconds` bounds all of it; once a status has come, a body that drips on changes nothing."""
    started = time.perf_counter()
    try:
        async with asyncio.timeout(timeout_seconds) as deadline:
            async with session.post(url, data=body, headers=headers, allow_redirects=False) as response:
                head = await _head(response, deadline)
    except (aiohttp.ClientError, TimeoutError) as error:
        name = next(name for kind, name in _ERRORS if isinstance(error, kind))
        return Answer(ms=_ms_since(started), error=name, detail=_clean(str(error), _DETAIL_LIMIT) or None)
    return Answer(
        ms=_ms_since(started),
        status=response.status,
        error=None if 200 <= response.status < 300 else f"status_{response.status}",
        headers={
            name: _clean(response.headers[name], _HEADER_LIMIT) for name in _KEPT_HEADERS if name in response.headers
        },
        body=head,
        retry_after=parse_retry_after(response.headers.get("Retry-After")),
    )


async def _head(response: aiohttp.ClientResponse, deadline: asyncio.Timeout) -> bytes:
    """The first bytes of the body. A connection with more on it is closed rather than read to its end."""
    kept = bytearray()
    when = deadline.when()
    deadline.reschedule(None)
    try:
        async with asyncio.timeout_at(when):
            async for chunk in response.content.iter_any():
                kept += chunk
                if len(kept) >= BODY_LIMIT:
                    response.close()
                    break
    except (aiohttp.ClientError, TimeoutError):
        response.close()
    return bytes(kept[:BODY_LIMIT])


def _clean(text: str, limit: int) -> str:
    """What PostgreSQL takes as text: no NUL, no lone surrogates."""
    return text[:limit].replace("\0", "").encode("utf-8", "replace").decode()


def _ms_since(started: float) -> int:
    return round((time.perf_counter() - started) * 1000)
