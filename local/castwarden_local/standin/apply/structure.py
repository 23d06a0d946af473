# SPDX-License-Identifier: Apache-2.0
"""Whether an applied object has the structure its schema asks for, in the words of structured-merge-diff."""

from typing import Any

from castwarden_local.standin.apply.fields import element_of, path_text
from castwarden_local.standin.validation.schema import Schema
from castwarden_local.standin.validation.schema_checks import type_name

_EXPECTED = {
    "object": "map",
    "array": "list",
    "string": "string",
    "integer": "numeric (int or float)",
    "number": "numeric (int or float)",
    "boolean": "boolean",
}
_ALIKE = {"integer": ("integer", "number"), "number": ("integer", "number")}


def structural_problem(schema: Schema, value: Any, path: str = "") -> str:
    """The first problem with its path, empty when there is none."""
    found = type_name(value)
    if schema.type and found != "null" and found not in _ALIKE.get(schema.type, (schema.type,)):
        return f"{path}: expected {_EXPECTED[schema.type]}, got {found}"
    if isinstance(value, dict):
        return _object_problem(schema, value, path)
    if isinstance(value, list) and schema.items is not None:
        return _list_problem(schema, schema.items, value, path)
    return ""


def _object_problem(schema: Schema, value: dict[str, Any], path: str) -> str:
    open_ended = schema.preserve_unknown or not (schema.properties or schema.type)
    for key, item in value.items():
        child = schema.child(key)
        if child is None and not open_ended:
            return f"{path}.{key}: field not declared in schema"
        problem = structural_problem(child, item, f"{path}.{key}") if child else ""
        if problem:
            return problem
    return ""


def _list_problem(schema: Schema, items: Schema, value: list[Any], path: str) -> str:
    seen = set()
    for index, item in enumerate(value):
        where = f"{path}[{index}]"
        if schema.list_type == "map":
            keys = schema.list_keys
            if not isinstance(item, dict) or not any(key in item for key in keys):
                named = ", ".join(f'"{key}"' for key in keys)
                detail = f"associative list with keys has an element that omits all key fields [{named}]"
                return f"{path}: element {index}: {detail} (and doesn't have default values for any key fields)"
        if schema.list_type != "atomic":
            element = element_of(schema, item)
            if element in seen:
                return f"{path}: duplicate entries for key {path_text((element,))}"
            seen.add(element)
            where = path + path_text((element,))
        problem = structural_problem(items, item, where)
        if problem:
            return problem
    return ""
