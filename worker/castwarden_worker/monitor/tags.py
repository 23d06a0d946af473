# SPDX-License-Identifier: Apache-2.0
"""Values of playlist tags (RFC 8216 §4.2). ValueError says what is wrong with one."""

import re
from datetime import UTC, datetime

# The look-behind keeps a long line without "=" from being tried at each of its characters.
_ATTRIBUTE = re.compile(r'(?<![A-Z0-9-])([A-Z0-9-]+)\s*=\s*("[^"]*"|[^,]*)(?:,\s*|$)')
_INTEGER = re.compile(r"\d{1,20}")
_LATEST = 2.0**33  # Unix time in the year 2242
_LONGEST = 86_400.0  # no segment lasts longer than a day
_NUMBER = re.compile(r"\d+(?:\.\d*)?|\.\d+")


def attributes(text: str) -> dict[str, str]:
    """An attribute list; quotes are removed, what does not look like an attribute is skipped."""
    return {name: value.strip().strip('"') for name, value in _ATTRIBUTE.findall(text)}


def seconds(text: str) -> float:
    text = text.strip()
    if not _NUMBER.fullmatch(text) or (value := float(text)) > _LONGEST:
        raise ValueError(f"{text[:40]!r} is not a duration in seconds")
    return value


def integer(text: str) -> int:
    if not _INTEGER.fullmatch(text):
        raise ValueError(f"{text[:40]!r} is not a whole number")
    return int(text)


def byterange(text: str) -> tuple[int, int | None]:
    length, at, offset = text.partition("@")
    return integer(length.strip()), integer(offset.strip()) if at else None


def unix_time(text: str) -> float | None:
    """ISO 8601, also with an offset such as +0000; None when it is no plausible date: none is needed."""
    try:
        moment = datetime.fromisoformat(text)
        value = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None
    return value if 0 <= value < _LATEST else None


def whole(text: str) -> int:
    """A whole number, or 0 when it is none: for values that only help to choose."""
    return int(text) if _INTEGER.fullmatch(text) else 0
