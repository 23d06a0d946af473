# SPDX-License-Identifier: Apache-2.0
"""The three patch formats besides apply: JSON patch (RFC 6902), merge patch (RFC 7396) and strategic merge patch."""

from typing import Any

import jsonpatch
import jsonpointer

from castwarden_local.standin.errors import BadRequest, Invalid
from castwarden_local.standin.json_values import copy_json
from castwarden_local.standin.validation.schema import ANYTHING, Schema

_OPERATIONS_LIMIT = 10_000


def json_patch(obj: dict[str, Any], operations: Any) -> dict[str, Any]:
    """Raises BadRequest for what is no JSON patch, Invalid for one that does not fit the object."""
    if not isinstance(operations, list) or not all(isinstance(each, dict) for each in operations):
        raise BadRequest("error decoding patch: json: cannot unmarshal into Go value of type jsonpatch.Patch")
    if len(operations) > _OPERATIONS_LIMIT:
        raise Invalid(f"The allowed maximum operations in a JSON patch is {_OPERATIONS_LIMIT}")
    try:
        result = jsonpatch.JsonPatch(operations).apply(obj)
    except (jsonpatch.JsonPatchException, jsonpointer.JsonPointerException, TypeError, KeyError) as error:
        raise Invalid("the server rejected our request due to an error in our request") from error
    if not isinstance(result, dict):
        raise Invalid("the server rejected our request due to an error in our request")
    return result


def merge_patch(obj: Any, patch: Any) -> Any:
    """Objects are merged, null removes, everything else replaces."""
    if not isinstance(patch, dict):
        return copy_json(patch)
    merged = dict(obj) if isinstance(obj, dict) else {}
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        else:
            merged[key] = merge_patch(merged.get(key), value)
    return merged


def strategic_patch(schema: Schema, obj: Any, patch: Any) -> Any:
    """As a merge patch, but lists with a merge key are merged by it; understands `$patch`, `$retainKeys`,
    `$deleteFromPrimitiveList` and `$setElementOrder`."""
    if not isinstance(patch, dict):
        return copy_json(patch)
    if patch.get("$patch") == "replace":
        return {key: copy_json(value) for key, value in patch.items() if key != "$patch"}
    if patch.get("$patch") == "delete":
        return {}
    merged = dict(obj) if isinstance(obj, dict) else {}
    if "$retainKeys" in patch:
        merged = {key: value for key, value in merged.items() if key in patch["$retainKeys"]}
    for key, value in patch.items():
        if key.startswith("$"):
            _directive(merged, key, value)
        elif value is None:
            merged.pop(key, None)
        else:
            merged[key] = _strategic_member(schema.child(key) or ANYTHING, merged.get(key), value)
    for key, value in patch.items():
        if key.startswith("$setElementOrder/"):
            _reorder(schema, merged, key.partition("/")[2], value)
    return merged


def _strategic_member(schema: Schema, old: Any, new: Any) -> Any:
    if isinstance(new, list) and schema.patch_key:
        return _strategic_list(schema, old or [], new)
    if isinstance(new, list) and schema.list_type == "set" and isinstance(old, list):
        return old + [item for item in new if item not in old]
    return strategic_patch(schema, old, new)


def _strategic_list(schema: Schema, old: list[Any], new: list[Any]) -> list[Any]:
    key, items = schema.patch_key, schema.items or ANYTHING
    if {"$patch": "replace"} in new:
        return [copy_json(item) for item in new if item != {"$patch": "replace"}]
    result = list(old)
    added = []
    for item in new:
        if not isinstance(item, dict) or key not in item:
            raise BadRequest(f"map: {item} does not contain declared merge key: {key}")
        at = next((index for index, each in enumerate(result) if each.get(key) == item[key]), None)
        if item.get("$patch") == "delete":
            result = [each for each in result if each.get(key) != item[key]]
        elif at is None:
            added.append(strategic_patch(items, {}, item))
        else:
            result[at] = strategic_patch(items, result[at], item)
    return added + result


def _directive(merged: dict[str, Any], key: str, value: Any) -> None:
    name, _, field = key.partition("/")
    if name == "$deleteFromPrimitiveList" and isinstance(merged.get(field), list):
        merged[field] = [item for item in merged[field] if item not in value]
    elif name not in ("$patch", "$retainKeys", "$setElementOrder", "$deleteFromPrimitiveList"):
        raise BadRequest(f"unknown directive {key} in strategic merge patch")


def _reorder(schema: Schema, merged: dict[str, Any], field: str, order: list[Any]) -> None:
    key = (schema.child(field) or ANYTHING).patch_key
    items = merged.get(field)
    if not isinstance(items, list):
        return
    wanted = [each.get(key) if isinstance(each, dict) else each for each in order]

    def place(item: Any) -> int:
        name = item.get(key) if isinstance(item, dict) else item
        return wanted.index(name) if name in wanted else -1

    merged[field] = sorted(items, key=place)
