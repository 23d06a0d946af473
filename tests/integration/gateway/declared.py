# SPDX-License-Identifier: Apache-2.0
"""Holds every answer that the tests see against what its route declares, and so against docs/rest.md."""

import re
from typing import Any

import jsonschema
from castwarden_gateway.app import INTERNAL_ROUTES, PUBLIC_ROUTES
from castwarden_gateway.http.problems import ANYWHERE, UNSAFE, Problem
from castwarden_gateway.http.routes import Route
from castwarden_gateway.http.sse import EventStream
from castwarden_gateway.tenants.auth import InvalidTenant
from pydantic import TypeAdapter

_ROUTES = [
    (route, re.compile(re.sub(r"\\{\w+\\}", "[^/]+", re.escape(path))))
    for table in (*PUBLIC_ROUTES, *INTERNAL_ROUTES)
    for route in table
    for path in route.paths
]


def require_declared(method: str, path: str, status: int, body: Any) -> None:
    """Fails when this answer is none of those that its route declares. Paths of no route are not looked at."""
    route = _route(method, path.partition("?")[0])
    if route is None:
        return
    name = f"{method} {route.path}"
    if status >= 400:
        problems: tuple[type[Problem], ...] = (
            *ANYWHERE,
            InvalidTenant,
            *(UNSAFE if route.keyed else ()),
            *route.problems,
        )
        declared = {(problem.status, problem.code) for problem in problems}
        assert (status, body["code"]) in declared, f"{name} does not declare {status} {body['code']}"
        return
    assert status in route.returns, f"{name} does not declare {status}"
    if route.returns[status] is None:
        assert body == "", f"{name} declares {status} without a body"
    elif route.returns[status] is EventStream:
        assert isinstance(body, str), f"{name} declares {status} as a stream"
    elif route.returns[status] is bytes:
        assert isinstance(body, bytes), f"{name} declares {status} with bytes"
    else:
        enveloped = not route.path.startswith("/internal/")
        jsonschema.validate(body["data"] if enveloped else body, _schema(route.returns[status]))


def _route(method: str, path: str) -> Route | None:
    return next((route for route, pattern in _ROUTES if route.method == method and pattern.fullmatch(path)), None)


def _schema(answer: Any) -> dict[str, Any]:
    """The answer's JSON Schema, with no fields but those declared."""
    schema = TypeAdapter(answer).json_schema(mode="serialization")
    for part in (schema, *schema.get("$defs", {}).values()):
        if "properties" in part:
            part["additionalProperties"] = False
    return schema
