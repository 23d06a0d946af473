# SPDX-License-Identifier: Apache-2.0
"""Structural schemas in compiled form, and what they do to an object before anything is checked: prune and default.

`schema_checks.py` reports what is wrong with a value, `cel_rules.py` evaluates CEL, `apply/fields.py` reads the types
of lists and maps.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

from castwarden_local.standin.json_values import copy_json

ListType = Literal["atomic", "set", "map"]


@dataclass(frozen=True, slots=True)
class Rule:
    """One entry of `x-kubernetes-validations`."""

    rule: str
    message: str = ""
    message_expression: str = ""
    reason: str = "FieldValueInvalid"
    field_path: str = ""


@dataclass(frozen=True, slots=True)
class Bounds:
    """The value validations that are plain comparisons."""

    minimum: float | None = None
    maximum: float | None = None
    exclusive_minimum: bool = False
    exclusive_maximum: bool = False
    multiple_of: float | None = None
    min_length: int | None = None
    max_length: int | None = None
    min_items: int | None = None
    max_items: int | None = None
    min_properties: int | None = None
    max_properties: int | None = None
    unique_items: bool = False


@dataclass(frozen=True)
class Schema:
    """One node. A node without `type` and with `preserve_unknown` takes anything."""

    type: str = ""
    properties: Mapping[str, "Schema"] = field(default_factory=dict)
    items: "Schema | None" = None
    additional: "Schema | None" = None
    required: frozenset[str] = frozenset()
    default: Any = None
    enum: tuple[Any, ...] = ()
    format: str = ""
    pattern: re.Pattern[str] | None = None
    pattern_text: str = ""
    bounds: Bounds | None = None
    nullable: bool = False
    preserve_unknown: bool = False
    int_or_string: bool = False
    embedded: bool = False
    list_type: ListType = "atomic"
    list_keys: tuple[str, ...] = ()
    patch_key: str = ""
    atomic_map: bool = False
    rules: tuple[Rule, ...] = ()
    all_of: tuple["Schema", ...] = ()
    any_of: tuple["Schema", ...] = ()
    one_of: tuple["Schema", ...] = ()
    not_: "Schema | None" = None
    description: str = ""

    def child(self, key: str) -> "Schema | None":
        """The schema of one member of an object, None when the member is unknown."""
        return self.properties.get(key) or self.additional

    @cached_property
    def has_rules(self) -> bool:
        """Whether CEL has anything to say here or below."""
        return bool(self.rules) or any(child.has_rules for child in self._children())

    @cached_property
    def has_defaults(self) -> bool:
        """Whether anything here or below has a default."""
        return self.default is not None or any(child.has_defaults for child in self._children())

    def _children(self) -> list["Schema"]:
        return [*self.properties.values(), *(each for each in (self.items, self.additional) if each)]


ANYTHING = Schema(preserve_unknown=True)
_BOUNDS = {
    "minimum": "minimum",
    "maximum": "maximum",
    "exclusiveMinimum": "exclusive_minimum",
    "exclusiveMaximum": "exclusive_maximum",
    "multipleOf": "multiple_of",
    "minLength": "min_length",
    "maxLength": "max_length",
    "minItems": "min_items",
    "maxItems": "max_items",
    "minProperties": "min_properties",
    "maxProperties": "max_properties",
    "uniqueItems": "unique_items",
}


def compile_schema(raw: Mapping[str, Any]) -> Schema:
    """A node from an OpenAPI v3 schema as CustomResourceDefinitions write it. Raises `re.error` for a bad pattern."""
    bounds = {ours: raw[theirs] for theirs, ours in _BOUNDS.items() if theirs in raw}
    additional = raw.get("additionalProperties")
    return Schema(
        type=raw.get("type", ""),
        properties={name: compile_schema(each) for name, each in sorted(raw.get("properties", {}).items())},
        items=compile_schema(raw["items"]) if "items" in raw else None,
        additional=_additional(additional),
        required=frozenset(raw.get("required", ())),
        default=raw.get("default"),
        enum=tuple(raw.get("enum", ())),
        format=raw.get("format", ""),
        pattern=compile_pattern(raw["pattern"]) if "pattern" in raw else None,
        pattern_text=raw.get("pattern", ""),
        bounds=Bounds(**bounds) if bounds else None,
        nullable=raw.get("nullable", False),
        preserve_unknown=raw.get("x-kubernetes-preserve-unknown-fields", False),
        int_or_string=raw.get("x-kubernetes-int-or-string", False),
        embedded=raw.get("x-kubernetes-embedded-resource", False),
        list_type=raw.get("x-kubernetes-list-type", "atomic"),
        list_keys=tuple(raw.get("x-kubernetes-list-map-keys", ())),
        patch_key=raw.get("x-kubernetes-patch-merge-key", ""),
        atomic_map=raw.get("x-kubernetes-map-type") == "atomic",
        rules=tuple(_rule(each) for each in raw.get("x-kubernetes-validations", ())),
        all_of=_each(raw.get("allOf", ())),
        any_of=_each(raw.get("anyOf", ())),
        one_of=_each(raw.get("oneOf", ())),
        not_=compile_schema(raw["not"]) if "not" in raw else None,
        description=raw.get("description", ""),
    )


def compile_pattern(pattern: str) -> re.Pattern[str]:
    """Go's `$` and `\\z` mean the very end of the text; Python's `$` would let a trailing newline pass."""
    return re.compile(re.sub(r"(?<!\\)((?:\\\\)*)\$(?=$|\))", r"\1\\Z", pattern).replace("\\z", "\\Z"), re.ASCII)


def _additional(raw: Any) -> Schema | None:
    if isinstance(raw, Mapping):
        return compile_schema(raw)
    return ANYTHING if raw is True else None


def _rule(raw: Mapping[str, Any]) -> Rule:
    return Rule(
        rule=raw["rule"],
        message=raw.get("message", ""),
        message_expression=raw.get("messageExpression", ""),
        reason=raw.get("reason", "FieldValueInvalid"),
        field_path=raw.get("fieldPath", ""),
    )


def _each(raw: Sequence[Mapping[str, Any]]) -> tuple[Schema, ...]:
    return tuple(compile_schema(each) for each in raw)


def walk(schema: Schema, value: Any, path: str, visit: Callable[[Schema, Any, str], None]) -> None:
    """Calls `visit` for each value that has a schema, parents first; `visit` may change the value's members."""
    visit(schema, value, path)
    if isinstance(value, dict):
        for key in sorted(value):
            child = schema.child(key)
            if child is not None and key in value:
                walk(child, value[key], member(path, key), visit)
    elif isinstance(value, list) and schema.items is not None:
        for index, item in enumerate(value):
            walk(schema.items, item, f"{path}[{index}]", visit)


