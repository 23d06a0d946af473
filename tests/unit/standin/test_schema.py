# SPDX-License-Identifier: Apache-2.0
"""Pruning, defaults and nulls, and what a schema has against a value."""

from typing import Any

import pytest
from castwarden_local.standin.validation.schema import (
    apply_defaults,
    compile_pattern,
    compile_schema,
    drop_nulls,
    prune,
)
from castwarden_local.standin.validation.schema_checks import check

GADGET = compile_schema(
    {
        "type": "object",
        "required": ["size"],
        "properties": {
            "size": {"type": "integer", "minimum": 1, "maximum": 20},
            "even": {"type": "integer", "multipleOf": 2},
            "ratio": {"type": "number", "minimum": 0, "exclusiveMinimum": True},
            "color": {"type": "string", "default": "red", "minLength": 2, "maxLength": 10, "pattern": "^[a-z]+$"},
            "mode": {"type": "string", "enum": ["A", "B"]},
            "when": {"type": "string", "format": "date-time"},
            "wait": {"type": "string", "format": "duration"},
            "port": {"x-kubernetes-int-or-string": True, "anyOf": [{"type": "integer"}, {"type": "string"}]},
            "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
            "maybe": {"type": "string", "nullable": True},
            "tags": {"type": "array", "items": {"type": "string"}, "maxItems": 2, "x-kubernetes-list-type": "set"},
            "parts": {
                "type": "array",
                "items": {
                    "type": "object",
                    "required": ["name"],
                    "properties": {"name": {"type": "string"}, "value": {"type": "string", "default": "v"}},
                },
                "x-kubernetes-list-type": "map",
                "x-kubernetes-list-map-keys": ["name"],
            },
            "labels": {"type": "object", "additionalProperties": {"type": "string"}, "maxProperties": 1},
            "sub": {"type": "object", "default": {}, "properties": {"a": {"type": "integer", "default": 7}}},
            "one": {
                "type": "object",
                "properties": {"x": {"type": "string"}, "z": {"type": "string"}},
                "oneOf": [{"required": ["x"]}, {"required": ["z"]}],
            },
        },
    }
)


def test_unknown_fields_are_removed_and_named_wherever_they_are() -> None:
    value = {"size": 1, "bogus": 1, "sub": {"b": 2}, "parts": [{"name": "a", "c": 3}], "free": {"kept": {"d": 4}}}
    assert prune(GADGET, value) == ["bogus", "parts[0].c", "sub.b"]
    assert value == {"size": 1, "sub": {}, "parts": [{"name": "a"}], "free": {"kept": {"d": 4}}}


def test_defaults_reach_into_objects_that_are_defaults_themselves_and_into_list_elements() -> None:
    value: dict[str, Any] = {"size": 1, "parts": [{"name": "a"}]}
    apply_defaults(GADGET, value)
    assert value == {"size": 1, "color": "red", "sub": {"a": 7}, "parts": [{"name": "a", "value": "v"}]}


def test_each_object_gets_its_own_copy_of_a_default() -> None:
    first: dict[str, Any] = {}
    second: dict[str, Any] = {}
    apply_defaults(GADGET, first)
    first["sub"]["a"] = 8
    apply_defaults(GADGET, second)
    assert second["sub"] == {"a": 7}


def test_a_null_vanishes_where_it_is_not_allowed_and_stays_where_it_is() -> None:
    value = {"size": None, "color": None, "maybe": None, "free": {"x": None}}
    drop_nulls(GADGET, value)
    assert value == {"maybe": None, "free": {"x": None}}


@pytest.mark.parametrize(
    ("value", "field", "message"),
    [
        ({}, "size", "Required value"),
        ({"size": "x"}, "size", 'Invalid value: "string": size in body must be of type integer: "string"'),
        ({"size": True}, "size", 'Invalid value: "boolean": size in body must be of type integer: "boolean"'),
        ({"size": 1.5}, "size", 'Invalid value: "number": size in body must be of type integer: "number"'),
        ({"size": 0}, "size", "Invalid value: 0: size in body should be greater than or equal to 1"),
        ({"size": 21}, "size", "Invalid value: 21: size in body should be less than or equal to 20"),
        ({"even": 3}, "even", "Invalid value: 3: even in body should be a multiple of 2"),
        ({"ratio": 0}, "ratio", "Invalid value: 0: ratio in body should be greater than 0"),
        ({"color": "a"}, "color", 'Invalid value: "a": color in body should be at least 2 chars long'),
        ({"color": "a" * 11}, "color", "Too long: may not be more than 10 bytes"),
        ({"color": "AB"}, "color", "Invalid value: \"AB\": color in body should match '^[a-z]+$'"),
        ({"mode": "C"}, "mode", 'Unsupported value: "C": supported values: "A", "B"'),
        ({"when": "noon"}, "when", 'Invalid value: "noon": when in body must be of type date-time: "noon"'),
        ({"wait": "5x"}, "wait", 'Invalid value: "5x": wait in body must be of type duration: "5x"'),
        ({"port": True}, "port", 'Invalid value: "boolean": port in body must be of type integer,string: "boolean"'),
        ({"tags": ["a", "a"]}, "tags[1]", 'Duplicate value: "a"'),
        ({"tags": ["a", "b", "c"]}, "tags", "Too many: 3: must have at most 2 items"),
        ({"parts": [{"name": "a"}, {"name": "a"}]}, "parts[1]", 'Duplicate value: {"name":"a"}'),
        ({"parts": [{"value": "a"}]}, "parts[0].name", "Required value"),
        ({"labels": {"a": "1", "b": "2"}}, "labels", "Too many: 2: must have at most 1 items"),
        (
            {"labels": {"a": 1}},
            "labels.a",
            'Invalid value: "integer": labels.a in body must be of type string: "integer"',
        ),
        (
            {"one": {"x": "1", "z": "2"}},
            "<nil>",
            'Invalid value: "": "one" must validate one and only one schema (oneOf). Found 2 valid alternatives',
        ),
    ],
)
def test_the_refusal_has_the_words_of_the_api_server(value: dict[str, Any], field: str, message: str) -> None:
    (cause,) = check(GADGET, value if field == "size" else {"size": 1} | value)
    assert (cause.field, cause.message) == (field, message)


def test_several_faults_are_reported_in_the_order_of_their_fields() -> None:
    assert [cause.field for cause in check(GADGET, {"size": 0, "mode": "C", "color": "A1"})] == [
        "color",
        "mode",
        "size",
    ]


def test_what_fits_is_not_refused() -> None:
    value = {
        "size": 2.0,
        "ratio": 1,
        "when": "2026-01-01T00:00:00.5+01:00",
        "wait": "1h30m",
        "port": "http",
        "maybe": None,
        "one": {"x": ""},
    }
    assert check(GADGET, value) == []


@pytest.mark.parametrize(("text", "fits"), [("abc", True), ("abc\n", False), ("a$", False)])
def test_a_dollar_in_a_pattern_means_the_very_end(text: str, fits: bool) -> None:
    assert bool(compile_pattern("^[a-z]+$").search(text)) is fits


def test_an_escaped_dollar_in_a_pattern_means_a_dollar() -> None:
    assert compile_pattern(r"^\$[0-9]+$").search("$5")
