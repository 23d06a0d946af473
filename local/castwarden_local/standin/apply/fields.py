# SPDX-License-Identifier: Apache-2.0
"""Sets of fields, as `managedFields` records them: which fields a value has, which ones differ, which ones to take out.

A path is a tuple of FieldsV1 elements: `f:name` for a member, `k:{…}` for an element of a list map, `v:…` for one of a
set. Semantics follow structured-merge-diff, which the API server uses.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import orjson

from castwarden_local.standin.validation.schema import ANYTHING, Schema

Path = tuple[str, ...]
FieldSet = set[Path]


@dataclass(slots=True)
class Comparison:
    """Fields that only the new value has, that only the old one has, and whose value differs."""

    added: FieldSet = field(default_factory=set)
    removed: FieldSet = field(default_factory=set)
    modified: FieldSet = field(default_factory=set)


def encode(fields: FieldSet) -> dict[str, Any]:
    """FieldsV1: a nested object in which `.` marks a field that is itself in the set besides its members."""
    root: dict[str, Any] = {}
    for path in sorted(fields):
        node = root
        for element in path:
            node = node.setdefault(element, {})
        node["."] = {}
    return _without_lone_dots(root)


def _without_lone_dots(node: dict[str, Any]) -> dict[str, Any]:
    if len(node) == 1 and "." in node:
        return {}
    return {key: {} if key == "." else _without_lone_dots(child) for key, child in node.items()}


def decode(raw: Any) -> FieldSet:
    """The set in FieldsV1. Raises ValueError when it is not that."""
    found: FieldSet = set()
    _decode(raw, (), found)
    return found


def _decode(node: Any, path: Path, found: FieldSet) -> None:
    if not isinstance(node, dict):
        raise ValueError("fieldsV1 must consist of objects")  # noqa: TRY004 - bad input, not a bug
    if path and not node:
        found.add(path)
    for element, child in node.items():
        if element == ".":
            found.add(path)
        elif element[:2] in ("f:", "k:", "v:", "i:"):
            _decode(child, (*path, element), found)
        else:
            raise ValueError(f"unknown path element {element!r}")


def owned(schema: Schema, value: Any) -> FieldSet:
    """The fields that applying `value` claims: scalars, atomic values, and elements of sets and list maps."""
    found: FieldSet = set()
    _collect_owned(schema, value, (), found)
    return found


def _collect_owned(schema: Schema, value: Any, path: Path, found: FieldSet) -> None:
    if not _granular(schema, value):
        found.add(path)
    elif isinstance(value, dict):
        for key, item in value.items():
            here = (*path, f"f:{key}")
            _collect_owned(schema.child(key) or ANYTHING, item, here, found)
            if item is None or item == {} or key not in schema.properties:
                found.add(here)
    else:
        for element, item in elements(schema, value):
            here = (*path, element)
            _collect_owned(schema.items or ANYTHING, item, here, found)
            found.add(here)


def compare(schema: Schema, old: Any, new: Any) -> Comparison:
    """What an update from `old` to `new` changes; a value that appears or vanishes counts at every level."""
    result = Comparison()
    _compare(schema, old, new, (), result)
    return result


_ABSENT = object()


def _compare(schema: Schema, old: Any, new: Any, path: Path, result: Comparison) -> None:
    if old is new or (old == new and type(old) is type(new)):
        return
    if path and old is _ABSENT:
        result.added.add(path)
    elif path and new is _ABSENT:
        result.removed.add(path)
    present = new if old is _ABSENT else old
    alike = old is _ABSENT or new is _ABSENT or type(old) is type(new)
    if alike and _granular(schema, present) and (_filled(old) or _filled(new)):
        for element, before, after, child in _pairs(schema, old, new):
            _compare(child, before, after, (*path, element), result)
    elif old is not _ABSENT and new is not _ABSENT:
        result.modified.add(path)


def _filled(value: Any) -> bool:
    return value is not _ABSENT and bool(value)


def _pairs(schema: Schema, old: Any, new: Any) -> Iterator[tuple[str, Any, Any, Schema]]:
    left = {} if old is _ABSENT else _members(schema, old)
    right = {} if new is _ABSENT else _members(schema, new)
    for element in left | right:
        before, after = left.get(element, _ABSENT), right.get(element, _ABSENT)
        if element.startswith("f:"):
            yield element, before, after, schema.child(element[2:]) or ANYTHING
        else:
            yield element, before, after, schema.items or ANYTHING


def _members(schema: Schema, value: Any) -> dict[str, Any]:
    if isinstance(value, dict):
        return {f"f:{key}": item for key, item in value.items()}
    return dict(elements(schema, value))


def elements(schema: Schema, value: list[Any]) -> Iterator[tuple[str, Any]]:
    """The elements of a set or list map with the path element that names each."""
    for item in value:
        yield element_of(schema, item), item


def element_of(schema: Schema, item: Any) -> str:
    if schema.list_type == "set" or not isinstance(item, dict):
        return "v:" + orjson.dumps(item, option=orjson.OPT_SORT_KEYS).decode()
    keys = {key: item[key] if key in item else _key_default(schema, key) for key in schema.list_keys}
    known = {key: value for key, value in keys.items() if value is not None}
    return "k:" + orjson.dumps(known, option=orjson.OPT_SORT_KEYS).decode()


def _key_default(schema: Schema, key: str) -> Any:
    child = schema.items.child(key) if schema.items else None
    return child.default if child else None


def _granular(schema: Schema, value: Any) -> bool:
    """Whether managers own parts of this value rather than the whole."""
    if isinstance(value, dict):
        return not schema.atomic_map
    return isinstance(value, list) and schema.list_type != "atomic"


def merge(schema: Schema, live: Any, config: Any) -> Any:
    """`config` on top of `live`: members and keyed elements are united, everything else is replaced."""
    if not _granular(schema, config) or type(live) is not type(config):
        return config
    if isinstance(config, dict):
        merged = dict(live)
        for key, item in config.items():
            merged[key] = merge(schema.child(key) or ANYTHING, live[key], item) if key in live else item
        return merged
    return _merge_lists(schema, live, config)


def _merge_lists(schema: Schema, live: list[Any], config: list[Any]) -> list[Any]:
    """Keeps the order of `config` among its own elements and the place of those that only `live` has."""
    left, right = dict(elements(schema, live)), dict(elements(schema, config))
    before, after, merged = list(left), list(right), []
    done: set[str] = set()
    while before or after:
        if before and (before[0] not in right or before[0] in done):
            element = before.pop(0)
            if element not in done:
                merged.append(left[element])
            continue
        element = after.pop(0)
        item = right[element]
        merged.append(merge(schema.items or ANYTHING, left[element], item) if element in left else item)
        done.add(element)
    return merged


def remove(schema: Schema, value: Any, fields: FieldSet) -> Any:
    """`value` without the given fields. An object or list that this empties becomes null, as on the API server."""
    below: dict[str, FieldSet] = {}
    for path in fields:
        below.setdefault(path[0], set()).add(path[1:])
    if isinstance(value, dict):
        kept = {}
        for key, item in value.items():
            inner = below.get(f"f:{key}", set())
            if () not in inner:
                kept[key] = remove(schema.child(key) or ANYTHING, item, inner) if inner else item
        return kept or (None if value else value)
    if isinstance(value, list) and schema.list_type != "atomic":
        items = []
        for element, item in elements(schema, value):
            inner = below.get(element, set())
            if () not in inner:
                items.append(remove(schema.items or ANYTHING, item, inner) if inner else item)
        return items or (None if value else value)
    return value


@lru_cache(maxsize=4096)
def path_text(path: Path) -> str:
    """A path as conflict messages print it: `.spec.containers[name="x"].image`."""
    return "".join(_element_text(element) for element in path)


def _element_text(element: str) -> str:
    if element.startswith("f:"):
        return "." + element[2:]
    if element.startswith("k:"):
        keys = orjson.loads(element[2:])
        return "[" + ",".join(f"{key}={orjson.dumps(value).decode()}" for key, value in keys.items()) + "]"
    return f"[={element[2:]}]"
