# SPDX-License-Identifier: Apache-2.0
"""The route table. One record drives routing, admission, validation and documentation; the handler only translates."""

import re
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Generic, Protocol, TypeVar
from uuid import UUID

import orjson
from aiohttp import hdrs, web
from pydantic import BaseModel

from castwarden_gateway.http.connections import meet_expectation
from castwarden_gateway.http.etags import IfMatch, tag_of, unchanged
from castwarden_gateway.http.idempotency import HEADER, Idempotency
from castwarden_gateway.http.operations import Operation
from castwarden_gateway.http.problems import (
    ANYWHERE,
    GATED,
    READING,
    UNSAFE,
    InvalidRequest,
    NotFound,
    Problem,
)
from castwarden_gateway.http.sse import EventStream
from castwarden_gateway.http.text import CONTROLS
from castwarden_gateway.http.validation import read_body, read_query

P = TypeVar("P")
P_co = TypeVar("P_co", covariant=True)
H = TypeVar("H", bound=Callable[..., Awaitable[Any]])
_SAFE = (hdrs.METH_GET, hdrs.METH_HEAD)


@dataclass(slots=True)
class Request(Generic[P]):
    """What a handler sees: who calls, the path's variables, and the application's parts by `web.AppKey`.

    An unsafe request makes its things under `operation`, so that a repeat after a crash makes no others.
    """

    principal: P
    params: Mapping[str, str]
    app: web.Application
    http: web.Request
    operation: Operation

    @property
    def if_match(self) -> IfMatch:
        """What the client means to change, if it says so."""
        return IfMatch(self.http.headers.get(hdrs.IF_MATCH))


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer. `body` is a model, a mapping or bytes of JSON; a handler may also return the body alone for 200.

    `version` is of the resource that the body shows: changes may be made on condition of it.
    """

    body: BaseModel | Mapping[str, Any] | bytes | None = None
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    version: str = ""


def created(body: BaseModel | Mapping[str, Any], location: str, *, version: str = "") -> Reply:
    return Reply(body, 201, {"Location": location}, version)


def no_content() -> Reply:
    return Reply(None, 204)


@dataclass(frozen=True, slots=True)
class Route:
    """One operation of the API.

    `returns` says for each status what the answer's `data` is (inside or not `enveloped`: the whole body), None that
    there is no body, a `Media` that it is no JSON. `problems` are what else may come of it on top of what may anywhere.
    From both come /openapi.json and docs/rest.md, and the tests hold every answer against them.
    """

    method: str
    path: str
    handler: Callable[..., Awaitable[Any]]
    scope: str | None
    body: type[BaseModel] | None = None
    query: type[BaseModel] | None = None
    returns: Mapping[int, Any] = field(default_factory=dict)
    problems: tuple[type[Problem], ...] = ()
    aliases: tuple[str, ...] = ()
    secret: bool = False  # the answer holds what is never shown again
    open: bool = False  # asks for no credential

    @property
    def internal(self) -> bool:
        return self.path.startswith("/internal/")

    @property
    def enveloped(self) -> bool:
        """Whether JSON answers are `{"data": ...}`."""
        return self.path.startswith("/api/")

    @property
    def possible(self) -> tuple[type[Problem], ...]:
        """Every problem that may come of it."""
        if self.internal:
            return (*ANYWHERE, *self.problems)
        found = [*self.problems, *((Problem,) if self.open else GATED)]
        if "{" in self.path:
            found.append(NotFound)
        if self.body is not None:
            found += READING
        if self.body is not None or self.query is not None:
            found.append(InvalidRequest)
        if self.keyed:
            found += UNSAFE
        return tuple(dict.fromkeys(found))

    @property
    def keyed(self) -> bool:
        """Whether it takes an Idempotency-Key."""
        return self.method not in _SAFE and not self.internal

    @property
    def paths(self) -> tuple[str, ...]:
        """Its path and the other names of it. `/v1` is YT Tracker's `/api/v1`."""
        short = (self.path.removeprefix("/api"),) if self.path.startswith("/api/v1/") else ()
        return (self.path, *short, *self.aliases)


class Gate(Protocol[P_co]):
    """Decides who a request comes from and whether it may pass; raises a Problem when it may not."""

    async def __call__(self, request: web.Request, scope: str | None, /) -> P_co: ...


class Witness(Protocol):
    """Sees every change while it is made."""

    async def __call__(
        self, http: web.Request, route: Route, caller: Any, work: Callable[[], Awaitable[web.StreamResponse]], /
    ) -> web.StreamResponse: ...


