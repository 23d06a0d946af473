# SPDX-License-Identifier: Apache-2.0
"""JSON patch, merge patch and strategic merge patch."""

from typing import Any

import pytest
from castwarden_local.standin.apply.patch import json_patch, merge_patch, strategic_patch
from castwarden_local.standin.builtin.table import model_schema
from castwarden_local.standin.errors import BadRequest, Invalid
from castwarden_local.standin.validation.schema import compile_schema

POD = compile_schema(model_schema("V1Pod"))


def containers(*items: dict[str, Any]) -> dict[str, Any]:
    return {"spec": {"containers": list(items)}}


def test_a_merge_patch_unites_objects_replaces_lists_and_removes_with_null() -> None:
    obj = {"a": {"b": 1, "c": 2}, "l": [1, 2], "d": 1}
    assert merge_patch(obj, {"a": {"b": None, "e": 3}, "l": [3], "d": {"f": None}}) == {
        "a": {"c": 2, "e": 3},
        "l": [3],
        "d": {},
    }
    assert obj == {"a": {"b": 1, "c": 2}, "l": [1, 2], "d": 1}


def test_a_json_patch_is_applied_in_order() -> None:
    steps = [
        {"op": "test", "path": "/a", "value": 1},
        {"op": "add", "path": "/l/-", "value": 3},
        {"op": "remove", "path": "/a"},
        {"op": "move", "from": "/b", "path": "/c"},
    ]
    assert json_patch({"a": 1, "l": [1], "b": 2}, steps) == {"l": [1, 3], "c": 2}


@pytest.mark.parametrize(
    "steps",
    [
        [{"op": "test", "path": "/a", "value": 2}],
        [{"op": "remove", "path": "/none"}],
        [{"op": "explode", "path": "/a"}],
        [{"op": "add", "path": "a", "value": 1}],
        [{"op": "replace", "path": "", "value": 5}],
    ],
)
def test_a_json_patch_that_does_not_fit_is_refused(steps: list[Any]) -> None:
    with pytest.raises(Invalid):
        json_patch({"a": 1}, steps)


@pytest.mark.parametrize("steps", [{}, "x", [1], None])
def test_what_is_no_json_patch_is_refused(steps: Any) -> None:
    with pytest.raises(BadRequest):
        json_patch({"a": 1}, steps)


def test_a_strategic_patch_merges_containers_by_name_and_their_env_too() -> None:
    old = containers({"name": "a", "image": "1", "env": [{"name": "X", "value": "1"}]}, {"name": "b", "image": "1"})
    new = containers({"name": "a", "env": [{"name": "X", "value": "2"}]}, {"name": "c", "image": "3"})
    patched = strategic_patch(POD, old, new)["spec"]["containers"]
    assert {each["name"]: each for each in patched} == {
        "a": {"name": "a", "image": "1", "env": [{"name": "X", "value": "2"}]},
        "b": {"name": "b", "image": "1"},
        "c": {"name": "c", "image": "3"},
    }


def test_a_strategic_patch_deletes_replaces_and_orders_as_told() -> None:
    old = containers({"name": "a"}, {"name": "b"})
    assert strategic_patch(POD, old, containers({"name": "a", "$patch": "delete"})) == containers({"name": "b"})
    assert strategic_patch(POD, old, containers({"$patch": "replace"}, {"name": "c"})) == containers({"name": "c"})
    order = {"spec": {"$setElementOrder/containers": [{"name": "b"}, {"name": "a"}]}}
    assert strategic_patch(POD, old, order) == containers({"name": "b"}, {"name": "a"})


def test_finalizers_are_added_and_taken_out_one_by_one() -> None:
    old = {"metadata": {"finalizers": ["a", "b"]}}
    assert strategic_patch(POD, old, {"metadata": {"finalizers": ["c", "a"]}})["metadata"]["finalizers"] == [
        "a",
        "b",
        "c",
    ]
    gone = {"metadata": {"$deleteFromPrimitiveList/finalizers": ["a"]}}
    assert strategic_patch(POD, old, gone)["metadata"]["finalizers"] == ["b"]


def test_lists_without_a_merge_key_are_replaced() -> None:
    old = {"spec": {"tolerations": [{"key": "a"}]}}
    assert strategic_patch(POD, old, {"spec": {"tolerations": [{"key": "b"}]}}) == {
        "spec": {"tolerations": [{"key": "b"}]}
    }


def test_an_element_without_its_merge_key_is_refused() -> None:
    with pytest.raises(BadRequest, match="does not contain declared merge key: name"):
        strategic_patch(POD, containers({"name": "a"}), containers({"image": "x"}))
