# SPDX-License-Identifier: Apache-2.0
"""Field sets: their encoding, what differs between two objects, merging and removing."""

from typing import Any

import pytest
from castwarden_local.standin.apply.fields import FieldSet, compare, decode, encode, merge, owned, path_text, remove
from castwarden_local.standin.validation.schema import compile_schema
from hypothesis import given
from hypothesis import strategies as st

SCHEMA = compile_schema(
    {
        "type": "object",
        "properties": {
            "a": {"type": "string"},
            "plain": {"type": "array", "items": {"type": "integer"}},
            "tags": {"type": "array", "items": {"type": "string"}, "x-kubernetes-list-type": "set"},
            "parts": {
                "type": "array",
                "items": {"type": "object", "properties": {"name": {"type": "string"}, "v": {"type": "string"}}},
                "x-kubernetes-list-type": "map",
                "x-kubernetes-list-map-keys": ["name"],
            },
            "labels": {"type": "object", "additionalProperties": {"type": "string"}},
            "whole": {"type": "object", "x-kubernetes-map-type": "atomic", "properties": {"x": {"type": "string"}}},
            "sub": {"type": "object", "properties": {"b": {"type": "string"}, "c": {"type": "string"}}},
        },
    }
)
elements = st.one_of(
    st.text("abc.:", min_size=1, max_size=3).map("f:{}".format), st.sampled_from(['k:{"name":"x"}', 'v:"y"'])
)
field_sets = st.sets(st.lists(elements, min_size=1, max_size=4).map(tuple), max_size=12)


@given(field_sets)
def test_encoding_loses_nothing(fields: FieldSet) -> None:
    assert decode(encode(fields)) == fields


def test_the_encoding_is_that_of_kubernetes() -> None:
    fields: FieldSet = {("f:parts", 'k:{"name":"x"}'), ("f:parts", 'k:{"name":"x"}', "f:v"), ("f:a",)}
    assert encode(fields) == {"f:a": {}, "f:parts": {'k:{"name":"x"}': {".": {}, "f:v": {}}}}


@pytest.mark.parametrize("raw", [[], {"x:y": {}}, {"f:a": []}])
def test_what_is_no_field_set_is_refused(raw: Any) -> None:
    with pytest.raises(ValueError, match=r"must consist of objects|unknown path element"):
        decode(raw)


def test_applying_claims_leaves_elements_and_atomic_values_but_not_the_objects_around_them() -> None:
    value = {
        "a": "1",
        "plain": [1],
        "tags": ["t"],
        "parts": [{"name": "x", "v": "1"}],
        "labels": {"l": "1"},
        "whole": {"x": "1"},
        "sub": {"b": "1"},
    }
    assert owned(SCHEMA, value) == {
        ("f:a",),
        ("f:plain",),
        ("f:tags", 'v:"t"'),
        ("f:parts", 'k:{"name":"x"}'),
        ("f:parts", 'k:{"name":"x"}', "f:name"),
        ("f:parts", 'k:{"name":"x"}', "f:v"),
        ("f:labels", "f:l"),
        ("f:whole",),
        ("f:sub", "f:b"),
    }


def test_a_comparison_tells_added_removed_and_modified_apart() -> None:
    old = {"a": "1", "sub": {"b": "1"}, "parts": [{"name": "x", "v": "1"}], "plain": [1]}
    new = {"sub": {"b": "2"}, "parts": [{"name": "x", "v": "1"}, {"name": "y"}], "plain": [2], "labels": {"l": "1"}}
    change = compare(SCHEMA, old, new)
    assert change.removed == {("f:a",)}
    assert change.modified == {("f:sub", "f:b"), ("f:plain",)}
    assert change.added == {
        ("f:labels",),
        ("f:labels", "f:l"),
        ("f:parts", 'k:{"name":"y"}'),
        ("f:parts", 'k:{"name":"y"}', "f:name"),
    }


def test_an_element_that_only_moved_has_not_changed() -> None:
    first, second = {"name": "x"}, {"name": "y"}
    change = compare(SCHEMA, {"parts": [first, second]}, {"parts": [second, first]})
    assert (change.added, change.removed, change.modified) == (set(), set(), set())


@pytest.mark.parametrize(
    ("live", "config", "merged"),
    [
        ({"a": "1", "sub": {"b": "1"}}, {"sub": {"c": "2"}}, {"a": "1", "sub": {"b": "1", "c": "2"}}),
        ({"plain": [1, 2]}, {"plain": [3]}, {"plain": [3]}),
        ({"whole": {"x": "1", "y": "2"}}, {"whole": {"x": "3"}}, {"whole": {"x": "3"}}),
        ({"tags": ["b", "c"]}, {"tags": ["a", "b"]}, {"tags": ["a", "b", "c"]}),
        (
            {"parts": [{"name": "z", "v": "2"}, {"name": "a", "v": "3"}]},
            {"parts": [{"name": "a", "v": "4"}, {"name": "b"}]},
            {"parts": [{"name": "z", "v": "2"}, {"name": "a", "v": "4"}, {"name": "b"}]},
        ),
    ],
)
def test_merging_unites_members_and_keyed_elements_and_replaces_the_rest(live: Any, config: Any, merged: Any) -> None:
    assert merge(SCHEMA, live, config) == merged


def test_removing_takes_out_members_and_elements_and_turns_what_it_empties_into_null() -> None:
    value = {"a": "1", "labels": {"l": "1"}, "tags": ["x", "y"], "parts": [{"name": "x", "v": "1"}]}
    gone: FieldSet = {("f:labels", "f:l"), ("f:tags", 'v:"x"'), ("f:parts", 'k:{"name":"x"}', "f:v")}
    assert remove(SCHEMA, value, gone) == {"a": "1", "labels": None, "tags": ["y"], "parts": [{"name": "x"}]}


def test_a_path_is_printed_as_in_conflicts() -> None:
    assert path_text(("f:spec", "f:parts", 'k:{"name":"x"}', "f:v")) == '.spec.parts[name="x"].v'
    assert path_text(("f:tags", 'v:"t"')) == '.tags[="t"]'
