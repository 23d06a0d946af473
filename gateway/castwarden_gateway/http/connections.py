# SPDX-License-Identifier: Apache-2.0
"""Connections whose every answer is a problem when it is an error, also where no request could be made of the bytes."""

from aiohttp import web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.web_protocol import RequestHandler
from castwarden_base.logs import get_logger

from castwarden_gateway.http.errors import new_request_id
from castwarden_gateway.http.problems import MalformedRequest, Problem

log = get_logger(__name__)
_SHOWN = 200


class Connection(RequestHandler):
    """aiohttp's, which answers what it cannot read as text, and logs every such thing with its traceback."""

    __slots__ = ()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        writer: AbstractStreamWriter = request.writer
        if writer.output_size > 0:
            raise ConnectionError("A part of an answer is sent already.")
        request_id = new_request_id()
        if status < Problem.status:
            log.info("request_unreadable", request_id=request_id, remote=request.remote, reason=str(exc or message))
            problem: Problem = MalformedRequest(str(message or exc).partition(":")[0][:_SHOWN].rstrip(".") + ".")
        else:
            log.error("request_failed", request_id=request_id, exc_info=exc)
            problem = Problem("The request id finds the cause in our logs.")
        answer = problem.response(request_id, request.path)
        answer.headers["X-Request-Id"] = request_id
        answer.force_close()
        return answer


class _Server(web.Server):
    def __call__(self) -> RequestHandler:
        return Connection(self, loop=self._loop, **self._kwargs)


class Runner(web.AppRunner):
    """Serves an application over such connections."""

    async def _make_server(self) -> web.Server:
        made = await super()._make_server()
        parts = made._kwargs  # noqa: SLF001 - aiohttp has no other way to choose the class of connections
        return _Server(made.request_handler, request_factory=made.request_factory, loop=made._loop, **parts)  # noqa: SLF001


async def meet_expectation(request: web.Request) -> web.StreamResponse | None:
    """`Expect: 100-continue` is met; nobody knows any other (RFC 9110 §10.1.1)."""
    if request.headers.get("Expect", "").lower() == "100-continue":
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        request.writer.output_size = 0
        return None
    request_id = new_request_id()
    answer = MalformedRequest("Only 100-continue can be expected.").response(request_id, request.path)
    answer.headers["X-Request-Id"] = request_id
    answer.force_close()
    return answer
