# SPDX-License-Identifier: Apache-2.0
"""The one place that turns any exception below a route into a problem, with a request id on every answer."""

import re
import secrets
import time
from collections.abc import Awaitable, Callable, Mapping
from itertools import count

from aiohttp import web
from castwarden_base.logs import get_logger
from prometheus_client import Counter, Histogram
from structlog.contextvars import bind_contextvars

from castwarden_gateway.db import DatabaseUnavailable, DatabaseUnwritable
from castwarden_gateway.http.problems import (
    DatabaseAway,
    DatabaseRefuses,
    MalformedRequest,
    MethodNotAllowed,
    NotFound,
    Problem,
)
from castwarden_gateway.http.reading import too_large

log = get_logger(__name__)
RESPONSE_HEADERS = web.RequestKey("response_headers", dict[str, str])
"""Headers that go onto the answer whatever becomes of the request."""

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
ToProblem = Callable[[Exception], Problem]
_DATABASE: Mapping[type, ToProblem] = {
    DatabaseUnavailable: lambda _: DatabaseAway(),
    DatabaseUnwritable: lambda _: DatabaseRefuses(),
}

_PROCESS, _NUMBERS = secrets.token_hex(6), count(1)
_CLEAN_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")
REQUESTS = Counter("castwarden_gateway_requests_total", "HTTP requests answered", ["listener", "method", "status"])
SECONDS = Histogram(
    "castwarden_gateway_request_seconds",
    "Time to answer, long polls and streams left out",
    ["listener"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)


def problems(
    listener: str, table: Mapping[type[Exception], ToProblem], draining: Callable[[], bool]
) -> Callable[..., Awaitable[web.StreamResponse]]:
    """The outermost middleware. `table` says which problem a subject's exception is.

    While draining, every answer closes its connection, so that no later request meets a closed one.
    """
    seconds, counters = SECONDS.labels(listener), _Counters(listener)

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        started = time.perf_counter()
        request_id = _request_id(request)
        headers = request[RESPONSE_HEADERS] = {"X-Request-Id": request_id}
        bind_contextvars(request_id=request_id)  # never unbound: the connection's next request binds its own
        try:
            response = await handler(request)
        except Problem as problem:
            response = _answer(request, problem, request_id)
        except web.HTTPException as error:
            response = _answer(request, _of_http(request, error), request_id)
        except Exception as error:  # noqa: BLE001 - the supervisor of requests: maps, logs and counts
            response = _answer(request, _of(error, table), request_id)
        counters[request.method, response.status].inc()
        if response.prepared:  # a stream, which has ended
            return response
        response.headers.update(headers)
        if draining():
            response.force_close()
        if "wait=" not in request.raw_path:
            seconds.observe(time.perf_counter() - started)
        return response

    return middleware


class _Counters(dict[tuple[str, int], Counter]):
    """The series of one listener, looked up once each."""

    def __init__(self, listener: str) -> None:
        self._listener = listener

    def __missing__(self, key: tuple[str, int]) -> Counter:
        found = self[key] = REQUESTS.labels(self._listener, *key)
        return found


def _request_id(request: web.Request) -> str:
    """The client's own, when it is one that may be logged and sent back, or a new one."""
    given = request.headers.get("X-Request-Id")
    if given is not None and _CLEAN_ID.fullmatch(given):
        return given
    return new_request_id()


def new_request_id() -> str:
    return f"{_PROCESS}-{next(_NUMBERS):x}"


def problem_of(error: Exception, table: Mapping[type[Exception], ToProblem]) -> Problem | None:
    """Which problem an exception is; None for one that nobody expects."""
    for kind in type(error).__mro__:
        if to_problem := table.get(kind) or _DATABASE.get(kind):
            return to_problem(error)
    return None


def _of(error: Exception, table: Mapping[type[Exception], ToProblem]) -> Problem:
    if (problem := problem_of(error, table)) is not None:
        return problem
    log.error("request_failed", exc_info=error)
    return Problem("The request id finds the cause in our logs.")


def _of_http(request: web.Request, error: web.HTTPException) -> Problem:
    """aiohttp's own refusals: no such path, wrong method, too large, unreadable."""
    if isinstance(error, web.HTTPMethodNotAllowed):
        allowed = ", ".join(sorted(error.allowed_methods))
        return MethodNotAllowed(f"{request.path} takes {allowed}.", headers={"Allow": allowed})
    if isinstance(error, web.HTTPRequestEntityTooLarge):
        return too_large(request)
    if error.status == NotFound.status:
        return NotFound(f"{request.path} is not part of this API.")
    return MalformedRequest(error.reason)


def _answer(request: web.Request, problem: Problem, request_id: str) -> web.Response:
    if problem.status >= 500:
        log.warning("request_refused", code=problem.code, path=request.path, detail=problem.detail)
    return problem.response(request_id, request.path)
