# SPDX-License-Identifier: Apache-2.0
"""Values of MPD attributes (ISO/IEC 23009-1, XML Schema): bounded, and a ValueError says what is wrong with one."""

import re
from datetime import UTC, datetime

_DURATION = re.compile(
    r"(-?)P(?:(\d{1,9})Y)?(?:(\d{1,9})M)?(?:(\d{1,9})D)?"
    r"(?:T(?:(\d{1,9})H)?(?:(\d{1,9})M)?(?:(\d{1,12}(?:\.\d{1,30})?)S)?)?"
)
_UNITS = (365 * 86_400, 30 * 86_400, 86_400, 3_600, 60)  # years and months do not occur; players count them so
_WHOLE = re.compile(r"[+-]?\d{1,20}")
_DECIMAL = re.compile(r"[+-]?\d{1,15}(?:\.\d{0,30})?(?:[eE][+-]?\d{1,2})?")
_RANGE = re.compile(r"(\d{1,15})-(\d{1,15})")
_LONGEST = 100 * 365 * 86_400.0
_MOST = 2**63


def duration(text: str) -> float:
    """An xs:duration in seconds."""
    found = _DURATION.fullmatch(text.strip())
    if not found or text.strip()[-1] in "PT":
        raise ValueError(f"{text[:40]!r} is not a duration")
    sign, *whole, seconds = found.groups()
    value = sum(int(number) * unit for number, unit in zip(whole, _UNITS, strict=True) if number) + float(seconds or 0)
    if sign and value:
        raise ValueError(f"{text[:40]!r} is negative")
    if value > _LONGEST:
        raise ValueError(f"{text[:40]!r} is longer than a century")
    return value


def moment(text: str) -> float:
    """An xs:dateTime in Unix time; without a zone it is UTC, as players read it."""
    try:
        found = datetime.fromisoformat(text.strip())
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        raise ValueError(f"{text[:40]!r} is not a date") from None


def integer(text: str) -> int:
    """A whole number of at most 64 bits, of either sign."""
    text = text.strip()
    if not _WHOLE.fullmatch(text) or abs(value := int(text)) >= _MOST:
        raise ValueError(f"{text[:40]!r} is not a whole number of 64 bits")
    return value


def natural(text: str) -> int:
    """A whole number that is not negative."""
    if (value := integer(text)) < 0:
        raise ValueError(f"{value} is negative")
    return value


def positive(text: str) -> int:
    """A whole number above zero."""
    if (value := integer(text)) <= 0:
        raise ValueError(f"{value} is not above zero")
    return value


def offset(text: str) -> float:
    """availabilityTimeOffset: seconds, or INF."""
    text = text.strip()
    if text.upper() in ("INF", "+INF"):
        return float("inf")
    if not _DECIMAL.fullmatch(text):
        raise ValueError(f"{text[:40]!r} is not a number of seconds")
    return max(0.0, float(text))


def byte_range(text: str) -> tuple[int, int]:
    """(length, first byte) of `first-last`."""
    found = _RANGE.fullmatch(text.strip())
    if not found or int(found[2]) < int(found[1]):
        raise ValueError(f"{text[:40]!r} is not a range of bytes")
    return int(found[2]) - int(found[1]) + 1, int(found[1])
