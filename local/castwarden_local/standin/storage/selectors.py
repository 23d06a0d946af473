# SPDX-License-Identifier: Apache-2.0
"""Label selectors (`a=b,c!=d,e in (x,y),!f`) and field selectors (`status.phase!=Running`)."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from castwarden_local.standin.errors import BadRequest
from castwarden_local.standin.storage.records import Record
from castwarden_local.standin.validation.names import label_key_problems, label_value_problems

_TOKEN = re.compile(r"\s*(==|!=|=|!|<|>|\(|\)|,|[^\s=!<>(),]+)")


@dataclass(frozen=True, slots=True)
class Requirement:
    """One condition on one key; `values` has one entry for comparisons and none for existence."""

    key: str
    operator: str
    values: tuple[str, ...] = ()

    def matches(self, labels: Mapping[str, str]) -> bool:
        value = labels.get(self.key)
        return _OPERATORS[self.operator](value, self.values)


def _compare(value: str | None, values: tuple[str, ...], wanted: int) -> bool:
    try:
        difference = int(value or "") - int(values[0])
    except ValueError:
        return False
    return difference * wanted > 0


_OPERATORS: dict[str, Callable[[str | None, tuple[str, ...]], bool]] = {
    "in": lambda value, values: value is not None and value in values,
    "notin": lambda value, values: value is None or value not in values,
    "exists": lambda value, _: value is not None,
    "missing": lambda value, _: value is None,
    "<": lambda value, values: _compare(value, values, -1),
    ">": lambda value, values: _compare(value, values, 1),
}


@dataclass(frozen=True, slots=True)
class Selector:
    """All requirements must hold. Field requirements on a field a record lacks compare with the empty text."""

    labels: tuple[Requirement, ...] = ()
    fields: tuple[Requirement, ...] = ()

    @property
    def empty(self) -> bool:
        return not self.labels and not self.fields

    def matches(self, record: Record) -> bool:
        return all(each.matches(record.labels) for each in self.labels) and all(
            each.matches(record.fields) for each in self.fields
        )


EVERYTHING = Selector()


class _Parser:
    """Recursive descent over the tokens of a label selector."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = _TOKEN.findall(text)
        self._at = 0

    def requirements(self) -> list[Requirement]:
        found: list[Requirement] = []
        if not self._tokens:
            return found
        while True:
            found.append(self._requirement())
            separator = self._next()
            if separator == "":
                return found
            if separator != ",":
                raise self._error(separator, "',' or 'end of string'")

    def _requirement(self) -> Requirement:
        word = self._next()
        if word == "!":
            return Requirement(self._key(self._next()), "missing")
        key = self._key(word)
        operator = self._peek()
        if operator in ("", ","):
            return Requirement(key, "exists")
        self._at += 1
        if operator in ("=", "=="):
            return Requirement(key, "in", (self._value(),))
        if operator == "!=":
            return Requirement(key, "notin", (self._value(),))
        if operator in ("<", ">"):
            return Requirement(key, operator, (self._integer(),))
        if operator in ("in", "notin"):
            return Requirement(key, operator, self._set())
        raise self._error(operator, "in, notin, =, ==, !=, gt, lt")

    def _key(self, word: str) -> str:
        if not word or not re.match(r"[^=!<>(),]", word):
            raise self._error(word, "identifier")
        problems = label_key_problems(word)
        if problems:
            raise BadRequest(f'unable to parse requirement: key: Invalid value: "{word}": {"; ".join(problems)}')
        return word

    def _value(self) -> str:
        if self._peek() in ("", ","):
            return ""
        word = self._next()
        if re.match(r"[=!<>()]", word):
            raise self._error(word, "identifier")
        problems = label_value_problems(word)
        if problems:
            raise BadRequest(f'unable to parse requirement: values[0]: Invalid value: "{word}": {"; ".join(problems)}')
        return word

    def _integer(self) -> str:
        word = self._value()
        if not re.fullmatch(r"-?\d+", word):
            raise BadRequest(f"unable to parse requirement: values[0]: Invalid value: \"{word}\": for 'Gt', 'Lt'")
        return word

    def _set(self) -> tuple[str, ...]:
        opening = self._next()
        if opening != "(":
            raise self._error(opening, "'('")
        values = []
        while True:
            if self._peek() in (",", ")"):
                values.append("")
            else:
                values.append(self._value())
            closing = self._next()
            if closing == ")":
                return tuple(values)
            if closing != ",":
                raise self._error(closing, "',', or ')'")

    def _peek(self) -> str:
        return self._tokens[self._at] if self._at < len(self._tokens) else ""

    def _next(self) -> str:
        token = self._peek()
        self._at += 1
        return token

    def _error(self, found: str, expected: str) -> BadRequest:
        return BadRequest(f"unable to parse requirement: found '{found}', expected: {expected}")


def parse_labels(text: str) -> tuple[Requirement, ...]:
    """Raises BadRequest."""
    return tuple(_Parser(text).requirements())


def parse_fields(text: str, supported: frozenset[str]) -> tuple[Requirement, ...]:
    """`key=value`, `key==value` and `key!=value`, separated by commas; a backslash escapes. Raises BadRequest."""
    found = []
    for term in re.findall(r"(?:\\.|[^,\\])+", text):
        match = re.fullmatch(r"((?:\\.|[^=!\\])*)(!=|==|=)(.*)", term, re.DOTALL)
        if match is None:
            raise BadRequest(f"invalid selector: '{text}'; can't understand '{term}'")
        key, operator, value = match[1], match[2], re.sub(r"\\(.)", r"\1", match[3])
        if key not in supported:
            raise BadRequest(f"field label not supported: {key}")
        found.append(Requirement(key, "notin" if operator == "!=" else "in", (value,)))
    return tuple(found)
