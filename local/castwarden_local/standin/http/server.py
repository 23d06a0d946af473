# SPDX-License-Identifier: Apache-2.0
"""The listener: TLS, who is asking, refusals as Status objects, and the paths that are not about objects."""

import hmac
import ssl
from collections.abc import Awaitable, Callable

import orjson
from aiohttp import web
from castwarden_base.logs import get_logger

from castwarden_local.standin.auth.tokens import BadToken, Tokens
from castwarden_local.standin.errors import (
    ApiError,
    BadRequest,
    InternalError,
    MethodNotAllowed,
    NotFound,
    TooLarge,
    Unauthorized,
)
from castwarden_local.standin.http.discovery import AGGREGATED, VERSION, Discovery
from castwarden_local.standin.http.handlers import Handlers
from castwarden_local.standin.http.openapi import V2_MEDIA_TYPE, OpenApi, empty_v2
from castwarden_local.standin.interface import Object

BODY_LIMIT = 3 * 1024 * 1024
_OPEN_PATHS = frozenset({"/healthz", "/livez", "/readyz", "/version"})
_SHUTDOWN_SECONDS = 0.5  # for answers under way; watches last longer than anyone would wait
log = get_logger(__name__)
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Server:
    """`await start(...)` answers the port; `stop()` ends all streams."""

    def __init__(
        self,
        handlers: Handlers,
        discovery: Discovery,
        openapi: OpenApi,
        tokens: Tokens,
        admin_token: str,
        ready: Callable[[], Awaitable[bool]],
    ) -> None:
        self._handlers = handlers
        self._discovery = discovery
        self._openapi = openapi
        self._tokens = tokens
        self._admin_token = admin_token.encode()
        self._ready = ready
        self._runner: web.AppRunner | None = None

    async def start(self, host: str, port: int, context: ssl.SSLContext) -> int:
        """Raises OSError when the port is taken."""
        app = web.Application(client_max_size=BODY_LIMIT, middlewares=[self._refusals, self._authenticated])
        app.router.add_route("*", "/{path:.*}", self._route)
        self._runner = web.AppRunner(
            app, handler_cancellation=True, access_log=None, shutdown_timeout=_SHUTDOWN_SECONDS
        )
        await self._runner.setup()
        site = web.TCPSite(self._runner, host, port, ssl_context=context)
        await site.start()
        return int(self._runner.addresses[0][1])

    async def stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    @web.middleware
    async def _refusals(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            return await handler(request)
        except ApiError as error:
            return _refusal(error)
        except web.HTTPRequestEntityTooLarge:
            return _refusal(TooLarge(f"Request entity too large: limit is {BODY_LIMIT}"))
        except RecursionError:
            return _refusal(BadRequest("the object is nested too deeply"))
        except (web.HTTPException, ConnectionError):
            raise
        except Exception as error:  # the supervisor of requests: one that fails must not end the connection
            log.exception("request_failed", method=request.method, path=request.path)
            return _refusal(InternalError(f"Internal error occurred: {type(error).__name__}"))

    @web.middleware
    async def _authenticated(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Anyone who is let in may do everything: there are no roles."""
        if request.path not in _OPEN_PATHS and not self._known(request.headers.get("Authorization", "")):
            raise Unauthorized("Unauthorized")
        return await handler(request)

    def _known(self, authorization: str) -> bool:
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer":
            return False
        if hmac.compare_digest(token.strip().encode(), self._admin_token):
            return True
        try:
            self._tokens.review(token.strip())
        except BadToken:
            return False
        return True

    async def _route(self, request: web.Request) -> web.StreamResponse:
        parts = request.path.strip("/").split("/")
        if (parts[0] == "apis" and len(parts) > 3) or (parts[0] == "api" and len(parts) > 2):
            return await self._handlers.handle(request)
        if request.method not in ("GET", "HEAD"):
            raise MethodNotAllowed("the server does not allow this method on the requested resource")
        if parts[0] in ("api", "apis"):
            return self._describe(request, parts)
        if parts[:2] == ["openapi", "v3"]:
            return self._describe_schemas(parts[2:])
        if parts == ["openapi", "v2"]:
            return web.Response(body=empty_v2(), headers={"Content-Type": V2_MEDIA_TYPE})
        if request.path == "/version":
            return _json(_version())
        if parts[0] in ("healthz", "livez", "readyz"):
            return await self._health(parts[0])
        if not parts[0]:
            return _json({"paths": ["/api", "/apis", "/healthz", "/livez", "/openapi/v3", "/readyz", "/version"]})
        raise NotFound("the server could not find the requested resource")

    def _describe(self, request: web.Request, parts: list[str]) -> web.Response:
        if len(parts) == 1 and "as=APIGroupDiscoveryList" in request.headers.get("Accept", ""):
            document = self._discovery.aggregated(core=parts[0] == "api")
            body = orjson.dumps(document)
            return web.Response(body=body, headers={"Content-Type": AGGREGATED, "Vary": "Accept"})
        found: Object | None
        if len(parts) == 1:
            found = self._discovery.versions() if parts[0] == "api" else self._discovery.groups()
        elif parts[0] == "api":
            found = self._discovery.resources("", parts[1])
        elif len(parts) == 2:
            found = self._discovery.group(parts[1])
        else:
            found = self._discovery.resources(parts[1], parts[2])
        if found is None:
            raise NotFound("the server could not find the requested resource")
        return _json(found)

    def _describe_schemas(self, rest: list[str]) -> web.Response:
        if not rest:
            return _json(self._openapi.index())
        document = self._openapi.document("/".join(rest))
        if document is None:
            raise NotFound("the server could not find the requested resource")
        return web.Response(body=document, content_type="application/json")

    async def _health(self, kind: str) -> web.Response:
        if kind == "readyz" and not await self._ready():
            return web.Response(text="[-]postgresql failed\nreadyz check failed", status=500)
        return web.Response(text="ok")


def _version() -> Object:
    return {
        "major": "1",
        "minor": "35",
        "gitVersion": VERSION,
        "gitCommit": "",
        "gitTreeState": "clean",
        "buildDate": "1970-01-01T00:00:00Z",
        "goVersion": "",
        "compiler": "",
        "platform": "linux/amd64",
    }


def _json(document: Object) -> web.Response:
    return web.Response(body=orjson.dumps(document), content_type="application/json")


def _refusal(error: ApiError) -> web.Response:
    response = web.Response(body=orjson.dumps(error.status()), status=error.code, content_type="application/json")
    if error.retry_after:
        response.headers["Retry-After"] = str(error.retry_after)
    return response
