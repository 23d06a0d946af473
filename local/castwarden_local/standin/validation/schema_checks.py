# SPDX-License-Identifier: Apache-2.0
"""What a schema has against a value, in the API server's words. CEL rules are not evaluated here."""

import json
from typing import Any

from castwarden_local.standin.errors import Cause
from castwarden_local.standin.validation.formats import CHECKS
from castwarden_local.standin.validation.schema import Bounds, Schema, member

BLOCKING = frozenset(
    {
        "FieldValueRequired",
        "FieldValueTypeInvalid",
        "FieldValueNotSupported",
        "FieldValueTooLong",
        "FieldValueTooMany",
    }
)
"""While one of these stands, CEL rules are not evaluated."""


def check(schema: Schema, value: Any, path: str = "") -> list[Cause]:
    """All that is wrong with `value`, members in the order of their names."""
    if value is None and (schema.nullable or schema.preserve_unknown):
        return []
    wrong_type = _check_type(schema, value, path)
    if wrong_type:
        return [wrong_type]
    causes = _check_combinations(schema, value, path) + _check_value(schema, value, path)
    if isinstance(value, dict):
        causes += [required(member(path, name)) for name in sorted(schema.required) if value.get(name) is None]
        for key in sorted(value):
            child = schema.child(key)
            if child is not None and not (value[key] is None and key in schema.required):
                causes += check(child, value[key], member(path, key))
    elif isinstance(value, list) and schema.items is not None:
        for index, item in enumerate(value):
            causes += check(schema.items, item, f"{path}[{index}]")
        causes += _check_duplicates(schema, value, path)
    return causes


def required(path: str, detail: str = "") -> Cause:
    return Cause(path, "Required value" + (f": {detail}" if detail else ""), "FieldValueRequired")


def invalid(path: str, value: Any, detail: str) -> Cause:
    return Cause(path, f"Invalid value: {shown(value)}: {detail}")


def forbidden(path: str, detail: str) -> Cause:
    return Cause(path, f"Forbidden: {detail}", "FieldValueForbidden")


def unsupported(path: str, value: Any, supported: tuple[Any, ...]) -> Cause:
    listed = ", ".join(shown(each) for each in supported)
    return Cause(path, f"Unsupported value: {shown(value)}: supported values: {listed}", "FieldValueNotSupported")


def too_long(path: str, most: int) -> Cause:
    return Cause(path, f"Too long: may not be more than {most} bytes", "FieldValueTooLong")


def duplicate(path: str, value: Any) -> Cause:
    return Cause(path, f"Duplicate value: {shown(value)}", "FieldValueDuplicate")


def shown(value: Any) -> str:
    """A value as error messages print it."""
    return json.dumps(value, separators=(",", ":"), sort_keys=True, ensure_ascii=False)


