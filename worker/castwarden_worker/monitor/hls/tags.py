# SPDX-License-Identifier: Apache-2.0
"""Values of playlist tags (RFC 8216 §4.2). ValueError says what is wrong with one."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime

from ..playlist import ByteRange

MAX_URI = 16_384
_MOST_VARIABLES = 1_000
_MOST_PUT_IN = 4 * 2**20  # characters of values in one playlist
# The look-behind keeps a long line without "=" from being tried at each of its characters.
_ATTRIBUTE = re.compile(r'(?<![A-Z0-9-])([A-Z0-9-]+)\s*=\s*("[^"]*"|[^,]*)(?:,\s*|$)')
_INTEGER = re.compile(r"[0-9]{1,20}")
_LATEST = 2.0**33  # Unix time in the year 2242
_LONGEST = 86_400.0  # no segment lasts longer than a day
_LONGEST_DATE = 64
_NUMBER = re.compile(r"[0-9]+(?:\.[0-9]*)?|\.[0-9]+")
_NAME = re.compile(r"[A-Za-z0-9_-]{1,256}")
_REFERENCE = re.compile(r"\{\$([A-Za-z0-9_-]{1,256})\}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_ZONE_APART = re.compile(r"\s+(?=(?:Z|[+-][0-9:]+)$)")


class Variables:
    """EXT-X-DEFINE: names with values, put in wherever a URI or an attribute refers to them as {$name}."""

    def __init__(self) -> None:
        self._known: dict[str, str] = {}
        self._put_in = 0

    def define(self, given: Mapping[str, str], query: Mapping[str, str], imported: Mapping[str, str]) -> None:
        """One tag: NAME with VALUE, or a parameter of the playlist's URL, or a variable of the multivariant one."""
        if (name := given.get("NAME")) is not None:
            value = given.get("VALUE")
        elif (name := given.get("QUERYPARAM")) is not None:
            value = query.get(name)
        elif (name := given.get("IMPORT")) is not None:
            value = imported.get(name)
        else:
            raise ValueError("EXT-X-DEFINE without a name")
        if not _NAME.fullmatch(name):
            raise ValueError(f"{name[:40]!r} is not the name of a variable")
        if value is None:
            raise ValueError(f"the variable {name[:40]} has no value")
        if len(self._known) >= _MOST_VARIABLES:
            raise ValueError(f"more than {_MOST_VARIABLES} variables")
        self._known[name] = value

    def put_in(self, text: str) -> str:
        """`text` with its references replaced, once: what a value says is not looked at again."""
        if not self._known or "{$" not in text:
            return text
        pieces: list[str] = []
        length = at = 0
        for found in _REFERENCE.finditer(text):
            value = self._known.get(found[1])
            if value is None:
                raise ValueError(f"the variable {found[1][:40]} is not defined")
            pieces += (text[at : found.start()], value)
            at = found.end()
            length += len(value)
            if length > MAX_URI:
                raise ValueError(f"variables of more than {MAX_URI} characters in one place")
        self._put_in += length
        if self._put_in > _MOST_PUT_IN:
            raise ValueError(f"variables of more than {_MOST_PUT_IN} characters in all")
        return "".join([*pieces, text[at:]])

    def attributes(self, text: str) -> dict[str, str]:
        """An attribute list with all references replaced."""
        given = attributes(text)
        return {name: self.put_in(value) for name, value in given.items()} if self._known else given

    def pairs(self) -> tuple[tuple[str, str], ...]:
        return tuple(self._known.items())


def attributes(text: str) -> dict[str, str]:
    """An attribute list; quotes are removed, what does not look like an attribute is skipped."""
    return {name: value.strip().strip('"') for name, value in _ATTRIBUTE.findall(text)}


def reference(text: str) -> str:
    """A URI as written. It must be UTF-8: what we cannot name, we cannot fetch."""
    if len(text) > MAX_URI:
        raise ValueError(f"a URI of more than {MAX_URI} characters")
    if "\ufffd" in text:
        raise ValueError("a URI that is not UTF-8")
    if not text:
        raise ValueError("an empty URI")
    return text


def words(text: str) -> str:
    """A name for people: no control characters, and not without end."""
    return _CONTROL.sub(" ", text)[:200]


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
    """Length and, when it is given, offset."""
    length, at, offset = text.partition("@")
    if not (long := integer(length.strip())):
        raise ValueError("a byte range without bytes")
    return long, integer(offset.strip()) if at else None


class Ranges:
    """Byte ranges of one row: without an offset, one follows the one before it in the same resource."""

    def __init__(self) -> None:
        self._end: tuple[str, int] | None = None

    def take(self, uri: str, given: tuple[int, int | None] | None) -> ByteRange | None:
        if given is None:
            self._end = None
            return None
        length, offset = given
        if offset is None:
            offset = self._end[1] if self._end and self._end[0] == uri else 0
        self._end = (uri, offset + length)
        return ByteRange(length, offset)

    def continue_after(self, uri: str, known: ByteRange | None) -> None:
        self._end = (uri, known.offset + known.length) if known else None


def unix_time(text: str) -> float | None:
    """ISO 8601 in all written forms (`Z`, `+0000`, `+01:00`, none for UTC); None for what is no plausible date."""
    if len(text) > _LONGEST_DATE:  # looking for the zone takes the square of it
        return None
    try:
        moment = datetime.fromisoformat(_ZONE_APART.sub("", text.strip().upper()))
        value = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None
    return value if 0 <= value < _LATEST else None


def initialization_vector(text: str | None) -> bytes | None:
    """A hexadecimal number of at most 128 bits."""
    if text is None:
        return None
    digits = text[2:] if text[:2] in ("0x", "0X") else text
    if len(digits) > 32:
        raise ValueError("an IV of more than 128 bits")
    try:
        return bytes.fromhex(digits.zfill(32))
    except ValueError:
        raise ValueError("an IV that is no hexadecimal number") from None


def whole(text: str) -> int:
    """A whole number, or 0 when it is none: for values that only help to choose."""
    return int(text) if _INTEGER.fullmatch(text) else 0
