# SPDX-License-Identifier: Apache-2.0
"""Reading, writing and copying JSON objects and Kubernetes timestamps."""

from datetime import UTC, datetime
from typing import Any, TypeVar

import orjson

T = TypeVar("T")


def dump(value: Any) -> bytes:
    """JSON with sorted keys, as the API server writes custom resources."""
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)


def load(raw: bytes | str) -> Any:
    """Raises `orjson.JSONDecodeError`, a ValueError."""
    return orjson.loads(raw)


def copy_json(value: T) -> T:
    """A deep copy of a tree of dicts, lists and scalars."""
    if isinstance(value, dict):
        return {key: copy_json(item) for key, item in value.items()}  # type: ignore[return-value]
    if isinstance(value, list):
        return [copy_json(item) for item in value]  # type: ignore[return-value]
    return value


def timestamp(at: datetime | None = None) -> str:
    """metav1.Time: whole seconds, UTC."""
    return (at or datetime.now(UTC)).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def parse_time(text: str) -> datetime:
    """RFC 3339 in, aware UTC out. Raises ValueError."""
    at = datetime.fromisoformat(text)
    if at.tzinfo is None:
        raise ValueError(f"{text!r} has no time zone")
    return at.astimezone(UTC)


def dig(value: Any, *path: str) -> Any:
    """The member at `path`, None as soon as something on the way is missing or no object."""
    for key in path:
        if not isinstance(value, dict):
            return None
        value = value.get(key)
    return value
