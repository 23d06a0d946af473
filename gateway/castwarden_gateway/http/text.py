# SPDX-License-Identifier: Apache-2.0
"""Characters that are refused in whatever clients send: PostgreSQL cannot hold NUL, and a terminal obeys the others."""

import re
from collections.abc import Iterator
from typing import Any

from pydantic_core import from_json

CONTROLS = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
"""All control characters of ASCII but tab, line feed and carriage return."""
NUL = re.compile("\x00")
"""For what workers have read somewhere: a strange title must not cost an alert."""
_PERHAPS = re.compile(rb"\x7f|\\u00[017]|\\[bf]")  # JSON spells the other controls as escapes only

Path = tuple[str | int, ...]


def find(raw: bytes, refused: re.Pattern[str]) -> Path | None:
    """Where the first refused character is in a JSON text that has been parsed before; None when there is none."""
    if not _PERHAPS.search(raw):
        return None
    return next((path for path, text in _texts(from_json(raw)) if refused.search(text)), None)


def _texts(value: Any) -> Iterator[tuple[Path, str]]:
    """Every text and every key, with its path. No recursion: the depth is the client's choice."""
    waiting: list[tuple[Path, Any]] = [((), value)]
    while waiting:
        path, found = waiting.pop()
        if isinstance(found, str):
            yield path, found
        elif isinstance(found, dict):
            yield from ((path, key) for key in found)
            waiting += [((*path, key), member) for key, member in found.items()]
        elif isinstance(found, list):
            waiting += [((*path, index), member) for index, member in enumerate(found)]
