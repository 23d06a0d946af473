# SPDX-License-Identifier: Apache-2.0
"""One route as an OpenAPI operation. Pure."""

import re
from collections.abc import Iterator, Sequence
from http import HTTPStatus
from typing import Any

from castwarden_gateway.http.media import media_type
from castwarden_gateway.http.problems import PreconditionFailed
from castwarden_gateway.http.routes import Route
from castwarden_gateway.openapi import problems
from castwarden_gateway.openapi.parts import TAGS, reference
from castwarden_gateway.openapi.schemas import Schema, Schemas, element_of, is_page

JSON = "application/json"
_VARIABLE = re.compile(r"\{(\w+)\}")
_VARIABLES = {"id": ("The resource's id.", "main-channel"), "slug": ("The tenant's slug.", "acme")}
_STREAM = "text/event-stream"


class Operations:
    """Makes operations, and gathers the responses that they share."""

    def __init__(self, table: Sequence[Route], schemas: Schemas) -> None:
        self._table = table
        self._schemas = schemas
        self._versioned = _versioned(table)
        self.responses: dict[str, Any] = {}

    def of(self, route: Route, alias: str = "") -> dict[str, Any]:
        """The operation of a route, or the deprecated one of its alias."""
        summary, _, more = _words(route).partition("\n\n")
        described = {
            "operationId": route.handler.__name__ + (f"_at_{_slug(alias)}" if alias else ""),
            "summary": summary.removesuffix("."),
            "description": "\n\n".join(filter(None, [more, *_remarks(route, alias)])),
            "tags": [tag_of(route.path)],
            "parameters": list(self._parameters(route)),
            "responses": {**self._answers(route), **self._problems(route)},
            "security": [] if route.open else [{name: _scopes(route)} for name in ("bearer", "apiKey")],
        }
        if route.body is not None:
            described["requestBody"] = {"required": True, "content": {JSON: self._body(route)}}
        return described | ({"deprecated": True} if alias else {})

    def _parameters(self, route: Route) -> Iterator[dict[str, Any]]:
        for name in _VARIABLE.findall(route.path):
            description, example = _VARIABLES.get(name, (f"The {name}.", "..."))
            shown = {"description": description, "schema": {"type": "string", "minLength": 1}, "example": example}
            yield {"name": name, "in": "path", "required": True, **shown}
        if route.query is not None:
            for name, field, required in self._schemas.fields(route.query):
                yield _query_parameter(name, field, required)
        if route.open:
            return
        yield reference("parameters", "TenantId")
        if route.keyed:
            yield reference("parameters", "IdempotencyKey")
        if PreconditionFailed in route.problems:
            yield reference("parameters", "IfMatch")
        if 304 in route.returns:
            yield reference("parameters", "IfNoneMatch")
        if any(media_type(answer) == _STREAM for answer in route.returns.values()):
            yield reference("parameters", "LastEventId")

    def _body(self, route: Route) -> dict[str, Any]:
        assert route.body is not None  # noqa: S101 - asked before
        schema = self._schemas.sent(route.body)
        return {"schema": schema, "example": self._schemas.example(schema)}

    def _answers(self, route: Route) -> dict[str, Any]:
        return {str(status): self._answer(route, status, answer) for status, answer in route.returns.items()}

    def _answer(self, route: Route, status: int, answer: Any) -> dict[str, Any]:
        described: dict[str, Any] = {"description": _phrase(status, answer)}
        described["headers"] = {name: reference("headers", name) for name in self._headers(route, status, answer)}
        if answer is None:
            return described
        if (media := media_type(answer)) is not None:
            return {**described, "content": {media: _of_media(answer, media)}}
        content = {"schema": self._schema(route, answer), "example": _example(route, answer, self._schemas)}
        return {**described, "content": {JSON: content}} | self._links(route, answer)

    def _links(self, route: Route, answer: Any) -> dict[str, Any]:
        """Where the id in an answer leads: `{"links": ...}`, when it leads anywhere."""
        shown = "0/" if is_page(answer) else ""
        fields = self._schemas.resolved(self._schemas.answered(element_of(answer))).get("properties", ())
        links = {}
        for other in self._table:
            variables = _VARIABLE.findall(other.path)
            if not route.enveloped or not other.path.startswith(f"{route.path}/{{") or len(variables) != 1:
                continue
            names = [name for name in fields if name == variables[0] or name.endswith(f"_{variables[0]}")]
            if names:
                parameters = {variables[0]: f"$response.body#/data/{shown}{names[0]}"}
                links[other.handler.__name__] = {"operationId": other.handler.__name__, "parameters": parameters}
        return {"links": links} if links else {}

    def _schema(self, route: Route, answer: Any) -> Schema:
        """Of the whole body."""
        schema = self._schemas.answered(element_of(answer))
        if not route.enveloped:
            return schema
        properties: dict[str, Any] = {"data": {"type": "array", "items": schema} if is_page(answer) else schema}
        if is_page(answer):
            properties |= {"meta": reference("schemas", "PageMeta"), "links": reference("schemas", "PageLinks")}
        return {"type": "object", "required": list(properties), "properties": properties}

    def _headers(self, route: Route, status: int, answer: Any) -> Iterator[str]:
        yield "X-Request-Id"
        if not route.open:
            yield from ("RateLimit-Policy", "RateLimit")
        if route.keyed:
            yield "Idempotency-Replayed"
        if 304 in route.returns or (route.path in self._versioned and answer is not None):
            yield "ETag"
        if status == HTTPStatus.CREATED:
            yield "Location"
        if is_page(answer):
            yield "Link"
        if media_type(answer) == "image/jpeg":
            yield "Last-Modified"

    def _problems(self, route: Route) -> dict[str, Any]:
        described = problems.responses(route.possible, limited=not route.open)
        self.responses |= dict(described.values())
        return {status: reference("responses", name) for status, (name, _) in described.items()}