def member(path: str, key: str) -> str:
    """The path of an object's member."""
    return f"{path}.{key}" if path else key


def prune(schema: Schema, value: Any) -> list[str]:
    """Removes fields the schema does not know, in place; answers their paths."""
    unknown: list[str] = []

    def visit(node: Schema, each: Any, path: str) -> None:
        if not isinstance(each, dict) or node.preserve_unknown or node.additional is not None:
            return
        if node.type != "object" and not node.properties:
            return
        known = node.properties
        for key in [key for key in each if key not in known and not (node.embedded and key in _TYPE_META)]:
            unknown.append(member(path, key))
            del each[key]

    walk(schema, value, "", visit)
    return sorted(unknown)


_TYPE_META = ("apiVersion", "kind", "metadata")


def drop_nulls(schema: Schema, value: Any) -> None:
    """Removes members that are null where the schema does not allow it, in place."""

    def visit(node: Schema, each: Any, _path: str) -> None:
        if not isinstance(each, dict):
            return
        for key in [key for key, item in each.items() if item is None]:
            child = node.child(key)
            if child is not None and not child.nullable and (child.type or child.int_or_string):
                del each[key]

    walk(schema, value, "", visit)


def apply_defaults(schema: Schema, value: Any) -> None:
    """Fills in defaults, in place."""
    if not schema.has_defaults:
        return

    def visit(node: Schema, each: Any, _path: str) -> None:
        if not isinstance(each, dict):
            return
        for key, child in node.properties.items():
            if child.default is not None and key not in each:
                each[key] = copy_json(child.default)

    walk(schema, value, "", visit)
