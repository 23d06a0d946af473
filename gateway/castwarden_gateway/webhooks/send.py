# SPDX-License-Identifier: Apache-2.0
"""One HTTP attempt: bounded in time and in what is read, never redirected, every failure named. Touches no database."""

import ssl
import time
from collections.abc import Iterable
from dataclasses import dataclass, field

from aiohttp.abc import AbstractResolver
from castwarden_base.settings import Network

from castwarden_gateway.outbound.client import Client
from castwarden_gateway.webhooks.schedule import parse_retry_after

_CONNECT_SECONDS = 5.0
_KEPT_HEADERS = ("Content-Type", "Location", "Retry-After", "Server", "X-Request-Id")
_HEADER_LIMIT = 256
_DETAIL_LIMIT = 500


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


def delivery_client(
    allow: Iterable[Network], sockets: int, resolver: AbstractResolver | None = None, hosts: Iterable[str] = ()
) -> Client:
    """The guarded client for deliveries. How many are in flight is the engine's to bound."""
    return Client(allow, hosts=hosts, sockets=sockets, connect_seconds=_CONNECT_SECONDS, resolver=resolver)


async def post(
    client: Client,
    url: str,
    body: bytes,
    headers: dict[str, str],
    timeout_seconds: float,
    tls: ssl.SSLContext | None = None,
) -> Answer:
    """POSTs once. `timeout_seconds` bounds all of it; once a status has come, a body that drips on changes nothing."""
    started = time.perf_counter()
    outcome = await client.post(url, body, headers, timeout_seconds, tls)
    ms = round((time.perf_counter() - started) * 1000)
    if outcome.status is None:
        return Answer(ms=ms, error=outcome.error, detail=_clean(outcome.detail or "", _DETAIL_LIMIT) or None)
    found = outcome.headers or {}
    kept = ((name, found.get(name.lower())) for name in _KEPT_HEADERS)
    return Answer(
        ms=ms,
        status=outcome.status,
        error=None if 200 <= outcome.status < 300 else f"status_{outcome.status}",
        headers={name: _clean(value, _HEADER_LIMIT) for name, value in kept if value is not None},
        body=outcome.body,
        retry_after=parse_retry_after(found.get("retry-after")),
    )


def _clean(text: str, limit: int) -> str:
    """What PostgreSQL takes as text: no NUL, no lone surrogates."""
    return text[:limit].replace("\0", "").encode("utf-8", "replace").decode()
