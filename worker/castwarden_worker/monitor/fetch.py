# SPDX-License-Identifier: Apache-2.0
"""Fetches playlists, segments, init sections and keys, each within a size and a time. Failures are FetchErrors."""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar
from urllib.parse import urljoin

import aiohttp
from castwarden_base.http import BlockedAddress, InvalidUrl, OutboundError, get_following, read_limited

from ..errors import in_words
from .errors import FetchError, PlaylistError, Refused, SegmentError, Unreadable
from .media import Init, read_init
from .playlist import ByteRange, Segment
from .playlist import Init as InitSection

MAX_PLAYLIST = 2 * 2**20
MAX_SEGMENT = 64 * 2**20
MAX_INIT = 2 * 2**20
_MAX_KEY = 1024
_REFUSALS = (401, 403, 404, 410)
_KEPT = 4  # init sections and keys in memory

_K = TypeVar("_K")
_V = TypeVar("_V")


@dataclass(frozen=True, slots=True)
class Page:
    """A fetched playlist and where it really is, for the URIs in it."""

    data: bytes
    url: str


@dataclass(frozen=True, slots=True)
class Payload:
    """A segment as it is analysed: decrypted, with its init section."""

    data: bytes
    init: Init | None
    size: int
    took: float = 0.0
    ttfb: float | None = None


class Fetcher:
    """GETs for one source. `session` guards every connection; a URI in a playlist has no more rights than its URL."""

    def __init__(self, session: aiohttp.ClientSession, headers: Mapping[str, str] | None = None) -> None:
        self._session = session
        self._headers = dict(headers or {})
        self._inits: dict[tuple[str, ByteRange | None], Init] = {}
        self._keys: dict[str, bytes] = {}

    async def playlist(self, url: str, timeout: float) -> Page:
        data, final = await self._get(url, MAX_PLAYLIST, timeout, None)
        return Page(data, final)

    async def segment(self, segment: Segment, base: str, timeout: float) -> Payload:
        """The segment's bytes, decrypted. SegmentError when they are not what was announced."""
        init = await self._init(segment.init, base, timeout) if segment.init else None
        key = segment.key
        if key and (key.method != "AES-128" or key.keyformat != "identity"):
            raise Unreadable(f"the segments are encrypted ({key.method})")
        began = time.monotonic()
        data, _ = await self._get(join(base, segment.uri), MAX_SEGMENT, timeout, segment.byterange)
        took, size = time.monotonic() - began, len(data)
        if key:
            secret = await self._key(join(base, key.uri), timeout)
            from .crypt import decrypt  # few streams are encrypted, and the library takes megabytes

            data = await asyncio.to_thread(decrypt, data, secret, key.iv or segment.sequence.to_bytes(16))
        return Payload(data, init, size, took)

    async def _init(self, section: InitSection, base: str, timeout: float) -> Init:
        where = (join(base, section.uri), section.byterange)
        if (known := self._inits.get(where)) is None:
            data, _ = await self._get(where[0], MAX_INIT, timeout, section.byterange)
            known = await asyncio.to_thread(read_init, data)
            _keep(self._inits, where, known)
        return known

    async def _key(self, url: str, timeout: float) -> bytes:
        if (known := self._keys.get(url)) is None:
            known, _ = await self._get(url, _MAX_KEY, timeout, None)
            _keep(self._keys, url, known)
        return known

    async def _get(self, url: str, limit: int, timeout: float, part: ByteRange | None) -> tuple[bytes, str]:
        headers = dict(self._headers)
        if part:
            headers["Range"] = f"bytes={part.offset}-{part.offset + part.length - 1}"
        limits = aiohttp.ClientTimeout(total=timeout, sock_connect=min(timeout, 5.0))
        try:
            async with get_following(self._session, url, headers=headers, timeout=limits) as response:
                _check_status(response.status)
                data = await read_limited(response, limit)
                if part and response.status == 200:
                    data = data[part.offset : part.offset + part.length]
                _check_length(data, part)
                return data, str(response.url)
        except TimeoutError as error:
            raise FetchError(f"no answer within {timeout:.0f} s") from error
        except (BlockedAddress, InvalidUrl) as error:
            raise Refused(str(error)) from error
        except aiohttp.ClientPayloadError as error:
            raise SegmentError("the answer was cut short") from error
        except OutboundError as error:
            raise FetchError(str(error)) from error
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise FetchError(in_words(error)) from error


def join(base: str, uri: str) -> str:
    """An absolute URL. Whether it may be fetched is for the session's guard to say."""
    try:
        return urljoin(base, uri)
    except ValueError as error:
        raise PlaylistError(f"a URI that is none: {uri[:80]!r}") from error


def _check_status(status: int) -> None:
    if status in _REFUSALS:
        raise Refused(f"HTTP {status}", status)
    if status not in (200, 206):
        raise FetchError(f"HTTP {status}")


def _check_length(data: bytes, part: ByteRange | None) -> None:
    if part and len(data) != part.length:
        raise SegmentError(f"{len(data)} bytes of a range of {part.length}")


def _keep(known: dict[_K, _V], key: _K, value: _V) -> None:
    while len(known) >= _KEPT:
        del known[next(iter(known))]
    known[key] = value
