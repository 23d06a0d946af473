# SPDX-License-Identifier: Apache-2.0
"""Fetches playlists, segments, init sections and keys, each within a size and a time. Failures are FetchErrors."""

import asyncio
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeVar
from urllib.parse import urljoin

import aiohttp
from castwarden_base.http import BlockedAddress, InvalidUrl, OutboundError, get_following, read_limited
from prometheus_client import Counter

from ...errors import in_words
from ..errors import FetchError, PlaylistError, Refused, SegmentError, Unreadable
from ..media import Init, read_init
from ..playlist import ByteRange, Key, Segment
from ..playlist import Init as InitSection

MAX_PLAYLIST = 4 * 2**20
MAX_SEGMENT = 64 * 2**20
MAX_INIT = 2 * 2**20
_MAX_KEY = 1024
_REFUSALS = (401, 403, 404, 410)
_AT_ONCE = 6  # requests of one source: a playlist of many parts must not open a connection for each
_KEPT = 4  # init sections and keys in memory
_AS_IT_IS = {"Accept-Encoding": "identity"}  # media does not get smaller, and a range is one of bytes as they are

FETCHED = Counter("castwarden_worker_fetched_bytes", "Bytes fetched from sources, as they came over the wire", ["kind"])
Kind = Literal["playlist", "segment", "init", "key"]

_CONTENT_RANGE = re.compile(r"bytes\s+([0-9]{1,20})-")

_K = TypeVar("_K")
_V = TypeVar("_V")


@dataclass(frozen=True, slots=True)
class Page:
    """A fetched playlist and where it really is, for the URIs in it."""

    data: bytes
    url: str


@dataclass(frozen=True, slots=True)
class Payload:
    """A segment as it is analysed: decrypted, with its init section.

    `size` is in bytes as fetched. `took` and `ttfb` are the seconds of its download, in all and to the first byte.
    """

    data: bytes
    init: Init | None
    size: int
    took: float = 0.0
    ttfb: float | None = None


@dataclass(frozen=True, slots=True)
class _Answer:
    data: bytes
    url: str
    took: float
    ttfb: float


class _CutShort(FetchError):
    """The answer broke off."""


