# SPDX-License-Identifier: Apache-2.0
"""Outbound HTTP for URLs that somebody else chose. The guard sits where the socket is made, so that neither a literal,
a name, a rebinding resolver nor a redirect gets past it. Redirects are refused unless `get_following` walks them.
"""

import io
import re
import socket
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from types import SimpleNamespace

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from castwarden_base.addresses import Network, parse_address, refusal
from castwarden_base.names import Names

USER_AGENT = "castwarden"
_INTERNAL_SUFFIXES = (".local", ".internal", ".svc", ".localdomain", ".home.arpa", ".lan")
_HOST = re.compile(r"[A-Za-z0-9._-]+|[0-9A-Fa-f:.]+(%[^/]+)?")
_AT_ONCE = 4 * 2**20  # bytes that are set aside because an answer announces them
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
OPENED_BY = "CASTWARDEN_OUTBOUND_ALLOW (castwarden up --allow-private) opens networks"
_LOOPBACK = parse_address("127.0.0.1")
_AddrInfo = tuple[int, int, int, str, tuple[str, int] | tuple[str, int, int, int]]


class OutboundError(aiohttp.ClientError):
    """An outbound request that was not made or not finished for a reason of ours."""


class InvalidUrl(OutboundError):
    """The text is no URL that we would ever fetch."""


class BlockedAddress(OutboundError):
    """The URL leads to an address that only the inside may reach."""


class RedirectRefused(OutboundError):
    """The answer was a redirect and the caller did not ask to follow one, or there were too many."""


class TooLarge(OutboundError):
    """The body is longer than the caller accepts."""


def check_url(url: str | URL, allow: Iterable[Network] = ()) -> URL:
    """The early, friendly check when a URL is registered: scheme, credentials, literal addresses, inside names.

    Needs no DNS and proves nothing about what a name resolves to; that is checked at every connection.
    Raises InvalidUrl or BlockedAddress.
    """
    parsed = _parse(url)
    host = (parsed.raw_host or "").rstrip(".").lower()
    allow = tuple(allow)
    address = _LOOPBACK if host == "localhost" or host.endswith(".localhost") else parse_address(host)
    if address is not None:
        if reason := refusal(address, allow):
            raise BlockedAddress(f"{host} is not reachable from here: {reason}; {OPENED_BY}")
    elif _is_numeric(host):
        raise InvalidUrl(f"{host} is not a canonical IPv4 address")
    elif not allow and ("." not in host or host.endswith(_INTERNAL_SUFFIXES)):
        raise BlockedAddress(f"{host} is an internal name")
    return parsed


def outbound_session(
    allow: Iterable[Network] = (),
    *,
    total: float | None = 15.0,
    connect: float = 5.0,
    read: float | None = None,
    limit: int = 100,
    limit_per_host: int = 32,
    headers: Mapping[str, str] | None = None,
    resolver: AbstractResolver | None = None,
) -> aiohttp.ClientSession:
    """A session whose every connection passes the guard. Times in seconds; `read` is the longest silence of a body.

    `allow` opens networks that are refused otherwise. Errors of the guard are `OutboundError`, a `ClientError`.
    """
    networks = tuple(allow)
    connector = aiohttp.TCPConnector(
        resolver=_GuardedResolver(resolver or Names(), networks),
        socket_factory=lambda info: _guarded_socket(info, networks),
        limit=limit,
        limit_per_host=limit_per_host,
    )
    return aiohttp.ClientSession(
        connector=connector,
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=total, sock_connect=connect, sock_read=read),
        trust_env=False,
        trace_configs=[_guarded_requests(networks)],
        headers={"User-Agent": USER_AGENT, **(headers or {})},
    )


@asynccontextmanager
async def get_following(
    session: aiohttp.ClientSession,
    url: str | URL,
    *,
    headers: Mapping[str, str] | None = None,
    max_hops: int = 5,
    timeout: aiohttp.ClientTimeout | None = None,
) -> AsyncIterator[aiohttp.ClientResponse]:
    """GET that follows up to `max_hops` redirects, each checked like the first. `response.url` is where it ended.

    `headers` are sent to the first origin only.
    """
    target, sent = _parse(url), dict(headers or {})
    for _ in range(max_hops + 1):
        limits = timeout or session.timeout
        async with session.get(target, headers=sent, allow_redirects=False, timeout=limits) as response:
            location = response.headers.get("Location")
            if response.status not in (301, 302, 303, 307, 308) or not location:
                yield response
                return
            following = _parse(_joined(target, location))
            if following.origin() != target.origin():
                sent = {}
            target = following
    raise RedirectRefused(f"more than {max_hops} redirects")


