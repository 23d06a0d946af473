# SPDX-License-Identifier: Apache-2.0
"""CEL: the rules in `x-kubernetes-validations`, compiled once per definition and evaluated per object.

`self` and `oldSelf` are dynamically typed here, so a rule about a field that the schema lacks is found when it is
evaluated, where a real API server refuses the definition; times and durations are strings until a rule wraps them in
`timestamp()` or `duration()`, which means the same on a real one.
"""

import re
from collections.abc import Iterator
from functools import cache
from typing import Any

from cel_expr_python import cel
from cel_expr_python.ext import ext_math, ext_optional, ext_strings

from castwarden_local.standin.errors import Cause
from castwarden_local.standin.validation.cel_library import FUNCTIONS
from castwarden_local.standin.validation.schema import Rule, Schema, member
from castwarden_local.standin.validation.schema_checks import shown

_OLD_SELF = re.compile(r"\boldSelf\b")
_MISSING = object()


class BadRule(Exception):
    """A rule that does not compile."""


@cache
def _environment() -> Any:
    variables = {"self": cel.Type.DYN, "oldSelf": cel.Type.DYN}
    extensions = [ext_strings.ExtStrings(), ext_optional.ExtOptional(), ext_math.ExtMath()]
    return cel.NewEnv(variables=variables, extensions=extensions, functions=FUNCTIONS)


@cache
def compile_rule(expression: str) -> Any:
    """Raises BadRule with the compiler's message."""
    try:
        return _environment().compile(expression)
    except RuntimeError as error:
        raise BadRule(str(error).removeprefix("INVALID_ARGUMENT: ").removesuffix(" [INVALID_ARGUMENT]")) from error


def is_transition(rule: Rule) -> bool:
    """A rule about `oldSelf` applies only to updates of a value that was there before."""
    return bool(_OLD_SELF.search(rule.rule))


def evaluate(schema: Schema, value: Any, old: Any = None) -> list[Cause]:
    """The rules that `value` breaks; `old` is the object before an update."""
    return list(_evaluate(schema, value, _MISSING if old is None else old, ""))


def _evaluate(schema: Schema, value: Any, old: Any, path: str) -> Iterator[Cause]:
    if not schema.has_rules or value is None:
        return
    if schema.rules:
        this = bound(schema, value)
        before = None if old is _MISSING else bound(schema, old)
        for rule in schema.rules:
            if old is _MISSING and is_transition(rule):
                continue
            cause = _broken(rule, {"self": this, "oldSelf": before}, path)
            if cause is not None:
                yield cause
    yield from _evaluate_members(schema, value, old, path)


def _evaluate_members(schema: Schema, value: Any, old: Any, path: str) -> Iterator[Cause]:
    if isinstance(value, dict):
        for key in sorted(value):
            child = schema.child(key)
            if child is not None and child.has_rules:
                before = old.get(key, _MISSING) if isinstance(old, dict) else _MISSING
                yield from _evaluate(child, value[key], before, member(path, key))
    elif isinstance(value, list) and schema.items is not None and schema.items.has_rules:
        for index, item in enumerate(value):
            yield from _evaluate(schema.items, item, _counterpart(schema, item, old), f"{path}[{index}]")


def _counterpart(schema: Schema, item: Any, old: Any) -> Any:
    """The old element that an element is compared with: only list maps tell which one that is."""
    if schema.list_type != "map" or not isinstance(old, list) or not isinstance(item, dict):
        return _MISSING
    for candidate in old:
        if isinstance(candidate, dict) and all(candidate.get(key) == item.get(key) for key in schema.list_keys):
            return candidate
    return _MISSING


def _broken(rule: Rule, variables: dict[str, Any], path: str) -> Cause | None:
    result = compile_rule(rule.rule).eval(data=variables)
    field = path + rule.field_path if path else rule.field_path.removeprefix(".")
    if result.type() == cel.Type.BOOL:
        return None if result.value() else _cause(rule, variables, field)
    problem = str(result.value())
    return Cause(field or "<nil>", f"Invalid value: {rule.rule} evaluation failed: {problem}")


def _message(rule: Rule, variables: dict[str, Any]) -> str:
    if rule.message_expression:
        text = compile_rule(rule.message_expression).eval(data=variables)
        if text.type() == cel.Type.STRING and str(text.value()).strip():
            return str(text.value())
    return rule.message or f"failed rule: {rule.rule}"


def _cause(rule: Rule, variables: dict[str, Any], path: str) -> Cause:
    message, value = _message(rule, variables), variables["self"]
    about = "" if isinstance(value, dict | list) or rule.field_path else f"{shown(value)}: "
    words = {
        "FieldValueInvalid": f"Invalid value: {about}{message}",
        "FieldValueForbidden": f"Forbidden: {message}",
        "FieldValueRequired": f"Required value: {message}",
        "FieldValueDuplicate": f"Duplicate value: {about}{message}",
    }
    return Cause(path or "<nil>", words[rule.reason], rule.reason)


def bound(schema: Schema, value: Any) -> Any:
    """A value as CEL sees it: numbers of the schema's type, field names escaped where CEL reserves them."""
    if isinstance(value, dict):
        return {_name(schema, key): bound(schema.child(key) or schema, item) for key, item in value.items()}
    if isinstance(value, list) and schema.items is not None:
        return [bound(schema.items, item) for item in value]
    if isinstance(value, int) and not isinstance(value, bool) and schema.type == "number":
        return float(value)
    if isinstance(value, float) and schema.type == "integer":
        return int(value)
    return value


_RESERVED = re.compile(
    r"^(true|false|null|in|as|break|const|continue|else|for|function|if|import|let|loop|package|namespace|return|var|void"
    r"|while)\Z"
)
_ESCAPES = (("__", "__underscores__"), (".", "__dot__"), ("-", "__dash__"), ("/", "__slash__"))


@cache
def _escaped(name: str) -> str:
    if _RESERVED.match(name):
        return f"__{name}__"
    for raw, escape in _ESCAPES:
        name = name.replace(raw, escape)
    return name


def _name(schema: Schema, key: str) -> str:
    return _escaped(key) if key in schema.properties else key
