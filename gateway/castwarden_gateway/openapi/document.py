# SPDX-License-Identifier: Apache-2.0
"""The OpenAPI 3.1 document of a table of routes. Pure; made once, when the gateway starts."""

import re
from collections.abc import Iterable, Mapping
from typing import Annotated, Any

from castwarden_model import __version__
from pydantic import Field
from typing_extensions import TypedDict  # pydantic reads no other before Python 3.12

from castwarden_gateway.http.routes import Route
from castwarden_gateway.openapi.operations import Operations, tag_of
from castwarden_gateway.openapi.parts import HEADERS, PARAMETERS, SECURITY_SCHEMES, TAGS
from castwarden_gateway.openapi.problems import ProblemDetails
from castwarden_gateway.openapi.schemas import Schema, Schemas

_RULE = re.compile(r"self\.matches\(r'(.*)'\)")
_ABOUT = """\
Castwarden watches live streams, polls channels and fetches downloads, and tells by signed webhook what it sees.

**Credentials.** Send `Authorization: Bearer <key>` or `X-API-Key: <key>`. A scope `monitors:*` holds `monitors:read`
and `monitors:write`; `*` holds all but `admin`.

**Names.** Every path that starts with `/api/v1` is served under `/v1` too. Other names of a path are listed as
deprecated.

**Answers** are `{"data": ...}`; a page has `meta` and `links` besides, and `links.next` is the path of the next one.
**Errors** are `application/problem+json` (RFC 9457) with a stable `code`, and JSON Pointers to wrong fields.

**Repeats.** Every POST, PUT, PATCH and DELETE takes an `Idempotency-Key`. **Changes** take `If-Match`, every GET
`If-None-Match`. **Rate limits** are told in `RateLimit` and `RateLimit-Policy`.
"""


class PageMeta(TypedDict):
    """Of one page."""

    count: Annotated[int, Field(description="Rows on this page.")]


class PageLinks(TypedDict):
    """Of one page."""

    next: Annotated[str | None, Field(description="The path of the next page, to be asked for as it is.")]


def document(routes: Iterable[Route]) -> dict[str, Any]:
    """Raises MissingExample for a route whose body or answer has none."""
    table = tuple(routes)
    schemas = Schemas(table, (ProblemDetails, PageMeta, PageLinks))
    operations = Operations(table, schemas)
    paths: dict[str, dict[str, Any]] = {}
    for route in table:
        paths.setdefault(route.path, {})[route.method.lower()] = operations.of(route)
    for route in table:
        for alias in route.aliases:
            paths.setdefault(alias, {})[route.method.lower()] = operations.of(route, alias)
    queries = {route.query.__name__ for route in table if route.query is not None}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Castwarden",
            "version": __version__,
            "description": _ABOUT,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/", "description": "This gateway."}],
        "security": [{name: []} for name in SECURITY_SCHEMES],
        "tags": _tags(table),
        "paths": paths,
        "components": {
            "schemas": {name: _plain(part) for name, part in sorted(schemas.components.items()) if name not in queries},
            "responses": dict(sorted(operations.responses.items())),
            "parameters": PARAMETERS,
            "headers": HEADERS,
            "securitySchemes": SECURITY_SCHEMES,
        },
    }


def _tags(table: Iterable[Route]) -> list[dict[str, str]]:
    descriptions: Mapping[str, str] = dict(TAGS.values())
    return [
        {"name": name, "description": descriptions.get(name, "")}
        for name in dict.fromkeys(tag_of(route.path) for route in table)
    ]


def _plain(node: Any) -> Any:
    """A schema in JSON Schema's own words: rules that Kubernetes reads become patterns where they are such."""
    if isinstance(node, list):
        return [_plain(each) for each in node]
    if not isinstance(node, dict):
        return node
    out: Schema = {key: _plain(value) for key, value in node.items() if not key.startswith("x-kubernetes-")}
    for rule in node.get("x-kubernetes-validations", ()):
        if found := _RULE.fullmatch(rule["rule"]):
            out["pattern"] = found[1]
    return out