class Routes:
    """Collects routes: `@routes.get("/api/v1/things/{id}", scope="things:read")`."""

    def __init__(self) -> None:
        self.table: list[Route] = []

    def __iter__(self) -> Iterator[Route]:
        return iter(self.table)

    def route(
        self,
        method: str,
        path: str,
        *,
        scope: str | None = None,
        body: type[BaseModel] | None = None,
        query: type[BaseModel] | None = None,
        returns: Mapping[int, Any] | None = None,
        problems: list[type[Problem]] | None = None,
        aliases: tuple[str, ...] = (),
        secret: bool = False,
        open: bool = False,  # noqa: A002 - the word for it
    ) -> Callable[[H], H]:
        def add(handler: H) -> H:
            own, answers = tuple(problems or ()), dict(returns or {})
            record = Route(method, path, handler, scope, body, query, answers, own, aliases, secret, open)
            if method == hdrs.METH_GET and record.enveloped and answers.get(200) is not EventStream:
                answers[304] = None
            self.table.append(record)
            return handler

        return add

    def get(self, path: str, **options: Any) -> Callable[[H], H]:
        return self.route(hdrs.METH_GET, path, **options)

    def post(self, path: str, **options: Any) -> Callable[[H], H]:
        return self.route(hdrs.METH_POST, path, **options)

    def put(self, path: str, **options: Any) -> Callable[[H], H]:
        return self.route(hdrs.METH_PUT, path, **options)

    def patch(self, path: str, **options: Any) -> Callable[[H], H]:
        return self.route(hdrs.METH_PATCH, path, **options)

    def delete(self, path: str, **options: Any) -> Callable[[H], H]:
        return self.route(hdrs.METH_DELETE, path, **options)


def mount(
    app: web.Application,
    routes: Routes,
    gate: Gate[Any],
    refused: re.Pattern[str] = CONTROLS,
    idempotency: Idempotency | None = None,
    witness: Witness | None = None,
) -> None:
    """Adds every route, under all its paths, behind `gate`; those that change something before the `witness`.

    `refused` are the characters that no text of a body may hold.
    """
    for route in routes:
        once, seen = (idempotency, witness) if route.keyed else (None, None)
        handler = _handler(route, gate, refused, once, seen)
        for path in route.paths:
            if route.method == hdrs.METH_GET:
                app.router.add_get(path, handler, expect_handler=meet_expectation)
            else:
                app.router.add_route(route.method, path, handler, expect_handler=meet_expectation)


def _handler(
    route: Route,
    gate: Gate[Any],
    refused: re.Pattern[str],
    idempotency: Idempotency | None,
    witness: Witness | None,
) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    """Who asks and how often, then whether it is a repeat, then what is asked for."""

    async def handle(http: web.Request) -> web.StreamResponse:
        principal: Any = None if route.open else await gate(http, route.scope)
        if CONTROLS.search(http.path):
            raise NotFound("The path holds a control character.")

        if idempotency is None or HEADER not in http.headers:
            return await answer(http, principal, Operation())
        path = route.path.format_map(http.match_info)
        return await idempotency(http, path, principal, route.secret, partial(answer, http, principal))

    async def answer(http: web.Request, principal: Any, operation: Operation) -> web.StreamResponse:
        request: Request[Any] = Request(principal, http.match_info, http.app, http, operation)
        arguments: dict[str, Any] = {}
        if route.body is not None:
            arguments["body"] = await read_body(http, route.body, refused)
        if route.query is not None:
            arguments["query"] = read_query(http, route.query)

        async def work() -> web.StreamResponse:
            return _response(http, await route.handler(request, **arguments))

        return await (work() if witness is None else witness(http, route, principal, work))

    return handle


def _response(http: web.Request, result: Any) -> web.StreamResponse:
    if not isinstance(result, Reply):  # asked first because the other question is slow: StreamResponse is a mapping
        if isinstance(result, web.StreamResponse):
            return result
        result = Reply(result)
    reply: Reply = result
    if reply.body is None:
        return web.Response(status=reply.status, headers=reply.headers)
    body, headers = as_json(reply.body), dict(reply.headers)
    if http.method in _SAFE:
        headers.setdefault("Cache-Control", "private, no-cache")
        tag = headers.setdefault("ETag", tag_of(body, reply.version))
        if unchanged(http.headers.get(hdrs.IF_NONE_MATCH), tag):
            return web.Response(status=304, headers=headers)
    elif reply.version:
        headers["ETag"] = tag_of(body, reply.version)
    return web.Response(body=body, status=reply.status, headers=headers, content_type="application/json")


def as_json(body: Any) -> bytes:
    if isinstance(body, bytes):
        return body
    return orjson.dumps(body, default=_dump, option=orjson.OPT_UTC_Z)


def _dump(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    if isinstance(value, UUID):  # asyncpg's own kind of it
        return str(value)
    raise TypeError(f"{type(value).__name__} is not JSON")
