# SPDX-License-Identifier: Apache-2.0
"""The string formats that the API server checks. A format it does not know is never an error."""

import base64
import binascii
import ipaddress
import re
from collections.abc import Callable
from datetime import timedelta
from urllib.parse import urlsplit

from castwarden_local.standin.json_values import parse_time
from castwarden_local.standin.validation.quantities import is_quantity

_UUID = re.compile(r"(?i)^[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}\Z")
_LABEL = r"[A-Za-z0-9]([-A-Za-z0-9]{0,61}[A-Za-z0-9])?"
_HOSTNAME = re.compile(rf"^(?=.{{1,253}}\Z){_LABEL}(\.{_LABEL})*\Z")
_EMAIL = re.compile(r"^[^@\s]+@[^@\s]+\Z")
_DATE = re.compile(r"^\d{4}-\d\d-\d\d\Z")
_DATE_TIME = re.compile(r"^\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)\Z")
_MICRO_TIME = re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}(Z|[+-]\d\d:\d\d)\Z")
_GO_ITEM = r"(\d+(\.\d*)?|\.\d+)(ns|us|µs|μs|ms|s|m|h)"
_GO_DURATION = re.compile(rf"^[-+]?({_GO_ITEM})+\Z")
_GO_PART = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|μs|ms|s|m|h)")
_SECONDS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_WORD_DURATION = re.compile(r"^(\d+)\s*(ns|nano|us|µs|micro|ms|milli|s|sec|m|min|h|hr|hour|d|day|w|wk|week)s?\Z")


def parse_duration(text: str) -> timedelta:
    """Go's duration syntax (`1h30m`, `-1.5s`, `0`). Raises ValueError."""
    if text in ("0", "+0", "-0"):
        return timedelta()
    if not _GO_DURATION.match(text):
        raise ValueError(f"{text!r} is no duration")
    seconds = sum(float(amount) * _SECONDS[unit] for amount, unit in _GO_PART.findall(text))
    return timedelta(seconds=-seconds if text.startswith("-") else seconds)


def is_duration(text: str) -> bool:
    """Go's syntax, or one number with a unit such as `3 days`."""
    return text in ("0", "+0", "-0") or bool(_GO_DURATION.match(text) or _WORD_DURATION.match(text))


def is_url(text: str) -> bool:
    """An absolute URL or an absolute path, as Go's `url.ParseRequestURI` takes them."""
    if not text or text[0] == ":" or any(ord(char) < 0x20 or char == " " for char in text):
        return False
    try:
        parts = urlsplit(text)
        _ = parts.port
    except ValueError:
        return False
    return text.startswith("/") or bool(parts.scheme)


def _parses(parse: Callable[[str], object]) -> Callable[[str], bool]:
    def check(text: str) -> bool:
        try:
            parse(text)
        except (ValueError, binascii.Error):
            return False
        return True

    return check


def _cidr(text: str) -> object:
    if "/" not in text:
        raise ValueError(text)
    return ipaddress.ip_network(text, strict=False)


is_ip = _parses(ipaddress.ip_address)
is_cidr = _parses(_cidr)
_is_time = _parses(parse_time)

CHECKS: dict[str, Callable[[str], bool]] = {
    "date-time": lambda text: bool(_DATE_TIME.match(text)) and _is_time(text),
    "datetime": lambda text: bool(_DATE_TIME.match(text)) and _is_time(text),
    "micro-time": lambda text: bool(_MICRO_TIME.match(text)) and _is_time(text),
    "date": lambda text: bool(_DATE.match(text)) and _is_time(text + "T00:00:00Z"),
    "duration": is_duration,
    "uri": is_url,
    "email": lambda text: bool(_EMAIL.match(text)),
    "hostname": lambda text: bool(_HOSTNAME.match(text)),
    "ipv4": _parses(ipaddress.IPv4Address),
    "ipv6": _parses(ipaddress.IPv6Address),
    "cidr": is_cidr,
    "uuid": lambda text: bool(_UUID.match(text)),
    "quantity": is_quantity,
    "byte": _parses(lambda text: base64.b64decode(text, validate=True)),
}
