# SPDX-License-Identifier: Apache-2.0
"""The functions that Kubernetes adds to CEL for lists, regular expressions, URLs, addresses and quantities."""

import re
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any
from urllib.parse import parse_qs, urlsplit

from cel_expr_python import cel

from castwarden_local.standin.validation.formats import is_cidr, is_ip, is_url
from castwarden_local.standin.validation.quantities import is_quantity

_DYN, _STRING, _INT, _BOOL = cel.Type.DYN, cel.Type.STRING, cel.Type.INT, cel.Type.BOOL
_LIST = cel.Type.List(_DYN)


def _is_sorted(items: Sequence[Any]) -> bool:
    return all(a <= b for a, b in pairwise(items))


def _position(items: Sequence[Any], wanted: Any) -> int:
    return list(items).index(wanted) if wanted in items else -1


def _last_position(items: Sequence[Any], wanted: Any) -> int:
    return len(items) - 1 - list(reversed(items)).index(wanted) if wanted in items else -1


def _find(text: str, pattern: str) -> str:
    match = re.search(pattern, text)
    return match[0] if match else ""


def _find_all(text: str, pattern: str) -> list[str]:
    return [match[0] for match in re.finditer(pattern, text)]


def _url(text: str) -> str:
    if not is_url(text):
        raise ValueError(f"URL parse error during conversion from string: {text}")
    return text


def _member(name: str, subject: Any, returns: Any, impl: Callable[..., Any], *parameters: Any) -> Any:
    overload = cel.Overload(
        id=f"{name}_member", return_type=returns, parameters=[subject, *parameters], is_member=True, impl=impl
    )
    return cel.FunctionDecl(name, [overload])


def _global(name: str, returns: Any, impl: Callable[..., Any]) -> Any:
    overload = cel.Overload(id=f"{name}_string", return_type=returns, parameters=[_STRING], is_member=False, impl=impl)
    return cel.FunctionDecl(name, [overload])


FUNCTIONS = [
    _member("isSorted", _LIST, _BOOL, _is_sorted),
    _member("sum", _LIST, _DYN, sum),
    _member("min", _LIST, _DYN, min),
    _member("max", _LIST, _DYN, max),
    _member("find", _STRING, _STRING, _find, _STRING),
    _member("findAll", _STRING, cel.Type.List(_STRING), _find_all, _STRING),
    _global("isURL", _BOOL, is_url),
    _global("url", _STRING, _url),
    _member("getScheme", _STRING, _STRING, lambda url: urlsplit(url).scheme),
    _member("getHost", _STRING, _STRING, lambda url: urlsplit(url).netloc.rpartition("@")[2]),
    _member("getHostname", _STRING, _STRING, lambda url: urlsplit(url).hostname or ""),
    _member("getPort", _STRING, _STRING, lambda url: str(urlsplit(url).port or "")),
    _member("getEscapedPath", _STRING, _STRING, lambda url: urlsplit(url).path),
    _member("getQuery", _STRING, cel.Type.Map(_STRING, _LIST), lambda url: parse_qs(urlsplit(url).query)),
    _global("isIP", _BOOL, is_ip),
    _global("isCIDR", _BOOL, is_cidr),
    _global("isQuantity", _BOOL, is_quantity),
]