async def read_limited(response: aiohttp.ClientResponse, limit: int) -> bytes:
    """The whole (decompressed) body, at most `limit` bytes; TooLarge as soon as there is more."""
    declared = response.content_length
    if declared is not None and declared > limit:
        raise TooLarge(f"body of {declared} bytes, at most {limit} are read")
    # A buffer that is written in place and given away without a copy: bodies of megabytes come every few seconds.
    body = io.BytesIO(bytes(min(declared or 0, _AT_ONCE)))
    async for chunk in response.content.iter_any():
        if body.tell() + len(chunk) > limit:
            raise TooLarge(f"body of more than {limit} bytes")
        body.write(chunk)
    body.truncate()
    return body.getvalue()


def _parse(url: str | URL) -> URL:
    if isinstance(url, str) and (url != url.strip() or _CONTROL.search(url)):
        raise InvalidUrl("the URL must not contain line breaks, or spaces around it")
    try:
        parsed = URL(url)
    except ValueError as error:
        raise InvalidUrl(f"not a URL: {error}") from error
    if parsed.scheme not in ("http", "https"):
        raise InvalidUrl("the scheme must be http or https")
    if not _HOST.fullmatch((parsed.raw_host or "").rstrip(".")):
        raise InvalidUrl("the URL has no host, or one with characters that no host has")
    if parsed.port == 0:
        raise InvalidUrl("port 0 is no port")
    if parsed.raw_user is not None or parsed.raw_password is not None:
        raise InvalidUrl("the URL must not carry credentials")
    return parsed


def _joined(base: URL, location: str) -> URL:
    try:
        return base.join(URL(location))
    except ValueError as error:
        raise InvalidUrl(f"redirected to something that is not a URL: {error}") from error


def _is_numeric(host: str) -> bool:
    """Whether the system's resolver would read `host` as an old-style IPv4 such as 127.1 or 0x7f000001."""
    try:
        socket.inet_aton(host)
    except OSError:
        return False
    return True


def address_refusal(text: str, allow: tuple[Network, ...]) -> str | None:
    """Why no socket may be made to an address, as a resolver spells it; None when one may be."""
    address = parse_address(text)
    return "unreadable address" if address is None else refusal(address, allow)


def _guarded_socket(info: _AddrInfo, allow: tuple[Network, ...]) -> socket.socket:
    family, kind, proto, _, sockaddr = info
    if reason := address_refusal(sockaddr[0], allow):
        raise BlockedAddress(f"{sockaddr[0]}: {reason}")
    return socket.socket(family, kind, proto)


def _guarded_requests(allow: tuple[Network, ...]) -> aiohttp.TraceConfig:
    async def started(_: aiohttp.ClientSession, __: SimpleNamespace, request: aiohttp.TraceRequestStartParams) -> None:
        check_url(request.url, allow)

    async def redirected(
        _: aiohttp.ClientSession, __: SimpleNamespace, request: aiohttp.TraceRequestRedirectParams
    ) -> None:
        raise RedirectRefused(f"redirected with {request.response.status}")

    trace = aiohttp.TraceConfig()
    trace.on_request_start.append(started)
    trace.on_request_redirect.append(redirected)
    return trace


class _GuardedResolver(AbstractResolver):
    """Drops the addresses that are inside; a name with no other address is refused here, by name."""

    def __init__(self, inner: AbstractResolver, allow: tuple[Network, ...]) -> None:
        self._inner = inner
        self._allow = allow

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        found = await self._inner.resolve(host, port, family)
        reachable = [result for result in found if not address_refusal(result["host"], self._allow)]
        if found and not reachable:
            address = found[0]["host"]
            raise BlockedAddress(f"{host} leads to {address}: {address_refusal(address, self._allow)}")
        return reachable

    async def close(self) -> None:
        await self._inner.close()
