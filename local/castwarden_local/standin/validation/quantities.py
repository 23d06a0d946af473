# SPDX-License-Identifier: Apache-2.0
"""Kubernetes quantities: `100m`, `2Gi`, `1e3`."""

import re
from decimal import Decimal

_QUANTITY = re.compile(r"[-+]?(\d+(?:\.\d*)?|\.\d+)([eE][-+]?\d{1,3}|[numkMGTPE]|[KMGTPE]i)?")
_SUFFIXES = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_BINARY = {"Ki": 1, "Mi": 2, "Gi": 3, "Ti": 4, "Pi": 5, "Ei": 6}


def parse_quantity(text: str) -> Decimal:
    """Raises ValueError."""
    match = _QUANTITY.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is no quantity")
    suffix = match[2] or ""
    number = Decimal(text[: len(text) - len(suffix)])
    if suffix in _BINARY:
        return number * Decimal(1024) ** _BINARY[suffix]
    if suffix in _SUFFIXES:
        return number.scaleb(_SUFFIXES[suffix])
    return number.scaleb(int(suffix[1:]))


def is_quantity(text: str) -> bool:
    return _QUANTITY.fullmatch(text) is not None
