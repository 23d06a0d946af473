# SPDX-License-Identifier: Apache-2.0
"""Durations as people write them in resources: `30s`, `1m30s`, `500ms`. A `timedelta` inside, a string outside."""

import re
from datetime import timedelta
from typing import Annotated, Any

from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema

from castwarden_model.forms import form_schema

PATTERN = r"^([0-9]+(\.[0-9]+)?(ms|s|m|h))+$"
MESSAGE = "must be a duration such as 30s, 1m30s or 500ms"
SCHEMA = form_schema(PATTERN, MESSAGE, 32)
_PART = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ms|s|m|h)")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}


def parse_duration(text: str) -> timedelta:
    """The duration that `text` names. Raises ValueError when it is not of the form `1h2m3.5s`."""
    if not re.fullmatch(PATTERN, text):
        raise ValueError(MESSAGE)
    return timedelta(seconds=sum(float(number) * _SECONDS[unit] for number, unit in _PART.findall(text)))


def format_duration(duration: timedelta) -> str:
    """The shortest exact spelling in h, m, s and ms: `90s` becomes `1m30s`."""
    left = round(duration.total_seconds() * 1000)
    parts = []
    for unit, size in (("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)):
        count, left = divmod(left, size)
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts) or "0s"


def _read(value: Any) -> Any:
    return parse_duration(value) if isinstance(value, str) else value


Duration = Annotated[
    timedelta,
    BeforeValidator(_read),
    PlainSerializer(format_duration, return_type=str),
    WithJsonSchema(SCHEMA),
]
