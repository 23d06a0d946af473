# SPDX-License-Identifier: Apache-2.0
"""docs/rest.md: every route of the gateway, from the same tables that it serves. Then the models these speak of."""

import json
from collections.abc import Iterator
from typing import Any, get_args, get_origin

from castwarden_gateway.events.store import EventView
from castwarden_gateway.http.media import media_type
from castwarden_gateway.http.problems import ANYWHERE, UNSAFE, Problem
from castwarden_gateway.http.routes import Route, Routes
from castwarden_gateway.http.sse import EventStream
from castwarden_gateway.openapi.operations import example_of
from castwarden_gateway.openapi.schemas import AsWritten, Schemas
from castwarden_gateway.tables import DESCRIBED_ROUTES, INTERNAL_ROUTES
from castwarden_model.durations import SCHEMA as DURATION
from castwarden_model.resources.base import Spec
from pydantic import BaseModel, TypeAdapter
from pydantic.json_schema import JsonSchemaMode

from scripts.docs.tables import cell, fence, table

_HEAD = """# REST

Every public path starts with `/api/v1`; `/v1` is another name for it. Send `Authorization: Bearer <key>`; an
administrator acts for another tenant with `X-Tenant-Id: <slug>`. A scope `monitors:*` holds both `monitors:read`
and `monitors:write`; `*` holds all but `admin`.

An answer is `{"data": ...}`, a page `{"data": [...], "meta": {"count": 50}, "links": {"next": "<path>"}}`; the
header `Link` names the next page as well. A page has 50 rows, or `limit` (1 to 200). A cursor names the last row
that was seen, so rows that come and go between two pages shift nothing.

Every GET has a strong `ETag`; `If-None-Match` answers 304 while the bytes are the same. A PATCH or DELETE with
`If-Match` is refused with 412 when what can be configured has been changed since; what is only seen (a stream's
health, counters) is no such change, though it makes another `ETag`.

Errors are problem+json with a stable `code`. These any route may answer; the tables below name what a route adds:
"""
_REPEATS = """### Repeating a request

Every POST, PUT, PATCH and DELETE takes an `Idempotency-Key` of up to 255 visible characters. It belongs to the
tenant, the method and the path for 24 hours, and to the request that came with it: body, query and `If-Match`. A
repeat gets the first answer, of whatever status below 500, with `Idempotency-Replayed: true`. An answer that holds
a secret is kept encrypted and repeated only to the API key that asked first. 429, 5xx and a 409 that says to try
again are not kept.

What is asked for under a key happens once, whatever dies in between. When a gateway dies after the work and before
it has recorded the answer, a repeat gets 409 `idempotency-key-in-flight` for up to 15 seconds; the next one is
answered as the first would have been, without a second resource, delivery or poll. Where the work had been done, a
PATCH with `If-Match` then answers 200 while the resource still is as it asked, a DELETE answers that it is gone. A
ping is sent again, under the same `webhook-id`. Without the database, nothing is done under a key: 503.

These come on top:
"""
_AUDIT = """### Audit log

`GET /api/v1/audit` (scope `audit:read`) tells who changed what: every POST, PUT, PATCH and DELETE that came as far as
being done, with the API key, the address that `X-Forwarded-For` gives behind `CASTWARDEN_TRUSTED_PROXIES`, the user
agent, the request id and the outcome; also the first key, which the gateway makes itself. Bodies and secrets are not in
it. What an administrator does with `X-Tenant-Id` is in that tenant's log. Repeats that get the first answer change
nothing and are not in it, nor is what was refused for its key, its scope, its rate or the form of its body.

An entry is committed before the change is made, and without it nothing is changed: 503. `outcome` follows at once, and
later while the database is away; it stays `unknown` when the gateway died in between, or when more than 10,000
outcomes had to wait (`castwarden_gateway_audit_outcomes_lost_total`). Entries are kept for `CASTWARDEN_AUDIT_DAYS`.
"""
_RATES = """### Rate limits

An API key may send `RATE_LIMIT` requests in `RATE_LIMIT_WINDOW` seconds, or what its own `rate_limit` and
`rate_window_seconds` say: the first key, which the first start prints or `API_KEY` gives, says 1000 a minute.
All keys of a tenant together ten times the usual. Tokens come back evenly, the whole
limit may be used at once, and all gateways share one count. `RateLimit-Policy` and `RateLimit` tell limit and rest
on every answer (draft-ietf-httpapi-ratelimit-headers-11), `Retry-After` on 429. Requests without a valid key are
counted by client address; `X-Forwarded-For` is believed only from `CASTWARDEN_TRUSTED_PROXIES`, and there the
rightmost address that is no such proxy. While the database does not answer, requests pass and are counted in
`castwarden_gateway_rate_limits_open_total`; a key that was refused just before still waits for its `Retry-After`.
"""
_STREAMS = """### Event streams

`GET /api/v1/events/stream` and `GET /api/v1/monitors/{id}/events/stream` send events as they come, as server-sent
events: `id` is the event's id, `data` the event as `GET /api/v1/events` shows it, on one line. Messages have no
`event` field, so an EventSource gets them all in `onmessage`.

A reader that comes back with `Last-Event-ID` (EventSource does by itself; `last_event_id` in the query is the same)
gets all that has been recorded since, from the table, each event once: none is lost, none comes twice, and the
order is the same for every reader. It is that of the transactions that recorded them, which may differ a little
from that of the ids. Without it a stream begins with what is recorded from then on. A transaction that somebody
leaves open in the same PostgreSQL holds streams up until it ends.

A comment comes every 15 seconds when nothing else does, and then the API key is looked at again. A gateway has at
most `CASTWARDEN_STREAMS` streams open and `CASTWARDEN_STREAMS_PER_KEY` of one API key; more are refused with 429. A
reader that falls 500 events behind, or takes nothing in for 30 seconds, is hung up on, and may come back. On
SIGTERM streams end, to be taken up elsewhere.

```js
import { EventSource } from "eventsource"; // in Node; a browser's own EventSource can send no key

const headers = { Authorization: `Bearer ${process.env.KEY}` };
const source = new EventSource(`${process.env.CASTWARDEN}/api/v1/events/stream?type=alert.*`, {
  fetch: (url, init) => fetch(url, { ...init, headers: { ...init.headers, ...headers } }),
});
source.onmessage = (message) => console.log(JSON.parse(message.data));
```
"""
_ORDER = """### The order of things

A request is judged by its key, then by its rate, the key's scope, its `Idempotency-Key`, and last by what it asks
for. A repeat counts as a request. Pages of the origins in `ALLOW_ORIGINS` may call the API from a browser and read
every answer, refusals as well; a preflight needs no key.
"""
_INTERNAL = """For workers, on a port of its own, with a token or `X-Internal-API-Key`. Answers have no envelope.
"""