def type_name(value: Any) -> str:
    """The JSON type of a value; a whole number is an integer however it was written."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int):
        return "integer"
    if isinstance(value, float):
        return "integer" if value.is_integer() else "number"
    if isinstance(value, str):
        return "string"
    return "array" if isinstance(value, list) else "object"


def _check_type(schema: Schema, value: Any, path: str) -> Cause | None:
    found = type_name(value)
    if schema.int_or_string:
        fits, wanted = found in ("integer", "string"), "integer,string"
    elif schema.type:
        fits, wanted = found == schema.type or (schema.type == "number" and found == "integer"), schema.type
    else:
        return None
    if not fits:
        return _wrong_type(path, wanted, found)
    format_check = CHECKS.get(schema.format) if isinstance(value, str) else None
    if format_check is not None and not format_check(value):
        return _wrong_type(path, schema.format, value)
    return None


def _wrong_type(path: str, wanted: str, found: Any) -> Cause:
    text = shown(found)
    where = f"{path} in body" if path else "in body"
    return Cause(
        path or "<nil>", f"Invalid value: {text}: {where} must be of type {wanted}: {text}", "FieldValueTypeInvalid"
    )


def _check_value(schema: Schema, value: Any, path: str) -> list[Cause]:
    causes = []
    if schema.enum and value not in schema.enum:
        causes.append(unsupported(path, value, schema.enum))
    if isinstance(value, str) and schema.pattern is not None and not schema.pattern.search(value):
        causes.append(invalid(path, value, f"{path} in body should match '{schema.pattern_text}'"))
    if schema.bounds is not None:
        causes += _check_bounds(schema.bounds, value, path)
    return causes


def _check_bounds(bounds: Bounds, value: Any, path: str) -> list[Cause]:
    if isinstance(value, bool) or value is None:
        return []
    if isinstance(value, int | float):
        return _check_number(bounds, value, path)
    if isinstance(value, str):
        return _check_length(bounds, value, path)
    if isinstance(value, list):
        causes = _check_count(bounds.min_items, bounds.max_items, len(value), path, "items")
        if bounds.unique_items and len({shown(item) for item in value}) < len(value):
            causes.append(invalid(path, value, f"{path} in body shouldn't contain duplicates"))
        return causes
    return _check_count(bounds.min_properties, bounds.max_properties, len(value), path, "properties")


def _check_number(bounds: Bounds, value: float, path: str) -> list[Cause]:
    causes = []
    low, high, step = bounds.minimum, bounds.maximum, bounds.multiple_of
    if low is not None and (value <= low if bounds.exclusive_minimum else value < low):
        relation = "greater than" if bounds.exclusive_minimum else "greater than or equal to"
        causes.append(invalid(path, value, f"{path} in body should be {relation} {low:g}"))
    if high is not None and (value >= high if bounds.exclusive_maximum else value > high):
        relation = "less than" if bounds.exclusive_maximum else "less than or equal to"
        causes.append(invalid(path, value, f"{path} in body should be {relation} {high:g}"))
    if step is not None and not float(value / step).is_integer():
        causes.append(invalid(path, value, f"{path} in body should be a multiple of {step:g}"))
    return causes


def _check_length(bounds: Bounds, value: str, path: str) -> list[Cause]:
    if bounds.max_length is not None and len(value) > bounds.max_length:
        return [too_long(path, bounds.max_length)]
    if bounds.min_length is not None and len(value) < bounds.min_length:
        return [invalid(path, value, f"{path} in body should be at least {bounds.min_length} chars long")]
    return []


def _check_count(least: int | None, most: int | None, count: int, path: str, what: str) -> list[Cause]:
    if most is not None and count > most:
        return [Cause(path, f"Too many: {count}: must have at most {most} items", "FieldValueTooMany")]
    if least is not None and count < least:
        return [invalid(path, count, f"{path} in body should have at least {least} {what}")]
    return []


def _check_duplicates(schema: Schema, value: list[Any], path: str) -> list[Cause]:
    if schema.list_type == "atomic":
        return []
    seen: set[str] = set()
    causes = []
    for index, item in enumerate(value):
        identity = item
        if schema.list_type == "map":
            identity = {key: item[key] for key in schema.list_keys if key in item} if isinstance(item, dict) else item
        if shown(identity) in seen:
            causes.append(duplicate(f"{path}[{index}]", identity))
        seen.add(shown(identity))
    return causes


def _check_combinations(schema: Schema, value: Any, path: str) -> list[Cause]:
    causes = [cause for each in schema.all_of for cause in check(each, value, path)]
    if schema.any_of and not schema.int_or_string and all(check(each, value, path) for each in schema.any_of):
        causes.append(_combination(path, "must validate at least one schema (anyOf)"))
    if schema.one_of:
        valid = sum(not check(each, value, path) for each in schema.one_of)
        found = "none valid" if valid == 0 else f"{valid} valid alternatives"
        if valid != 1:
            causes.append(_combination(path, f"must validate one and only one schema (oneOf). Found {found}"))
    if schema.not_ is not None and not check(schema.not_, value, path):
        causes.append(_combination(path, "must not validate the schema (not)"))
    return causes


def _combination(path: str, detail: str) -> Cause:
    return Cause("<nil>", f'Invalid value: "": "{path}" {detail}')
