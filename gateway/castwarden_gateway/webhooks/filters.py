# SPDX-License-Identifier: Apache-2.0
"""Event filters of an endpoint: a type (`alert.blackout`), all below a prefix (`alert.*`), or all (`*`). Pure."""

from collections.abc import Collection, Iterable


def patterns_for(event_type: str) -> list[str]:
    """Every filter that lets this type through: `a.b.c` is matched by `*`, `a.*`, `a.b.*` and `a.b.c`."""
    parts = event_type.split(".")
    prefixes = [".".join(parts[:length]) + ".*" for length in range(1, len(parts))]
    return ["*", *prefixes, event_type]


def matches(filters: Iterable[str], event_type: str) -> bool:
    """Whether one of an endpoint's filters lets the type through."""
    return not set(filters).isdisjoint(patterns_for(event_type))


def is_known(pattern: str, types: Collection[str]) -> bool:
    """Whether the filter can ever let one of the catalogue's types through."""
    return any(pattern in patterns_for(event_type) for event_type in types)
