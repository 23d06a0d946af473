# SPDX-License-Identifier: Apache-2.0
"""Problems as the description speaks of them: one response for each status, with its codes and an example of each."""

from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import Annotated, Any, NotRequired

from pydantic import Field
from typing_extensions import TypedDict

from castwarden_gateway.http.problems import TYPE_BASE, KeyInFlight, Problem, Unavailable
from castwarden_gateway.openapi.parts import reference

CONTENT_TYPE = "application/problem+json"


class WrongField(TypedDict):
    """What is wrong with one field of the body, or with one parameter of the query."""

    detail: str
    pointer: NotRequired[Annotated[str, Field(description="A JSON Pointer (RFC 6901) into the body.")]]
    parameter: NotRequired[Annotated[str, Field(description="The name of a query parameter.")]]


class ProblemDetails(TypedDict):
    type: Annotated[str, Field(description="The code as a URI.")]
    title: Annotated[str, Field(description="What the code means.")]
    status: int
    code: Annotated[str, Field(description="Stable: programs look at this one.")]
    instance: Annotated[str, Field(description="The path that was asked for.")]
    request_id: Annotated[str, Field(description="Finds the request in the logs; `X-Request-Id` says the same.")]
    detail: NotRequired[Annotated[str, Field(description="What is wrong this time.")]]
    errors: NotRequired[Annotated[list[WrongField], Field(description="The first 40 wrong fields.")]]


ProblemDetails.__doc__ = "An error (RFC 9457). A kind of problem may have members of its own beside these."


def responses(problems: Iterable[type[Problem]], limited: bool) -> dict[str, tuple[str, dict[str, Any]]]:
    """By status: the name of a component and the response. `limited`: such a request is counted."""
    ordered = sorted(set(problems), key=lambda one: (one.status, one.code))
    return {
        str(status): _response(status, _once(group), limited)
        for status, group in groupby(ordered, key=lambda one: one.status)
    }


def _once(problems: Iterable[type[Problem]]) -> list[type[Problem]]:
    """Situations that share a code are one to the client."""
    return list({problem.code: problem for problem in problems}.values())


def _response(status: int, problems: Sequence[type[Problem]], limited: bool) -> tuple[str, dict[str, Any]]:
    codes = [problem.code for problem in problems]
    headers = ["X-Request-Id"]
    if limited:
        headers += ["RateLimit-Policy", "RateLimit"]
    if status == 401:
        headers.append("WWW-Authenticate")
    if status == 429 or any(issubclass(problem, Unavailable | KeyInFlight) for problem in problems):
        headers.append("Retry-After")
    own = {"type": "object", "properties": {"status": {"const": status}, "code": {"enum": codes}}}
    response = {
        "description": ". ".join(dict.fromkeys(problem.title for problem in problems)) + ".",
        "headers": {name: reference("headers", name) for name in headers},
        "content": {
            CONTENT_TYPE: {
                "schema": {"allOf": [reference("schemas", "ProblemDetails"), own]},
                "examples": {
                    problem.code: {"summary": problem.title, "value": _example(problem)} for problem in problems
                },
            }
        },
    }
    return ".".join([str(status), *codes, *([] if limited else ["open"])]), response


def _example(problem: type[Problem]) -> dict[str, Any]:
    return {
        "type": TYPE_BASE + problem.code,
        "title": problem.title,
        "status": problem.status,
        "code": problem.code,
        "instance": "/api/v1/monitors",
        "request_id": "1b0a7f3c9d2e-4f",
    }
