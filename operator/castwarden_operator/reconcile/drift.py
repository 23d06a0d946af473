# SPDX-License-Identifier: Apache-2.0
"""Whether an observed object still says what we want it to say, whatever else it says. Pure.

The API server adds defaults and rewrites quantities; neither is drift, and mistaking it for drift would mean a write
at every look.
"""

from typing import Any

from kubernetes.utils.quantity import parse_quantity

_QUANTITIES = ("requests", "limits")


def drifted(wanted: Any, observed: Any, field: str = "") -> bool:
    """Whether some part of `wanted` is missing from `observed` or differs there."""
    if isinstance(wanted, dict):
        if observed is None:
            observed = {}
        if field in _QUANTITIES:
            return any(not _same_quantity(amount, observed.get(name)) for name, amount in wanted.items())
        return not isinstance(observed, dict) or any(
            drifted(value, observed.get(key), key) for key, value in wanted.items()
        )
    if isinstance(wanted, list):
        return _list_drifted(wanted, observed or [], field)
    if not wanted and not observed:  # the API leaves out empty strings, and false and 0 where they are the default
        return False
    return bool(wanted != observed)


def _list_drifted(wanted: list[Any], observed: list[Any], field: str) -> bool:
    key = _key_of(wanted, field)
    if key is None:
        return len(wanted) != len(observed) or any(drifted(a, b) for a, b in zip(wanted, observed, strict=True))
    by_key = {item.get(key): item for item in observed}
    return any(drifted(item, by_key.get(item[key])) for item in wanted)


def _key_of(wanted: list[Any], field: str) -> str | None:
    """The key of the lists that the API merges item by item; other lists are compared as a whole."""
    if field == "ownerReferences":
        return "uid"
    return "name" if wanted and all(isinstance(item, dict) and "name" in item for item in wanted) else None


def _same_quantity(wanted: object, observed: object) -> bool:
    try:
        return bool(parse_quantity(wanted) == parse_quantity(observed))
    except (ValueError, TypeError):
        return wanted == observed