class Fetcher:
    """GETs for one source. `session` guards every connection; a URI in a playlist has no more rights than its URL.

    `fetched_bytes` counts what came over the wire.
    """

    def __init__(self, session: aiohttp.ClientSession, headers: Mapping[str, str] | None = None) -> None:
        self.fetched_bytes = 0
        self._places = asyncio.Semaphore(_AT_ONCE)
        self._session = session
        self._headers = dict(headers or {})
        self._inits: dict[tuple[str, ByteRange | None], Init] = {}
        self._keys: dict[str, bytes] = {}

    async def playlist(self, url: str, timeout: float) -> Page:
        answer = await self._get(url, "playlist", MAX_PLAYLIST, timeout)
        return Page(answer.data, answer.url)

    async def segment(self, segment: Segment, base: str, timeout: float) -> Payload:
        """The segment's bytes, decrypted. SegmentError when they are not what was announced."""
        key = segment.key
        if key and (key.method != "AES-128" or key.keyformat != "identity"):
            raise Unreadable(f"the segments are encrypted ({key.method})")
        init = await self._init(segment, segment.init, base, timeout) if segment.init else None
        try:
            answer = await self._get(join(base, segment.uri), "segment", MAX_SEGMENT, timeout, segment.byterange)
        except _CutShort as error:
            raise SegmentError(str(error)) from error
        data = await self._decrypted(answer.data, segment, key, base, timeout) if key else answer.data
        return Payload(data, init, len(answer.data), answer.took, answer.ttfb)

    async def _init(self, segment: Segment, section: InitSection, base: str, timeout: float) -> Init:
        where = (join(base, section.uri), section.byterange)
        if (known := self._inits.get(where)) is None:
            data = (await self._get(where[0], "init", MAX_INIT, timeout, section.byterange)).data
            if section.key:
                data = await self._decrypted(data, segment, section.key, base, timeout)
            known = await asyncio.to_thread(read_init, data)
            _keep(self._inits, where, known)
        return known

    async def _decrypted(self, data: bytes, segment: Segment, key: Key, base: str, timeout: float) -> bytes:
        from .crypt import decrypt  # few streams are encrypted, and the library takes megabytes

        url = join(base, key.uri)
        if (secret := self._keys.get(url)) is None:
            secret = (await self._get(url, "key", _MAX_KEY, timeout)).data
            _keep(self._keys, url, secret)
        iv = key.iv or (segment.sequence % 2**128).to_bytes(16)
        return await asyncio.to_thread(decrypt, data, secret, iv)

    async def _get(self, url: str, kind: Kind, limit: int, timeout: float, part: ByteRange | None = None) -> _Answer:
        """`_ask` as soon as there is a place. The wait for it is no fault of the origin's: it has no timeout."""
        async with self._places:
            return await self._ask(url, kind, limit, timeout, part)

    async def _ask(self, url: str, kind: Kind, limit: int, timeout: float, part: ByteRange | None) -> _Answer:
        """One GET, redirects and all, within `timeout` seconds however slowly its bytes drip. The wait for one of the
        places is not the origin's, and is not counted.
        """
        if part and part.length > limit:
            raise FetchError(f"a byte range of {part.length} bytes, at most {limit} are read")
        headers = dict(self._headers) if kind == "playlist" else self._headers | _AS_IT_IS
        if part:
            headers["Range"] = f"bytes={part.offset}-{part.offset + part.length - 1}"
        limits = aiohttp.ClientTimeout(total=None, sock_connect=min(timeout, 5.0))
        began = time.monotonic()
        try:
            async with (
                asyncio.timeout(timeout),
                get_following(self._session, url, headers=headers, timeout=limits) as response,
            ):
                ttfb = time.monotonic() - began
                try:
                    data = await _body(response, limit, part)
                finally:
                    self._count(kind, response.content.total_raw_bytes)
                return _Answer(data, str(response.url), time.monotonic() - began, ttfb)
        except TimeoutError as error:
            raise FetchError(f"no answer within {timeout:.0f} s") from error
        except (BlockedAddress, InvalidUrl) as error:
            raise Refused(str(error)) from error
        except aiohttp.ClientPayloadError as error:
            raise _CutShort("the answer was cut short") from error
        except OutboundError as error:
            raise FetchError(str(error)) from error
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise FetchError(in_words(error)) from error

    def _count(self, kind: Kind, size: int) -> None:
        self.fetched_bytes += size
        FETCHED.labels(kind).inc(size)


def join(base: str, uri: str) -> str:
    """An absolute URL. Whether it may be fetched is for the session's guard to say."""
    try:
        return urljoin(base, uri)
    except ValueError as error:
        raise PlaylistError(f"a URI that is none: {uri[:80]!r}") from error


async def _body(response: aiohttp.ClientResponse, limit: int, part: ByteRange | None) -> bytes:
    """What was asked for. Of a server that does not know ranges, no more is read than that needs."""
    if response.status in _REFUSALS:
        raise Refused(f"HTTP {response.status}", response.status)
    if response.status not in (200, 206):
        raise FetchError(f"HTTP {response.status}")
    if part is None:
        return await read_limited(response, limit)
    if response.status == 206:
        _check_range(response.headers.get("Content-Range", ""), part)
        data = await read_limited(response, limit)
    else:
        data = await _beginning(response, part.offset + part.length, limit)
        data = data[part.offset :]
    if len(data) != part.length:
        raise SegmentError(f"{len(data)} bytes of a range of {part.length}")
    return data


async def _beginning(response: aiohttp.ClientResponse, length: int, limit: int) -> bytes:
    if length > limit:
        raise FetchError(f"the server does not know byte ranges, and at most {limit} bytes are read")
    data = bytearray()
    async for chunk in response.content.iter_any():
        data += chunk
        if len(data) >= length:
            response.close()  # or the connection would go on to the end of the file
            break
    return bytes(data[:length])


def _check_range(given: str, part: ByteRange) -> None:
    found = _CONTENT_RANGE.match(given)
    if found and int(found[1]) != part.offset:
        raise SegmentError(f"bytes from {found[1]} instead of {part.offset}")


def _keep(known: dict[_K, _V], key: _K, value: _V) -> None:
    while len(known) >= _KEPT:
        del known[next(iter(known))]
    known[key] = value
