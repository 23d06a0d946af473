# SPDX-License-Identifier: Apache-2.0
"""/openapi.json is valid, whole and true to the tables that it is made of."""

import hashlib
import json
import re
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from castwarden_gateway.http import vendor
from castwarden_gateway.http.routes import Request, Route, Routes
from castwarden_gateway.openapi.document import document
from castwarden_gateway.openapi.schemas import MissingExample
from castwarden_gateway.tables import DESCRIBED_ROUTES, OPEN_ROUTES, description
from openapi_spec_validator import OpenAPIV31SpecValidator
from pydantic import BaseModel
from referencing import Registry
from referencing.jsonschema import DRAFT202012

DOCUMENT: dict[str, Any] = json.loads(description())
TABLE = [route for table in DESCRIBED_ROUTES for route in table]
OPERATIONS = [
    (f"{method.upper()} {path}", operation)
    for path, methods in DOCUMENT["paths"].items()
    for method, operation in methods.items()
]
VENDORED = Path(vendor.__file__).parent


def resolved(part: dict[str, Any]) -> dict[str, Any]:
    while "$ref" in part:
        _, _, kind, name = part["$ref"].split("/")
        part = DOCUMENT["components"][kind][name]
    return part


def answers(operation: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    return ((status, resolved(response)) for status, response in operation["responses"].items())


def validate(schema: dict[str, Any], example: Any) -> None:
    registry: Registry[Any] = Registry().with_resource("urn:it", DRAFT202012.create_resource(DOCUMENT))
    absolute = json.loads(json.dumps(schema).replace('"#/components', '"urn:it#/components'))
    checker = jsonschema.Draft202012Validator.FORMAT_CHECKER
    jsonschema.Draft202012Validator(absolute, registry=registry, format_checker=checker).validate(example)


def test_the_description_is_valid_openapi_3_1() -> None:
    assert DOCUMENT["openapi"].startswith("3.1")
    assert [str(error) for error in OpenAPIV31SpecValidator(DOCUMENT).iter_errors()] == []


def test_every_route_is_described_under_its_path_and_its_older_names() -> None:
    described = {name for name, _ in OPERATIONS}
    assert described == {f"{route.method} {path}" for route in TABLE for path in (route.path, *route.aliases)}
    assert {name for name, operation in OPERATIONS if operation.get("deprecated")} == {
        f"{route.method} {alias}" for route in TABLE for alias in route.aliases
    }


def test_operations_have_names_of_their_own_a_subject_and_words() -> None:
    names = [operation["operationId"] for _, operation in OPERATIONS]
    assert len(set(names)) == len(names)
    subjects = {tag["name"] for tag in DOCUMENT["tags"]}
    for name, operation in OPERATIONS:
        assert set(operation["tags"]) <= subjects, name
        assert operation["summary"], name


def test_only_what_needs_no_key_says_so() -> None:
    keyless = {path for path, methods in DOCUMENT["paths"].items() if methods.get("get", {}).get("security") == []}
    assert keyless == {route.path for table in OPEN_ROUTES for route in table}
    assert keyless == {"/healthz", "/readyz", "/health", "/metrics", "/openapi.json"}


@pytest.mark.parametrize(("name", "operation"), OPERATIONS, ids=[name for name, _ in OPERATIONS])
def test_every_operation_has_an_example_of_its_request_and_its_answer_that_keep_to_their_schemas(
    name: str, operation: dict[str, Any]
) -> None:
    if "requestBody" in operation:
        content = operation["requestBody"]["content"]["application/json"]
        validate(content["schema"], content["example"])
    for status, response in answers(operation):
        for media, content in response.get("content", {}).items():
            if media == "application/problem+json":
                assert content["examples"], (name, status)
                for example in content["examples"].values():
                    validate(content["schema"], example["value"])
            elif media == "application/json":
                validate(content["schema"], content["example"])


@pytest.mark.parametrize("route", TABLE, ids=lambda route: f"{route.method} {route.path}")
def test_every_example_of_a_request_is_taken_by_its_model(route: Route) -> None:
    if route.body is not None:
        operation = DOCUMENT["paths"][route.path][route.method.lower()]
        route.body.model_validate(operation["requestBody"]["content"]["application/json"]["example"])


def test_every_error_is_a_problem_with_its_codes() -> None:
    for name, operation in OPERATIONS:
        for status, response in answers(operation):
            if int(status) >= 400 and operation["security"]:
                schema = response["content"]["application/problem+json"]["schema"]
                assert schema["allOf"][1]["properties"]["code"]["enum"], (name, status)


def test_headers_are_told_where_they_are_sent() -> None:
    paths = DOCUMENT["paths"]
    monitors, one = paths["/api/v1/monitors"], paths["/api/v1/monitors/{id}"]
    assert "Location" in monitors["post"]["responses"]["201"]["headers"]
    assert {"Link", "ETag", "RateLimit", "RateLimit-Policy"} <= monitors["get"]["responses"]["200"]["headers"].keys()
    assert "Retry-After" in resolved(monitors["get"]["responses"]["429"])["headers"]
    given = [
        parameter.get("$ref", parameter.get("name")).rsplit("/", 1)[-1] for parameter in one["patch"]["parameters"]
    ]
    assert given == ["id", "TenantId", "IdempotencyKey", "IfMatch"]


def test_a_model_without_an_example_is_told_of_by_name() -> None:
    class Bare(BaseModel):
        colour: str

    async def paint(_: Request[None], body: Bare) -> None: ...

    routes = Routes()
    routes.post("/api/v1/walls", scope="walls:write", body=Bare, returns={204: None})(paint)
    with pytest.raises(MissingExample, match="Bare"):
        document(routes)


def test_rules_of_kubernetes_become_patterns() -> None:
    text = json.dumps(DOCUMENT["components"])
    assert "x-kubernetes" not in text
    assert DOCUMENT["components"]["schemas"]["MonitorCreate"]["properties"]["stream_url"]["pattern"].startswith(
        "^(https?"
    )
    assert DOCUMENT["components"]["schemas"]["BlackCheck"]["properties"]["raiseAfter"]["default"] == "30s"


def test_the_vendored_page_is_the_published_file() -> None:
    published, name = (VENDORED / "SHA256SUMS").read_text("utf-8").split()
    content = zlib.decompress((VENDORED / f"{name}.gz").read_bytes(), wbits=31)
    assert hashlib.sha256(content).hexdigest() == published
    assert len(content) < 4 * 2**20
    assert re.search(r"MIT License.*Scalar", (VENDORED / "LICENSE.scalar").read_text("utf-8"), re.DOTALL)
