# SPDX-License-Identifier: Apache-2.0
"""The API's refusals as exceptions. Each carries the `Status` object that Kubernetes would answer with."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Cause:
    """One reason of an `Invalid` answer: which field, what is wrong, and Kubernetes' name for that sort of wrong."""

    field: str
    message: str
    reason: str = "FieldValueInvalid"

    def as_dict(self) -> dict[str, str]:
        return {"reason": self.reason, "message": self.message} | ({"field": self.field} if self.field else {})


@dataclass(frozen=True, slots=True)
class Subject:
    """What a Status is about: `details.name`, `details.group`, `details.kind` (a plural, except for Invalid)."""

    name: str = ""
    group: str = ""
    kind: str = ""
    uid: str = ""


class ApiError(Exception):
    """Base of every refusal; `code` is the HTTP status, `reason` the word that clients switch on."""

    code = 500
    reason = "InternalError"

    def __init__(
        self, message: str, subject: Subject | None = None, causes: Sequence[Cause] = (), retry_after: int = 0
    ) -> None:
        super().__init__(message)
        self.message = message
        self.subject = subject
        self.causes = tuple(causes)
        self.retry_after = retry_after

    def status(self) -> dict[str, Any]:
        answer: dict[str, Any] = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure"}
        answer |= {"message": self.message} | ({"reason": self.reason} if self.reason else {})
        details: dict[str, Any] = {}
        if self.subject is not None:
            pairs = {"name": self.subject.name, "group": self.subject.group, "kind": self.subject.kind}
            details = {key: value for key, value in (pairs | {"uid": self.subject.uid}).items() if value}
        if self.causes:
            details["causes"] = [cause.as_dict() for cause in self.causes]
        if self.retry_after:
            details["retryAfterSeconds"] = self.retry_after
        return answer | ({"details": details} if details else {}) | {"code": self.code}


class InternalError(ApiError):
    """What the API server answers with 500 although the request is to blame."""

    reason = ""


class BadRequest(ApiError):
    """The request makes no sense as it stands (malformed JSON, an unknown selector, an unknown field when strict)."""

    code, reason = 400, "BadRequest"


class Unauthorized(ApiError):
    """No credential, or one that nobody here issued."""

    code, reason = 401, "Unauthorized"


class Forbidden(ApiError):
    """The request is understood and refused, such as writing into a namespace that is going away."""

    code, reason = 403, "Forbidden"


class NotFound(ApiError):
    """No such object or no such resource."""

    code, reason = 404, "NotFound"


class MethodNotAllowed(ApiError):
    """The resource exists and has no such verb."""

    code, reason = 405, "MethodNotAllowed"


class NotAcceptable(ApiError):
    """None of the media types asked for can be served."""

    code, reason = 406, "NotAcceptable"


class AlreadyExists(ApiError):
    """A create under a name that is taken."""

    code, reason = 409, "AlreadyExists"


class Conflict(ApiError):
    """Read again and retry (resourceVersion, preconditions), or another manager owns the field (server-side apply)."""

    code, reason = 409, "Conflict"


class Expired(ApiError):
    """History no longer reaches back to the resourceVersion asked for; list again."""

    code, reason = 410, "Expired"


class TooLarge(ApiError):
    """The body exceeds the limit."""

    code, reason = 413, "RequestEntityTooLarge"


class UnsupportedMediaType(ApiError):
    """The body's Content-Type is not one this request takes."""

    code, reason = 415, "UnsupportedMediaType"


class Invalid(ApiError):
    """The object breaks its schema or a rule; `causes` name the fields."""

    code, reason = 422, "Invalid"


class Unavailable(ApiError):
    """PostgreSQL cannot be reached for now; retry."""

    code, reason = 503, "ServiceUnavailable"


class Timeout(ApiError):
    """The change may or may not have been made; read and retry."""

    code, reason = 504, "Timeout"
