# SPDX-License-Identifier: Apache-2.0
"""Errors as RFC 9457 problem+json. One class per situation; raise it anywhere below a route."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import orjson
from aiohttp import web
from castwarden_model.faults import UNKNOWN, sentence
from pydantic import ValidationError

TYPE_BASE = "https://castwarden.dev/problems/"
_COUNTED_ERRORS = 1000
_SHOWN_ERRORS = 40
_SHOWN_CHARACTERS = 150  # of a pointer or a sentence: with 40 errors an answer stays below 16 KiB of text


@dataclass(frozen=True, slots=True)
class FieldError:
    """One wrong field: a JSON Pointer (RFC 6901) into the body, or the name of a query parameter."""

    detail: str
    pointer: str | None = None
    parameter: str | None = None

    def as_json(self) -> dict[str, str]:
        where = {"pointer": self.pointer} if self.parameter is None else {"parameter": self.parameter}
        return {"detail": self.detail, **{key: value for key, value in where.items() if value is not None}}


class Problem(Exception):
    """A request that cannot be answered as asked. `code` is stable; `detail` says what is wrong this time."""

    status: ClassVar[int] = 500
    code: ClassVar[str] = "internal-error"
    title: ClassVar[str] = "Something went wrong on our side"
    final: ClassVar[bool] = True
    """False: the same request may well succeed in a moment, so no Idempotency-Key keeps this answer."""

    def __init__(
        self,
        detail: str = "",
        *,
        errors: Sequence[FieldError] = (),
        headers: Mapping[str, str] | None = None,
        extra: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(detail or self.title)
        self.detail = detail
        self.errors = tuple(errors)
        self.headers = dict(headers or {})
        self.extra = dict(extra or {})

    def response(self, request_id: str, instance: str) -> web.Response:
        body: dict[str, Any] = {
            "type": TYPE_BASE + self.code,
            "title": self.title,
            "status": self.status,
            "code": self.code,
            "instance": instance,
            "request_id": request_id,
            **self.extra,
        }
        if self.detail:
            body["detail"] = self.detail
        if self.errors:
            body["errors"] = [error.as_json() for error in self.errors]
        return web.Response(
            body=orjson.dumps(body), status=self.status, headers=self.headers, content_type="application/problem+json"
        )


class MalformedRequest(Problem):
    status, code, title = 400, "malformed-request", "The request cannot be read"


class InvalidTenant(Problem):
    status, code, title = 400, "invalid-tenant", "There is no such tenant"


class Unauthorized(Problem):
    status, code, title = 401, "unauthorized", "No valid credential was given"

    def __init__(self, detail: str = "") -> None:
        super().__init__(detail, headers={"WWW-Authenticate": 'Bearer realm="castwarden"'})


class Forbidden(Problem):
    status, code, title = 403, "forbidden", "The credential does not allow this"


class NotFound(Problem):
    status, code, title = 404, "not-found", "There is no such thing"


class MethodNotAllowed(Problem):
    status, code, title = 405, "method-not-allowed", "This path does not take this method"


class Conflict(Problem):
    status, code, title = 409, "conflict", "The request does not fit the present state"


class Contended(Conflict):
    """Too many write the same thing at this moment."""

    final = False


class KeyInFlight(Conflict):
    code, title = "idempotency-key-in-flight", "The first request under this Idempotency-Key is not answered yet"

    def __init__(self, detail: str = "") -> None:
        super().__init__(detail, headers={"Retry-After": "1"})


class InvalidIdempotencyKey(MalformedRequest):
    code, title = "idempotency-key-invalid", "That is no Idempotency-Key"


class PreconditionFailed(Problem):
    status, code, title = 412, "precondition-failed", "The resource has changed since it was read"


class TooLarge(Problem):
    status, code, title = 413, "body-too-large", "The body is too large"


class UnsupportedMediaType(Problem):
    status, code, title = 415, "unsupported-media-type", "The body must be JSON"


class InvalidRequest(Problem):
    status, code, title = 422, "validation-error", "The request is not valid"


class KeyReused(InvalidRequest):
    code, title = "idempotency-key-reused", "This Idempotency-Key belongs to another request"


class TooManyRequests(Problem):
    status, code, title = 429, "rate-limit-exceeded", "Too many requests"


class Unavailable(Problem):
    status, code, title = 503, "unavailable", "Not possible at the moment"

    def __init__(self, detail: str = "", *, retry_after_seconds: int = 5) -> None:
        super().__init__(detail, headers={"Retry-After": str(retry_after_seconds)})


class DatabaseAway(Unavailable):
    code, title = "database-unavailable", "The database cannot be reached"


class DatabaseRefuses(Unavailable):
    code, title = "database-not-writable", "The database cannot write"

    def __init__(self) -> None:
        super().__init__("Its disk is full, or it is read-only.", retry_after_seconds=30)


class KubernetesAway(Unavailable):
    code, title = "kubernetes-unavailable", "The Kubernetes API cannot be reached"


GATED: tuple[type[Problem], ...] = (
    MalformedRequest,
    InvalidTenant,
    Unauthorized,
    Forbidden,
    TooManyRequests,
    Problem,
    Unavailable,
    DatabaseAway,
    DatabaseRefuses,
    KubernetesAway,
)
"""What every route that asks for a credential may answer with."""

READING: tuple[type[Problem], ...] = (TooLarge, UnsupportedMediaType)
"""What every route that takes a body may answer with besides."""

UNSAFE: tuple[type[Problem], ...] = (InvalidIdempotencyKey, KeyInFlight, KeyReused, Conflict, *READING)
"""What every route that takes an Idempotency-Key may answer with besides."""

ANYWHERE: tuple[type[Problem], ...] = (*GATED, *READING, NotFound, MethodNotAllowed, InvalidRequest)
"""What a client must expect of any route; a route names its own on top."""


def invalid_body(error: ValidationError) -> InvalidRequest:
    """What pydantic found wrong in a body, as JSON Pointers."""
    return InvalidRequest(
        f"Wrong fields in the body: {error.error_count()}; see errors.",
        errors=[FieldError(_cut(sentence(item)), pointer=_cut(pointer(item["loc"]))) for item in _first(error)],
    )


def invalid_query(error: ValidationError, known: Iterable[str]) -> InvalidRequest:
    """What pydantic found wrong in a query; an unknown parameter is answered with those that are `known`."""
    unknown = f"unknown parameter; there are {', '.join(known)}"
    errors = [
        FieldError(unknown if item["type"] == UNKNOWN else _cut(sentence(item)), parameter=_cut(str(item["loc"][0])))
        for item in _first(error)
    ]
    return InvalidRequest("The query has wrong parameters; see errors.", errors=errors)


def refused_character(*, pointer: str | None = None, parameter: str | None = None) -> InvalidRequest:
    """A text holds a character that no text may hold."""
    wrong = FieldError("holds a control character", pointer and _cut(pointer), parameter and _cut(parameter))
    return InvalidRequest("Control characters are not taken; see errors.", errors=[wrong])


def _first(error: ValidationError) -> Sequence[Mapping[str, Any]]:
    """The first errors. Pydantic builds all or none, which for a hostile body takes seconds: then it is none."""
    if error.error_count() > _COUNTED_ERRORS:
        return ()
    return error.errors(include_url=False, include_context=False, include_input=False)[:_SHOWN_ERRORS]


def _cut(text: str) -> str:
    return text if len(text) <= _SHOWN_CHARACTERS else text[:_SHOWN_CHARACTERS] + "…"


def pointer(path: Sequence[str | int]) -> str:
    """RFC 6901: `("checks", 0, "a/b")` is `/checks/0/a~1b`; the empty pointer is the whole body."""
    return "".join(f"/{str(part).replace('~', '~0').replace('/', '~1')}" for part in path)
