# SPDX-License-Identifier: Apache-2.0
"""Cross-origin requests of browsers (WHATWG Fetch §3.2): which pages may call the API and read what it answers.

Every answer is marked, refusals as well, or a page could not read why it was refused. A preflight carries no key, so it
is answered before anybody asks for one. Cookies play no part: a page has to hold an API key.
"""

from collections.abc import Awaitable, Callable, Iterable

from aiohttp import hdrs, web

from castwarden_gateway.http.errors import RESPONSE_HEADERS, Handler

ANY = "*"
_SECONDS = "600"
_SENT = (
    "Authorization, Content-Type, Idempotency-Key, If-Match, If-None-Match, Last-Event-ID, traceparent, "
    "X-API-Key, X-Request-Id, X-Tenant-Id"
)
_READ = "ETag, Idempotency-Replayed, Link, Location, RateLimit, RateLimit-Policy, Retry-After, X-Request-Id"


def cors(origins: Iterable[str]) -> Callable[..., Awaitable[web.StreamResponse]]:
    """A middleware inside of `problems`. `origins` as browsers spell them; `*` lets all."""
    allowed = frozenset(origins)

    def marks(request: web.Request) -> dict[str, str]:
        origin = request.headers.get(hdrs.ORIGIN, "")
        if ANY in allowed:
            return {hdrs.ACCESS_CONTROL_ALLOW_ORIGIN: ANY} if origin else {}
        found: dict[str, str] = {hdrs.VARY: hdrs.ORIGIN}
        if origin in allowed:
            found[hdrs.ACCESS_CONTROL_ALLOW_ORIGIN] = origin
        return found

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        headers = marks(request)
        granted = hdrs.ACCESS_CONTROL_ALLOW_ORIGIN in headers
        if granted:
            headers[hdrs.ACCESS_CONTROL_EXPOSE_HEADERS] = _READ
        request[RESPONSE_HEADERS].update(headers)
        if (methods := _preflight(request)) is None:
            response = await handler(request)
            if hdrs.VARY in headers and (own := response.headers.get(hdrs.VARY)) and not response.prepared:
                request[RESPONSE_HEADERS][hdrs.VARY] = f"{own}, {headers[hdrs.VARY]}"
            return response
        return web.Response(status=204, headers=_granted(methods) if granted else {})

    return middleware


def _preflight(request: web.Request) -> list[str] | None:
    """The methods of the path that a preflight asks about; None for any other request."""
    if request.method != hdrs.METH_OPTIONS or hdrs.ACCESS_CONTROL_REQUEST_METHOD not in request.headers:
        return None
    refusal = request.match_info.http_exception
    return sorted(refusal.allowed_methods) if isinstance(refusal, web.HTTPMethodNotAllowed) else None


def _granted(methods: list[str]) -> dict[str, str]:
    return {
        hdrs.ACCESS_CONTROL_ALLOW_METHODS: ", ".join(methods),
        hdrs.ACCESS_CONTROL_ALLOW_HEADERS: _SENT,
        hdrs.ACCESS_CONTROL_MAX_AGE: _SECONDS,
    }
