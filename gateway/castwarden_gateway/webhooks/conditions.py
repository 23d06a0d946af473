# SPDX-License-Identifier: Apache-2.0
"""The filter of an endpoint on the fields of an event, as JSON. Pure.

`{"data": {"duration_sec": {"$gte": 60}}, "subject": {"name": ["studio", "field"]}}`: all of it must hold. A plain value
means that it is equal, a list that one of its values is; `$or` takes a list of conditions, `$not` whatever may follow a
name. A field that an event does not have fulfils nothing but `{"$exists": false}` and what is negated.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

ROOTS = ("type", "subject", "data", "metadata")
DEPTH_LIMIT = 8
SIZE_LIMIT = 100  # names, operators and listed values together
TEXT_LIMIT = 1000
_NUMBER_LIMIT = 2**53  # JSON numbers beyond it are not the same everywhere
Path = tuple[str | int, ...]


class InvalidCondition(ValueError):
    """The condition says nothing that could be looked for. `path` leads to what is wrong."""

    def __init__(self, reason: str, path: Path) -> None:
        super().__init__(reason)
        self.path = path


def check(condition: Mapping[str, Any]) -> None:
    """Raises InvalidCondition."""
    _Check().condition(condition, (), top=True)


def matches(condition: Mapping[str, Any], found: object) -> bool:
    """Whether a part of an event fulfils a condition that `check` let through."""
    return all(_holds(name, wanted, found) for name, wanted in condition.items())


def _holds(name: str, wanted: Any, found: object) -> bool:
    if name == "$or":
        return any(matches(one, found) for one in wanted)
    if name == "$not":
        return not _fits(wanted, found)
    if name.startswith("$"):
        return _OPERATORS[name](found, wanted)
    return _fits(wanted, found.get(name, _ABSENT) if isinstance(found, Mapping) else _ABSENT)


def _fits(wanted: Any, found: object) -> bool:
    if isinstance(wanted, Mapping):
        return matches(wanted, found)
    return any(_equal(found, one) for one in wanted) if isinstance(wanted, list) else _equal(found, wanted)


class _Absent:
    """A field that the event does not have: it equals nothing, not even null."""


_ABSENT = _Absent()


def _equal(found: object, wanted: object) -> bool:
    """A list in the event is equal to each of its members. True is no 1."""
    if isinstance(found, list):
        return any(_equal(one, wanted) for one in found)
    return isinstance(found, bool) == isinstance(wanted, bool) and found == wanted


def _ordered(compare: Callable[[Any, Any], bool]) -> Callable[[object, Any], bool]:
    def holds(found: object, wanted: Any) -> bool:
        numbers = _is_number(found) and _is_number(wanted)
        return (numbers or (isinstance(found, str) and isinstance(wanted, str))) and compare(found, wanted)

    return holds


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


_OPERATORS: Mapping[str, Callable[[object, Any], bool]] = {
    "$gt": _ordered(lambda found, wanted: found > wanted),
    "$gte": _ordered(lambda found, wanted: found >= wanted),
    "$lt": _ordered(lambda found, wanted: found < wanted),
    "$lte": _ordered(lambda found, wanted: found <= wanted),
    "$startsWith": lambda found, wanted: isinstance(found, str) and found.startswith(wanted),
    "$exists": lambda found, wanted: (found is not _ABSENT) is wanted,
}


class _Check:
    """Walks a condition and counts what it holds."""

    def __init__(self) -> None:
        self._size = 0

    def condition(self, condition: object, path: Path, depth: int = 1, *, top: bool = False) -> None:
        """`top`: of the event as a whole, not of one of its fields."""
        if not isinstance(condition, Mapping):
            raise InvalidCondition("must be an object", path)
        if depth > DEPTH_LIMIT:
            raise InvalidCondition(f"nested more than {DEPTH_LIMIT} deep", path)
        for name, wanted in condition.items():
            self._count(path)
            inside = (*path, name)
            if name == "$or":
                self._any_of(wanted, inside, depth, top)
            elif name == "$not" and top:
                self.condition(wanted, inside, depth + 1, top=True)
            elif name.startswith("$") and name != "$not":
                self._operator(name, wanted, inside, top)
            elif top and name not in ROOTS and name != "$not":
                raise InvalidCondition(f"an event has {', '.join(ROOTS)}", inside)
            else:
                self._wanted(wanted, inside, depth)

    def _any_of(self, conditions: object, path: Path, depth: int, top: bool) -> None:
        if not isinstance(conditions, list) or not conditions:
            raise InvalidCondition("must be a list of conditions", path)
        for place, one in enumerate(conditions):
            self._count(path)
            self.condition(one, (*path, place), depth + 1, top=top)

    def _operator(self, name: str, wanted: object, path: Path, top: bool) -> None:
        if name not in _OPERATORS:
            raise InvalidCondition(f"there are {', '.join([*_OPERATORS, '$not', '$or'])}", path)
        if top:
            raise InvalidCondition("stands below a field of the event", path)
        if name == "$exists":
            right, words = isinstance(wanted, bool), "true or false"
        elif name == "$startsWith":
            right, words = isinstance(wanted, str), "a text"
        else:
            right, words = isinstance(wanted, str) or _is_number(wanted), "a number or a text"
        if not right:
            raise InvalidCondition(f"takes {words}", path)
        self._value(wanted, path)

    def _wanted(self, wanted: object, path: Path, depth: int) -> None:
        if isinstance(wanted, Mapping):
            self.condition(wanted, path, depth + 1)
        elif isinstance(wanted, list):
            self._listed(wanted, path)
        else:
            self._value(wanted, path)

    def _listed(self, values: Sequence[object], path: Path) -> None:
        if not values:
            raise InvalidCondition("an empty list lets nothing through", path)
        for place, one in enumerate(values):
            self._count(path)
            self._value(one, (*path, place))

    def _value(self, value: object, path: Path) -> None:
        if isinstance(value, str):
            if len(value) > TEXT_LIMIT:
                raise InvalidCondition(f"longer than {TEXT_LIMIT} characters", path)
        elif isinstance(value, int | float):  # bool is one of these, and no harm
            if abs(value) > _NUMBER_LIMIT or not math.isfinite(value):
                raise InvalidCondition("no number that JSON carries unchanged", path)
        elif value is not None:
            raise InvalidCondition("must be a text, a number, true, false or null", path)

    def _count(self, path: Path) -> None:
        self._size += 1
        if self._size > SIZE_LIMIT:
            raise InvalidCondition(f"more than {SIZE_LIMIT} names, operators and values", path[:1])