class Models:
    """The models that were spoken of, to be printed once each."""

    def __init__(self) -> None:
        self._known: dict[str, dict[str, Any]] = {}
        self._elsewhere = set(_parts_of_resources(Spec))

    def schema(self, annotation: Any, writing: bool) -> dict[str, Any]:
        """The JSON Schema of what clients send (`writing`) or get."""
        mode: JsonSchemaMode = "validation" if writing else "serialization"
        schema = TypeAdapter(annotation).json_schema(mode=mode, schema_generator=AsWritten)
        for name, part in schema.get("$defs", {}).items():
            self._known.setdefault(name, part)
        return schema

    def answer(self, annotation: Any) -> str:
        """What an answer holds, in words."""
        if annotation is None:
            return "nothing"
        if annotation is EventStream:
            return f"`text/event-stream` of {self.answer(EventView)}"
        if (media := media_type(annotation)) is not None:
            return f"`{media}`"
        if get_origin(annotation) is list:
            return f"a page of {self.answer(get_args(annotation)[0])}"
        schema = self.schema(annotation, writing=False)
        if "title" in schema:
            self._known.setdefault(schema["title"], schema)
        return self.type(schema if "title" not in schema else {"$ref": schema["title"]})

    def type(self, schema: dict[str, Any]) -> str:
        """A field's type; a model is a link."""
        if "$ref" in schema:
            name = schema["$ref"].rsplit("/", 1)[-1]
            if "enum" in self._known.get(name, {}):
                return self.type(self._known[name])
            return f"[{name}]({'resources.md' if name in self._elsewhere else '#' + name.lower()})"
        if choices := schema.get("anyOf") or schema.get("oneOf"):
            return " or ".join(self.type(choice) for choice in choices)
        if "enum" in schema or "const" in schema:
            return " ".join(f"`{choice}`" for choice in schema.get("enum") or [schema["const"]])
        if schema.get("type") == "array":
            return f"list of {self.type(schema['items'])}"
        return "duration" if schema.items() >= DURATION.items() else schema.get("format") or schema.get("type", "any")

    def fields(self, schema: dict[str, Any], writing: bool = False) -> str:
        rows = []
        for name, field in schema.get("properties", {}).items():
            type_ = self.type(field).removesuffix(" or null") if writing else self.type(field)
            given = "required" if name in schema.get("required", ()) else _default(field.get("default"))
            meaning = cell(field.get("description") or field.get("anyOf", [{}])[0].get("description", ""))
            rows.append((f"`{name}`", type_, given, meaning) if writing else (f"`{name}`", type_, meaning))
        return table(("field", "type", "default", "meaning") if writing else ("field", "type", "meaning"), rows)

    def sections(self) -> Iterator[str]:
        for name in sorted(self._known):
            schema = self._known[name]
            if name not in self._elsewhere and "properties" in schema:
                yield f"### {name}\n"
                if schema.get("description"):
                    yield cell(schema["description"]) + "\n"
                yield self.fields(schema)


