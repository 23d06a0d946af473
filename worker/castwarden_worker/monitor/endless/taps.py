# SPDX-License-Identifier: Apache-2.0
"""Where an endless stream comes from. `HttpTap` is a plain HTTP connection; `child_tap` has those that FFmpeg reads.

A tap is opened again and again by `continuous`; what goes wrong is a StreamError, and a stream that its source closes
in order simply ends.
"""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from typing import Protocol

import aiohttp
from castwarden_base.http import BlockedAddress, InvalidUrl, OutboundError, get_following

from ...errors import in_words
from ..errors import FetchError, Refused
from .stretches import SNIFF, Cutter, Stretch, cutter_for
from .stretches.icy import IcyFilter

SILENT = 30.0
"""Seconds without a byte after which a connection is dead."""
_CONNECT = 5.0
_REFUSALS = (401, 403, 404, 410)


class Tap(Protocol):
    """One way to a stream."""

    @property
    def title(self) -> str | None: ...

    def stretches(self) -> AsyncGenerator[Stretch, None]:
        """Connects, and gives stretches until the source closes the stream. StreamError says what went wrong."""


class HttpTap:
    """Sound from Icecast and its kin, or a transport stream, over a plain HTTP connection that does not end."""

    def __init__(self, session: aiohttp.ClientSession, url: str, headers: Mapping[str, str] | None = None) -> None:
        self.title: str | None = None
        self._session = session
        self._url = url
        self._headers = {**(headers or {}), "Icy-MetaData": "1", "Accept-Encoding": "identity"}

    async def stretches(self) -> AsyncGenerator[Stretch, None]:
        limits = aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT, sock_read=SILENT)
        try:
            async with get_following(self._session, self._url, headers=self._headers, timeout=limits) as response:
                _check_status(response.status)
                async for stretch in self._of(response):
                    yield stretch
        except TimeoutError as error:
            raise FetchError(f"nothing came for {SILENT:.0f} s") from error
        except (BlockedAddress, InvalidUrl) as error:
            raise Refused(str(error)) from error
        except aiohttp.ClientPayloadError as error:
            raise FetchError("the connection was lost") from error
        except OutboundError as error:
            raise FetchError(str(error)) from error
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise FetchError(in_words(error)) from error

    async def _of(self, response: aiohttp.ClientResponse) -> AsyncGenerator[Stretch, None]:
        interval = response.headers.get("icy-metaint", "")
        titles = IcyFilter(int(interval)) if interval.isdigit() and len(interval) < 10 else None
        name = response.headers.get("icy-name")
        cutter: Cutter | None = None
        head = b""
        async for data in response.content.iter_any():
            head += titles.feed(data) if titles else data
            if cutter is None:
                if len(head) < SNIFF:
                    continue
                cutter = cutter_for(head, response.content_type)
            for stretch in await asyncio.to_thread(cutter.feed, head):  # it demuxes
                self.title = (titles and titles.title) or cutter.title or name
                yield stretch
            head = b""
        cutter = cutter or cutter_for(head, response.content_type)
        for rest in (await asyncio.to_thread(cutter.feed, head), await asyncio.to_thread(cutter.finish)):
            for stretch in rest:
                yield stretch


def _check_status(status: int) -> None:
    if status in _REFUSALS:
        raise Refused(f"HTTP {status}", status)
    if status != 200:
        raise FetchError(f"HTTP {status}")
