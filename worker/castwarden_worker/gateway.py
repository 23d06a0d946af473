# SPDX-License-Identifier: Apache-2.0
"""The worker's side of the internal API: one method per call, every answer translated into a value or an error."""

import json
import time
from collections.abc import Callable, Mapping
from typing import Self

import aiohttp
from castwarden_model.messages import (
    TIME_HEADER,
    Assignment,
    ExtractionGrant,
    ExtractionRequest,
    Look,
    ReportAck,
    ResourceRef,
    Seats,
)
from pydantic import TypeAdapter, ValidationError

from .errors import Away, Fenced, Gone, Refused, Unavailable

_ASSIGNMENT: TypeAdapter[Assignment] = TypeAdapter(Assignment)
_NEVER_HEALS = (400, 413, 422)


class Line:
    """Calls to the gateway. `credentials` is asked before each. With a `session` it needs no `async with`."""

    def __init__(
        self,
        url: str,
        credentials: Callable[[], Mapping[str, str]],
        session: aiohttp.ClientSession | None = None,
    ) -> None:
        self._url = url.rstrip("/")
        self._credentials = credentials
        self._session = session
        self._own: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        self._session = self._own = aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar(), trust_env=False)
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._own:
            await self._own.close()

    async def _call(
        self,
        method: str,
        path: str,
        *,
        seconds: float,
        params: Mapping[str, str] | None = None,
        data: bytes | None = None,
    ) -> tuple[int, bytes]:
        assert self._session is not None, "use as a context manager"  # noqa: S101 - a mistake in our own code
        try:
            async with self._session.request(
                method,
                self._url + path,
                params=params,
                data=data,
                headers={
                    "Content-Type": "application/json",
                    TIME_HEADER: f"{time.time():.3f}",
                    **self._credentials(),
                },
                timeout=aiohttp.ClientTimeout(total=seconds, sock_connect=5),
                allow_redirects=False,
            ) as response:
                body = await response.read()
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise Away(f"{type(error).__name__}: {error}") from error
        if response.status == 404 and _code(body) == "gone":
            raise Gone(body[:500].decode(errors="replace"))
        if response.status == 409:
            raise Fenced(body[:500].decode(errors="replace"))
        return response.status, body


class Gateway(Line):
    """The calls of who works for one resource."""

    def __init__(
        self,
        url: str,
        resource: ResourceRef,
        credentials: Callable[[], Mapping[str, str]],
        session: aiohttp.ClientSession | None = None,
    ) -> None:
        super().__init__(url, credentials, session)
        self._resource = resource

    async def assignment(self, version: str | None, wait: float) -> Assignment | None:
        """The assignment once it is no longer at `version`, or None after `wait` seconds. Raises Gone, Unavailable."""
        ref = self._resource
        query = {"uid": ref.uid, "wait": f"{wait:g}"}
        if version is not None:
            query["version"] = version
        path = f"/internal/v1/assignments/{ref.kind}/{ref.namespace}/{ref.name}"
        status, body = await self._call("GET", path, seconds=wait + 10, params=query)
        if status == 204:
            return None
        if status != 200:
            raise Unavailable(f"assignment: HTTP {status}")
        try:
            return _ASSIGNMENT.validate_json(body)
        except ValidationError as error:
            raise Unavailable(
                f"assignment not understood: {error.error_count()} errors, {error.errors()[0]}"
            ) from error

    async def report(self, body: bytes) -> ReportAck:
        """Returns once the report is committed. Raises Gone, Fenced, Refused, Unavailable."""
        status, answer = await self._call("POST", "/internal/v1/reports", seconds=30, data=body)
        if status in _NEVER_HEALS:
            raise Refused(f"HTTP {status}: {answer[:500].decode(errors='replace')}")
        if status != 200:
            raise Unavailable(f"report: HTTP {status}")
        try:
            return ReportAck.model_validate_json(answer)
        except ValidationError as error:
            raise Unavailable("report: answer not understood") from error

    async def extraction(self, site: str) -> ExtractionGrant:
        """Whether `site` may be asked now. Raises Gone, Fenced, Unavailable."""
        body = ExtractionRequest(resource=self._resource, site=site).model_dump_json().encode()
        status, answer = await self._call("POST", "/internal/v1/extractions", seconds=5, data=body)
        if status != 200:
            raise Unavailable(f"extraction: HTTP {status}")
        try:
            return ExtractionGrant.model_validate_json(answer)
        except ValidationError as error:
            raise Unavailable("extraction: answer not understood") from error

    async def glance(self, look: Look) -> None:
        """Hands over a picture and measurements. Raises Gone, Fenced, Refused, Unavailable."""
        body = look.model_dump_json(exclude_none=True).encode()
        status, answer = await self._call("PUT", "/internal/v1/looks", seconds=10, data=body)
        if status in _NEVER_HEALS:
            raise Refused(f"HTTP {status}: {answer[:500].decode(errors='replace')}")
        if status != 204:
            raise Unavailable(f"glance: HTTP {status}")


class PoolGateway(Line):
    """The call of a Pod that many resources share."""

    def __init__(
        self,
        url: str,
        pod: tuple[str, str],
        credentials: Callable[[], Mapping[str, str]],
        session: aiohttp.ClientSession | None = None,
    ) -> None:
        """`pod` is its namespace and its name; with a token the gateway knows both without being told."""
        super().__init__(url, credentials, session)
        self._pod = pod

    async def seats(self, version: str | None, wait: float) -> Seats | None:
        """Who has a seat in this Pod, once that is no longer `version`, or None after `wait` seconds."""
        namespace, pod = self._pod
        query = {"namespace": namespace, "pod": pod, "wait": f"{wait:g}"}
        if version is not None:
            query["version"] = version
        status, body = await self._call("GET", "/internal/v1/seats", seconds=wait + 10, params=query)
        if status == 204:
            return None
        if status != 200:
            raise Unavailable(f"seats: HTTP {status}")
        try:
            return Seats.model_validate_json(body)
        except ValidationError as error:
            raise Unavailable(f"seats not understood: {error.error_count()} errors") from error


def _code(body: bytes) -> str | None:
    """The `code` of a problem; None when something between us and the gateway answered."""
    try:
        problem = json.loads(body)
    except ValueError:
        return None
    return problem.get("code") if isinstance(problem, dict) else None