def _versioned(table: Sequence[Route]) -> frozenset[str]:
    """Paths whose answers say in their ETag which version a change may name, and the lists of such resources."""
    changed = {route.path for route in table if PreconditionFailed in route.problems}
    return frozenset(changed | {path.removesuffix("/{id}") for path in changed})


def tag_of(path: str) -> str:
    """The subject's name; one that nobody has described yet is called as its path is."""
    subject = path.removeprefix("/api/v1/").split("/")[0] if path.startswith("/api/v1/") else ""
    if subject == "status":
        subject = ""
    return TAGS[subject][0] if subject in TAGS else subject.replace("_", " ").capitalize()


def _words(route: Route) -> str:
    """The handler's docstring, or its name: the summary, and behind an empty line the rest."""
    said = " ".join((route.handler.__doc__ or route.handler.__name__.replace("_", " ").capitalize()).split())
    return re.sub(r"\. ", ".\n\n", said, count=1)


def _remarks(route: Route, alias: str) -> Iterator[str]:
    if alias:
        yield f"Another name of `{route.method} {route.path}`, kept for clients of older systems."
    others = [f"`{path}`" for path in route.paths[1:] if path != alias]
    if others and not alias:
        yield f"Also at {', '.join(others)}."
    if route.open:
        yield "Needs no key."
    elif route.scope:
        yield f"Scope: `{route.scope}`."
    else:
        yield "Any key may ask."


def _scopes(route: Route) -> list[str]:
    return [route.scope] if route.scope else []


def _slug(alias: str) -> str:
    return re.sub(r"\W+", "_", alias).strip("_")


def _query_parameter(name: str, field: Schema, required: bool) -> dict[str, Any]:
    schema = dict(field)
    description = schema.pop("description", None)
    choices = [choice for choice in schema.pop("anyOf", []) if choice != {"type": "null"}]
    if len(choices) == 1:
        schema |= choices[0]
    elif choices:
        schema["anyOf"] = choices
    if schema.get("default", ...) is None:
        del schema["default"]
    found = {"name": name, "in": "query", "schema": schema}
    return found | ({"description": description} if description else {}) | ({"required": True} if required else {})


def _phrase(status: int, answer: Any) -> str:
    if is_page(answer):
        return "A page."
    return {304: "What the client has is what there is.", 204: "Done; there is nothing to say."}.get(
        status, f"{HTTPStatus(status).phrase}."
    )


def _of_media(answer: Any, media: str) -> dict[str, Any]:
    if media.startswith("image/"):
        return {"schema": {}}
    example = getattr(answer, "example", "")
    return {"schema": {"type": "string"}} | ({"example": example} if example else {})


def example_of(route: Route, schemas: Schemas) -> Any:
    """The first answer of JSON; None when there is none."""
    for answer in route.returns.values():
        if answer is not None and media_type(answer) is None:
            return _example(route, answer, schemas)
    return None


def _example(route: Route, answer: Any, schemas: Schemas) -> Any:
    example = schemas.example(schemas.answered(element_of(answer)))
    if not route.enveloped:
        return example
    return {"data": [example], "meta": {"count": 1}, "links": {"next": None}} if is_page(answer) else {"data": example}
