# SPDX-License-Identifier: Apache-2.0
"""A forward proxy on loopback that only reaches what the guard lets through. yt-dlp and streamlink run behind it,
because they choose hosts, redirects and segments themselves. Knows CONNECT and plain http.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from contextlib import closing
from typing import Self
from urllib.parse import urlsplit

from castwarden_base.addresses import Network
from castwarden_base.http import BlockedAddress
from castwarden_base.logs import get_logger
from castwarden_base.loopback import Loopback

from .dial import dial

log = get_logger(__name__)
BLOCKED_PHRASE = "Blocked-Address"
"""Reason phrase of a refusal: the only part of it that yt-dlp's error texts repeat."""
_NOT_NOW_PHRASE = "Not-Now"
_LARGEST_HEAD = 64 * 1024
_CHUNK = 64 * 1024
_ENOUGH = "it has sent more than it may"
_NOT_FORWARDED = (b"connection", b"keep-alive", b"te", b"upgrade", b"accept-encoding")
_AS_IT_IS = b"Accept-Encoding: identity"  # what is packed may be a thousand times as large in the child's memory


class _NotNow(OSError):
    """The site must not be asked now."""


class GuardedProxy:
    """Use as `async with GuardedProxy(allow) as proxy`, then hand out `proxy.url`.

    With a `budget`, origins may send that many bytes in all; then every connection ends and `spent` is true.
    `admits` says of each host whether it may be asked now.
    """

    def __init__(
        self,
        allow: Iterable[Network] = (),
        budget: int | None = None,
        admits: Callable[[str], Awaitable[bool]] | None = None,
    ) -> None:
        self._allow = tuple(allow)
        self._admits = admits
        self._left = float("inf") if budget is None else budget
        self._server = Loopback(self._serve, limit=_LARGEST_HEAD)
        self.url = ""

    async def __aenter__(self) -> Self:
        await self._server.start()
        self.url = f"http://127.0.0.1:{self._server.port}"
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._server.close()

    @property
    def spent(self) -> bool:
        """Whether the budget was not enough."""
        return self._left < 0

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await self._forward(reader, writer)
        except BlockedAddress as error:
            log.warning("outbound_refused", error=str(error))
            writer.write(_answer(403, BLOCKED_PHRASE, str(error)))
        except _NotNow as error:
            writer.write(_answer(403, _NOT_NOW_PHRASE, str(error)))
        except (OSError, TimeoutError, ValueError, asyncio.IncompleteReadError, asyncio.LimitOverrunError) as error:
            writer.write(_answer(502, "Bad Gateway", f"{type(error).__name__}: {error}"))

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.spent:
            raise ValueError(_ENOUGH)
        head = await reader.readuntil(b"\r\n\r\n")
        request, *headers = head[:-4].split(b"\r\n")
        method, target, _ = request.decode("latin-1").split(" ", 2)
        if method == "CONNECT":
            place, first = urlsplit(f"//{target}"), b""
        else:
            place = urlsplit(target)
            if place.scheme != "http":
                raise ValueError(f"no proxy for {place.scheme or 'relative'} URLs")
            first = _forwarded(method, place.path or "/", place.query, headers)
        port = place.port or (443 if method == "CONNECT" else 80)
        host = place.hostname or ""
        if self._admits and not await self._admits(host):
            raise _NotNow(f"{host} must not be asked now")
        upstream, sink = await dial(host, port, self._allow)
        with closing(sink):
            if method == "CONNECT":
                writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            sink.write(first)
            await _relay(reader, writer, upstream, sink, self._spend)

    def _spend(self, size: int) -> None:
        self._left -= size
        if self.spent:
            raise OSError(_ENOUGH)


def _forwarded(method: str, path: str, query: str, headers: list[bytes]) -> bytes:
    """The request's head for the origin: one request per connection, so that each is checked."""
    kept = [
        line
        for line in headers
        if not (name := line.split(b":", 1)[0].strip().lower()).startswith(b"proxy-") and name not in _NOT_FORWARDED
    ]
    target = path + (f"?{query}" if query else "")
    first = f"{method} {target} HTTP/1.1".encode("latin-1")
    return b"\r\n".join([first, *kept, _AS_IT_IS, b"Connection: close", b"", b""])


async def _relay(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    upstream: asyncio.StreamReader,
    sink: asyncio.StreamWriter,
    spend: Callable[[int], None],
) -> None:
    """Both ways until the origin has said everything or too much, or either side is gone."""
    sending = asyncio.create_task(_copy(reader, sink))
    try:
        await _copy(upstream, writer, spend)
    finally:
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)


async def _copy(
    source: asyncio.StreamReader, sink: asyncio.StreamWriter, spend: Callable[[int], None] = lambda _: None
) -> None:
    try:
        while data := await source.read(_CHUNK):
            spend(len(data))
            sink.write(data)
            await sink.drain()
        if sink.can_write_eof():
            sink.write_eof()
    except OSError as error:
        log.debug("relay_ended", error=str(error))


def _answer(status: int, phrase: str, text: str) -> bytes:
    body = text.encode()
    head = f"HTTP/1.1 {status} {phrase}\r\nContent-Length: {len(body)}\r\nContent-Type: text/plain\r\n"
    return head.encode() + b"Connection: close\r\n\r\n" + body
