# SPDX-License-Identifier: Apache-2.0
"""What the Kubernetes API's refusals are to a REST client."""

from collections.abc import Awaitable, Callable, Mapping
from typing import TypeVar

from castwarden_gateway.http.problems import (
    Conflict,
    FieldError,
    Forbidden,
    InvalidRequest,
    KubernetesAway,
    NotFound,
    Problem,
    pointer,
)
from castwarden_gateway.kube.client import KubernetesUnavailable, Refused

T = TypeVar("T")


def problem_of(error: Refused, fields: Mapping[str, str]) -> Problem:
    """`fields` maps paths of the resource to JSON Pointers of the REST body; the longest match wins."""
    if error.code == 422 or error.reason == "Invalid":
        errors = [
            FieldError(cause.get("message", ""), pointer=pointer_of(cause.get("field", ""), fields))
            for cause in error.causes
        ]
        return InvalidRequest("The resource would not be valid; see errors." if errors else str(error), errors=errors)
    if error.code == 404:
        return NotFound(str(error))
    if error.code == 409:
        return Conflict(str(error))
    if error.code in (401, 403):
        return Forbidden(f"The Kubernetes API does not allow this: {error}")
    return InvalidRequest(str(error))


async def refusals_as_problems(writing: Awaitable[T], fields: Mapping[str, str]) -> T:
    """The result of a write; a refusal becomes the problem that it is to the client."""
    try:
        return await writing
    except Refused as error:
        raise problem_of(error, fields) from error


def pointer_of(path: str, fields: Mapping[str, str]) -> str:
    """`spec.source.url` with `{"spec.source": "/source"}` is `/source/url`."""
    matching = [known for known in fields if path == known or path.startswith((known + ".", known + "["))]
    best = max(matching, key=len, default="")
    parts = path.removeprefix(best).replace("[", ".").replace("]", "").split(".")
    return fields.get(best, "") + pointer([part for part in parts if part])


PROBLEMS: dict[type[Exception], Callable[[Exception], Problem]] = {
    KubernetesUnavailable: lambda error: KubernetesAway(str(error)),
    Refused: lambda error: problem_of(error, {"spec": ""}) if isinstance(error, Refused) else Problem(),
}
