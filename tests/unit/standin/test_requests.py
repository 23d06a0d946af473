# SPDX-License-Identifier: Apache-2.0
"""Requests taken apart: paths, media types, query parameters, bodies; hostile ones too."""

import pytest
from castwarden_local.standin.builtin.table import built_in_resources
from castwarden_local.standin.errors import ApiError, BadRequest, Invalid, NotAcceptable, NotFound, UnsupportedMediaType
from castwarden_local.standin.http.requests import (
    APPLY_PATCH,
    JSON_PATCH,
    MERGE_PATCH,
    STRATEGIC_PATCH,
    Place,
    Query,
    decode_object,
    decode_patch,
    parse_path,
    parse_view,
)
from castwarden_local.standin.interface import CONFIG_MAPS, GVR, JOBS, NAMESPACES, PODS
from castwarden_local.standin.resources import Resource

CONFIG_MAP = next(each for each in built_in_resources() if each.gvr == CONFIG_MAPS)
CUSTOM = Resource(GVR("g.d", "v1", "xs"), "X", "x", True, custom=True)


@pytest.mark.parametrize(
    ("path", "place"),
    [
        ("/api/v1/pods", Place(PODS)),
        ("/api/v1/namespaces", Place(NAMESPACES)),
        ("/api/v1/namespaces/n", Place(NAMESPACES, "", "n")),
        ("/api/v1/namespaces/n/status", Place(NAMESPACES, "", "n", "status")),
        ("/api/v1/namespaces/n/pods", Place(PODS, "n")),
        ("/api/v1/namespaces/n/pods/p", Place(PODS, "n", "p")),
        ("/api/v1/namespaces/n/pods/p/log", Place(PODS, "n", "p", "log")),
        ("/apis/batch/v1/namespaces/n/jobs/j/status", Place(JOBS, "n", "j", "status")),
        ("/apis/batch/v1/jobs", Place(JOBS)),
    ],
)
def test_a_path_names_a_collection_an_object_or_a_subresource(path: str, place: Place) -> None:
    assert parse_path(path) == place


@pytest.mark.parametrize(
    "path", ["/", "/api", "/apis/batch/v1", "/nope/a/b/c", "/api/v1/pods/p/log/more", "/api/v1//pods"]
)
def test_a_path_of_another_form_is_not_found(path: str) -> None:
    with pytest.raises(NotFound):
        parse_path(path)


@pytest.mark.parametrize(
    ("accept", "view"),
    [
        ("", "object"),
        ("*/*", "object"),
        ("application/json", "object"),
        ("application/vnd.kubernetes.protobuf,application/json", "object"),
        ("application/json;as=Table;v=v1;g=meta.k8s.io,application/json", "table"),
        ("application/json;as=Table;v=v1beta1;g=meta.k8s.io,application/json", "object"),
        ("application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1", "partial"),
        ("application/json;stream=watch", "object"),
    ],
)
def test_the_first_media_type_that_can_be_served_is(accept: str, view: str) -> None:
    assert parse_view(accept) == view


def test_a_client_that_takes_nothing_we_have_is_refused() -> None:
    with pytest.raises(NotAcceptable):
        parse_view("application/vnd.kubernetes.protobuf")


@pytest.mark.parametrize(
    "parameters",
    [{"dryRun": "Some"}, {"fieldValidation": "Maybe"}, {"fieldManager": "x" * 129}, {"force": "true"}],
)
def test_parameters_that_make_no_sense_are_refused(parameters: dict[str, str]) -> None:
    query = Query(parameters)

    def read() -> object:
        kind = "PatchOptions"
        return query.dry_run(kind), query.validation(kind), query.manager(kind, "", applying=False)

    with pytest.raises(Invalid, match=r'PatchOptions\.meta\.k8s\.io "" is invalid'):
        read()


def test_the_manager_is_the_one_asked_for_else_the_clients_name() -> None:
    assert Query({"fieldManager": "me"}).manager("CreateOptions", "curl/8", applying=False) == "me"
    assert Query({}).manager("CreateOptions", "curl/8.1 (x)", applying=False) == "curl"
    with pytest.raises(Invalid, match="is required for apply patch"):
        Query({}).manager("PatchOptions", "curl/8", applying=True)


def test_numbers_are_numbers() -> None:
    assert Query({"limit": "5"}).integer("limit") == 5
    with pytest.raises(BadRequest, match=r'strconv\.ParseInt: parsing "x"'):
        Query({"limit": "x"}).integer("limit")


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"5", b'"x"', b"\xff\xfe", b'{"a":' * 5000, b"[" * 5000])
def test_a_body_that_is_no_object_is_a_bad_request(body: bytes) -> None:
    with pytest.raises(BadRequest, match="must be of type ConfigMap"):
        decode_object(body, CONFIG_MAP, "application/json")


def test_nesting_has_a_limit() -> None:
    body = b'{"data":' * 101 + b"1" + b"}" * 101
    with pytest.raises(BadRequest, match="exceeded max depth"):
        decode_object(body, CONFIG_MAP, "application/json")


def test_a_custom_object_says_its_kind() -> None:
    with pytest.raises(BadRequest, match="Object 'Kind' is missing"):
        decode_object(b'{"metadata":{}}', CUSTOM, "application/json")


@pytest.mark.parametrize(
    ("kind", "resource"),
    [("application/json", CONFIG_MAP), (STRATEGIC_PATCH, CUSTOM), ("", CUSTOM), ("text/plain", CUSTOM)],
)
def test_a_patch_of_an_unknown_format_is_refused(kind: str, resource: Resource) -> None:
    with pytest.raises(UnsupportedMediaType, match="accepted media types include"):
        decode_patch(b"{}", kind, resource)


def test_patches_are_read_as_their_format_says() -> None:
    assert decode_patch(b"[]", JSON_PATCH, CUSTOM) == []
    assert decode_patch(b'{"a":null}', MERGE_PATCH, CUSTOM) == {"a": None}
    with pytest.raises(BadRequest, match="cannot unmarshal array"):
        decode_patch(b"[]", MERGE_PATCH, CUSTOM)


def test_an_applied_object_may_be_yaml_without_dates() -> None:
    yaml = b"kind: X\nspec:\n  day: 2026-01-01\n  at: 2026-01-01T00:00:00Z\n  on: true\n"
    assert decode_patch(yaml, APPLY_PATCH, CUSTOM)["spec"] == {
        "day": "2026-01-01",
        "at": "2026-01-01T00:00:00Z",
        True: True,
    }


@pytest.mark.parametrize(
    "body",
    [b"a: &a [1]\nb: [*a, *a]", b"!!python/object/apply:os.system ['true']", b"- 1", b"a: [", b"", b"\x00"],
    ids=["aliases", "python", "list", "cut off", "empty", "zero"],
)
def test_hostile_yaml_is_refused(body: bytes) -> None:
    with pytest.raises(ApiError) as refused:
        decode_patch(body, APPLY_PATCH, CUSTOM)
    assert refused.value.code == 400
