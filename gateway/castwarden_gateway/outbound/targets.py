# SPDX-License-Identifier: Apache-2.0
"""A URL as a connection and a request line need it. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from castwarden_base.http import USER_AGENT, InvalidUrl
from yarl import URL


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a connection leads. `host` is a name without its trailing dot, or a literal without brackets."""

    secure: bool
    host: str
    port: int


@dataclass(frozen=True, slots=True)
class Target:
    """`head` is the beginning of a request, up to the headers that differ between requests."""

    origin: Origin
    head: str


@lru_cache(maxsize=4096)
def target(url: URL) -> Target:
    """The target of a URL that `check_url` has let through. Raises InvalidUrl."""
    host, port = (url.raw_host or "").rstrip("."), url.port
    if not host or port is None:
        raise InvalidUrl("the URL has no host or no port")
    secure = url.scheme == "https"
    shown = f"[{host}]" if ":" in host else host
    if port != (443 if secure else 80):
        shown += f":{port}"
    head = f"POST {url.raw_path_qs or '/'} HTTP/1.1\r\nHost: {shown}\r\nUser-Agent: {USER_AGENT}\r\nAccept: */*\r\n"
    if not head.isascii() or head.count("\r\n") != 4 or head.count("\n") != 4 or head.count(" ") != 5:
        raise InvalidUrl("the URL has characters that no request line can carry")
    return Target(Origin(secure, host, port), head)


def request_head(target: Target, headers: Mapping[str, str], length: int) -> bytes:
    """The head of one request. Raises InvalidUrl for headers that would not stay headers (checked when registered)."""
    lines = "".join([f"{name}: {value}\r\n" for name, value in headers.items()])
    if lines.count("\n") != len(headers) or lines.count("\r") != len(headers) or "\0" in lines:
        raise InvalidUrl("a header has a line break")
    return f"{target.head}{lines}Content-Length: {length}\r\n\r\n".encode()
