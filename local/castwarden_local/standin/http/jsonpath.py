# SPDX-License-Identifier: Apache-2.0
"""The JSONPath of printer columns: members, indexes, `[*]` and filters such as `[?(@.type=="Ready")]`."""

import re
from collections.abc import Callable
from functools import cache
from typing import Any

import orjson

Step = Callable[[list[Any]], list[Any]]
_PART = re.compile(
    r"""\.?\[\?\(\s*@(?P<inner>[^=!<>)]*?)\s*(?:(?P<operator>==|!=|<=|>=|<|>)\s*(?P<operand>"[^"]*"|'[^']*'|[^)\s]+)\s*)?\)\]
      | \.?\[(?P<star>\*)\]
      | \.?\[(?P<index>-?\d+)\]
      | \.?\[(?P<quoted>'[^']*'|"[^"]*")\]
      | \.(?P<any>\*)
      | \.(?P<name>(?:\\.|[^.\[\\])+)""",
    re.VERBOSE,
)


def find(path: str, value: Any) -> list[Any]:
    """All values at a path; none when something on the way is missing or the path makes no sense."""
    found = [value]
    for step in _compiled(path):
        found = step(found)
    return found


@cache
def _compiled(path: str) -> tuple[Step, ...]:
    path = path.strip().removeprefix("{").removesuffix("}").removeprefix("$")
    if path and path[0] not in ".[":
        path = "." + path
    steps: list[Step] = []
    at = 0
    while at < len(path) and path[at:] != ".":
        match = _PART.match(path, at)
        if match is None:
            return (lambda _: [],)
        steps.append(_step(match))
        at = match.end()
    return tuple(steps)


def _step(match: "re.Match[str]") -> Step:
    if match["star"] or match["any"]:
        return _every
    if match["index"] is not None:
        return _indexed(int(match["index"]))
    if match["name"] is not None:
        return _named(re.sub(r"\\(.)", r"\1", match["name"]))
    if match["quoted"] is not None:
        return _named(match["quoted"][1:-1])
    return _filtered(match["inner"], match["operator"], match["operand"])


def _every(values: list[Any]) -> list[Any]:
    return [
        item
        for value in values
        for item in (value.values() if isinstance(value, dict) else value if isinstance(value, list) else ())
    ]


def _named(name: str) -> Step:
    return lambda values: [value[name] for value in values if isinstance(value, dict) and name in value]


def _indexed(index: int) -> Step:
    def step(values: list[Any]) -> list[Any]:
        return [value[index] for value in values if isinstance(value, list) and -len(value) <= index < len(value)]

    return step


def _filtered(inner: str, operator: str | None, operand: str | None) -> Step:
    def keeps(item: Any) -> bool:
        found = find(inner, item) if inner else [item]
        if operator is None or operand is None:
            return bool(found)
        return any(_compare(value, operator, _literal(operand)) for value in found)

    return lambda values: [item for item in _every(values) if keeps(item)]


def _literal(text: str) -> Any:
    if text[:1] in "'\"":
        return text[1:-1]
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return text


def _compare(left: Any, operator: str, right: Any) -> bool:
    if operator in ("==", "!="):
        return (left == right) is (operator == "==")
    if not isinstance(left, int | float) or not isinstance(right, int | float):
        return False
    return {"<": left < right, "<=": left <= right, ">": left > right, ">=": left >= right}[operator]
