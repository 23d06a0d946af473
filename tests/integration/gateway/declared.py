# SPDX-License-Identifier: Apache-2.0
"""Holds every answer that the tests see against what is said of it: /openapi.json for public routes, else the route."""

import copy
import json
import re
from collections.abc import Mapping
from functools import cache
from typing import Any

import jsonschema
from castwarden_gateway.http.routes import Route
from castwarden_gateway.tables import DESCRIBED_ROUTES, INTERNAL_ROUTES, description
from pydantic import TypeAdapter
from referencing import Registry
from referencing.jsonschema import DRAFT202012

_ROUTES = [
    (route, path, re.compile(re.sub(r"\\{\w+\\}", "[^/]+", re.escape(path))))
    for table in (*DESCRIBED_ROUTES, *INTERNAL_ROUTES)
    for route in table
    for path in route.paths
]
_DOCUMENT = "urn:castwarden"
_FREE = ("ProblemDetails", "OpenApi")  # may have more members than those that are named


def require_declared(method: str, path: str, status: int, headers: Mapping[str, str], body: Any) -> None:
    """Fails when this answer is none of those that are declared. Paths of no route are not looked at."""
    found = _route(method, path.partition("?")[0])
    if found is None or status == 405:
        return
    route, name = found[0], f"{method} {found[0].path}"
    if route.internal:
        _require_of_route(route, name, status, body)
        return
    operation = document()["paths"][found[1] if found[1] in document()["paths"] else route.path][method.lower()]
    assert str(status) in operation["responses"], f"{name} does not declare {status}: {body}"
    response = _resolved(operation["responses"][str(status)])
    for header, described in response["headers"].items():
        assert header in headers or not _resolved(described).get("required"), (
            f"{name} answers {status} without {header}"
        )
    if "content" not in response:
        assert not body, f"{name} declares {status} without a body"
        return
    media = headers["Content-Type"].partition(";")[0]
    assert media in response["content"], f"{name} declares {status} as {list(response['content'])}, not {media}"
    if media.endswith("json"):
        _validate(response["content"][media]["schema"], body, name)


def document() -> Any:
    """/openapi.json, with no fields in answers but those declared."""
    return _closed()


@cache
def _closed() -> Any:
    found = copy.deepcopy(json.loads(description()))
    for name, schema in found["components"]["schemas"].items():
        if "properties" in schema and name not in _FREE:
            schema["additionalProperties"] = False
    return found


def _resolved(part: Any) -> Any:
    if "$ref" not in part:
        return part
    _, _, kind, name = part["$ref"].split("/")
    return document()["components"][kind][name]


@cache
def _registry() -> Registry[Any]:
    empty: Registry[Any] = Registry()
    filled: Registry[Any] = empty.with_resource(_DOCUMENT, DRAFT202012.create_resource(document()))
    return filled


def _validate(schema: Any, body: Any, name: str) -> None:
    absolute = json.loads(json.dumps(schema).replace('"#/components', f'"{_DOCUMENT}#/components'))
    errors = list(jsonschema.Draft202012Validator(absolute, registry=_registry()).iter_errors(body))
    assert not errors, f"{name}: {[error.message for error in errors[:3]]} in {str(body)[:500]}"


def _require_of_route(route: Route, name: str, status: int, body: Any) -> None:
    if status >= 400:
        declared = {(problem.status, problem.code) for problem in route.possible}
        assert (status, body["code"]) in declared, f"{name} does not declare {status} {body['code']}"
        return
    assert status in route.returns, f"{name} does not declare {status}"
    if route.returns[status] is None:
        assert body == "", f"{name} declares {status} without a body"
    else:
        jsonschema.validate(body, _schema(route.returns[status]))


def _route(method: str, path: str) -> tuple[Route, str] | None:
    return next(
        ((route, shown) for route, shown, pattern in _ROUTES if route.method == method and pattern.fullmatch(path)),
        None,
    )


def _schema(answer: Any) -> dict[str, Any]:
    """The answer's JSON Schema, with no fields but those declared."""
    schema = TypeAdapter(answer).json_schema(mode="serialization")
    for part in (schema, *schema.get("$defs", {}).values()):
        if "properties" in part:
            part["additionalProperties"] = False
    return schema