def page() -> str:
    models = Models()
    parts = [
        _HEAD,
        _problems(*ANYWHERE),
        _REPEATS,
        _problems(*(one for one in UNSAFE if one not in ANYWHERE)),
        _ORDER,
        _AUDIT,
        _RATES,
        _STREAMS,
        "## Public\n",
        *_routes(DESCRIBED_ROUTES, models),
    ]
    parts += ["## Internal\n", _INTERNAL, *_routes(INTERNAL_ROUTES, models)]
    return "\n".join([*parts, "## Models\n", *models.sections()])


def _routes(tables: tuple[Routes, ...], models: Models) -> Iterator[str]:
    for each in tables:
        for route in each:
            yield from _route(route, models)


def _route(route: Route, models: Models) -> Iterator[str]:
    yield f"### {route.method} {route.path}\n"
    said = cell(route.handler.__doc__ or "") or route.handler.__name__.replace("_", " ").capitalize() + "."
    scope = f" Scope `{route.scope}`." if route.scope else " Needs no key." if route.open else ""
    others = f" Also {', '.join(f'`{path}`' for path in route.aliases)}." if route.aliases else ""
    yield f"{said}{scope}{others}\n"
    if route.query is not None:
        yield "Query:\n"
        yield models.fields(models.schema(route.query, writing=True), writing=True)
    if route.body is not None:
        yield from _body(route.body, models)
    answers = [(str(status), models.answer(kind)) for status, kind in route.returns.items()]
    own = sorted(set(route.problems) - set(ANYWHERE), key=lambda problem: (problem.status, problem.code))
    problems = [(str(problem.status), f"`{problem.code}`: {problem.title}") for problem in own]
    yield table(("status", "answer"), answers + problems)
    if not route.internal and (example := example_of(route, Schemas([route]))) is not None:
        yield fence(example)


def _body(body: type[BaseModel], models: Models) -> Iterator[str]:
    schema = models.schema(body, writing=True)
    yield f"Body: {cell(schema['description'])}\n" if "description" in schema else "Body:\n"
    yield models.fields(schema, writing=True)
    for example in schema.get("examples", ()):
        body.model_validate(example)
        yield fence(example)


def _problems(*problems: type[Problem]) -> str:
    ordered = sorted(problems, key=lambda one: one.status)
    rows = [(str(one.status), f"`{one.code}`", one.title) for one in ordered]
    return table(("status", "code", "when"), rows)


def _default(value: Any) -> str:
    return "" if value in (None, "", []) or isinstance(value, dict) else f"`{json.dumps(value)}`"


def _parts_of_resources(kind: type[BaseModel]) -> Iterator[str]:
    """Names of the models that docs/resources.md describes."""
    for part in kind.__subclasses__():
        yield part.__name__
        yield from _parts_of_resources(part)
