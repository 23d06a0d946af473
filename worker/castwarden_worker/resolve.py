# SPDX-License-Identifier: Apache-2.0
"""Turns what a person gave as a source into something to watch: direct, by yt-dlp, by streamlink."""

import asyncio
from collections.abc import Iterable
from pathlib import Path
from typing import Literal

import aiohttp
from castwarden_base.addresses import Network
from castwarden_base.http import BlockedAddress, InvalidUrl, OutboundError, check_url, get_following
from castwarden_base.logs import get_logger
from yarl import URL

from .budget import SPENT, Admission, Ask, refusal
from .children import ChildFailed, ask
from .errors import in_words
from .monitor.dash import looks_like_dash
from .monitor.endless.child_tap import SCHEMES, ChildTap, check_stream_url
from .monitor.endless.stretches import SNIFF, is_continuous
from .monitor.errors import Absent, Refused, StreamError, TooManyChildren, Unreadable
from .outcomes import Blocked, Live, NotLive, Outcome, Unsupported, expiry, from_json, media_file
from .proxy import GuardedProxy

log = get_logger(__name__)
Way = Literal["Auto", "Direct", "YtDlp", "Streamlink"]
_FILE_SUFFIXES = (".ts", ".mp4", ".aac", ".mp3", ".ogg")
_MEDIA_SUFFIXES = (".m3u8", ".m3u", ".mpd", *_FILE_SUFFIXES)
_NEVER_DIRECT = ("youtube.com", "youtu.be", "twitch.tv")
_LOOK_SECONDS = 15.0
_CHILD = f"{__package__}.resolve_child"
_CHILD_SECONDS = 60.0
_BUDGET = 32 * 2**20  # bytes that all servers together may send to one child
_TOO_LARGE = f"It sends more than {_BUDGET >> 20} MiB where a page or a playlist should be."


class Resolver:
    """`session` must come from `outbound_session` with the same `allow`; a guarded proxy watches over the children.

    One resolver may serve many: it runs `children` at a time, which share what memory there is.
    """

    def __init__(
        self, session: aiohttp.ClientSession, allow: Iterable[Network], state_dir: Path, children: int = 1
    ) -> None:
        self._session = session
        self._allow = tuple(allow)
        self._home = state_dir / "home"
        self._children = children
        self._turns = asyncio.Semaphore(children)

    async def resolve(self, url: str, way: Way = "Auto", budget: Ask | None = None) -> Outcome:
        """One look. Never raises for what the source, the site or the network does.

        `budget` is asked before each extraction, and when that leads to another site with one; without, all is free.
        """
        try:
            if url.startswith(SCHEMES):
                check_stream_url(url, self._allow)
                outcome = await self._stream(url)
            else:
                outcome = await self._look(check_url(url, self._allow), way, budget)
        except (InvalidUrl, BlockedAddress) as error:
            return _refused(error)
        log.debug("resolved", url=url, way=way, outcome=type(outcome).__name__)
        return outcome

    async def _look(self, url: URL, way: Way, budget: Ask | None) -> Outcome:
        if way == "Direct":
            return await self._direct(url) or Unsupported("unsupported_source", "It answers with no playlist.")
        if way != "Auto":
            return await self._ask(way, url, budget)
        direct: Outcome | None = None
        if not _is_known_page(url):
            direct = await self._direct(url)
            if _looks_like_media(url):
                return direct or Blocked("not_a_playlist", "It answers with a page where a playlist should be.")
            if isinstance(direct, (Live, Unsupported)):
                return direct
        first = await self._ask("YtDlp", url, budget)
        if (
            isinstance(direct, Blocked)
            and isinstance(first, Blocked)
            and direct.reason == first.reason == "unreachable"
        ):
            return direct  # it knows why
        if not isinstance(first, (Blocked, Unsupported)) or (isinstance(first, Blocked) and first.reason == SPENT):
            return first
        second = await self._ask("Streamlink", url, budget)
        return second if isinstance(second, Live) or isinstance(first, Unsupported) else first

    async def _direct(self, url: URL) -> Outcome | None:
        """None when the URL answers with a page."""
        try:
            async with get_following(self._session, url) as response:
                return await _of_answer(response)
        except OutboundError as error:
            return _refused(error)
        except TimeoutError:
            return Blocked("unreachable", "The source does not answer in time.")
        except aiohttp.ClientError as error:
            return Blocked("unreachable", in_words(error))

    async def _stream(self, url: str) -> Outcome:
        """RTMP, RTSP and SRT have no pages: whether there is a stream is seen by connecting."""
        try:
            await ChildTap(url, self._allow).look(_LOOK_SECONDS)
        except TooManyChildren as error:
            return Blocked("too_many_children", str(error))
        except Absent as error:
            return NotLive(str(error))
        except Unreadable as error:
            return Unsupported("unsupported_source", str(error))
        except Refused as error:
            if error.status is None:
                return Unsupported("blocked_address", str(error))
            return Blocked("forbidden", f"The source answers {error}.")
        except StreamError as error:
            return Blocked("unreachable", str(error))
        return Live(url)

    async def _ask(self, way: Literal["YtDlp", "Streamlink"], url: URL, budget: Ask | None) -> Outcome:
        refused = await refusal(budget, url)
        if refused is not None:
            return refused
        admission = Admission(budget, url)
        outcome = await self._extract(way, url, admission)
        if admission.refused and not isinstance(outcome, Live):
            outcome = admission.refused
        admission.count(outcome)
        return outcome

    async def _extract(self, way: Literal["YtDlp", "Streamlink"], url: URL, admission: Admission) -> Outcome:
        async with self._turns, GuardedProxy(self._allow, _BUDGET, admission.admits) as proxy:
            request = {"way": way, "url": str(url), "proxy": proxy.url}
            try:
                answer = await ask(_CHILD, request, self._home, _CHILD_SECONDS, at_once=self._children)
                outcome = from_json(answer)
                if isinstance(outcome, Live):
                    check_url(outcome.url, self._allow)
            except ChildFailed as error:
                log.warning("resolver_failed", way=way, error=str(error))
                outcome = Blocked("resolver_failed", str(error))
            except OutboundError as error:
                return _refused(error)
            return Blocked("too_large", _TOO_LARGE) if proxy.spent else outcome


async def _of_answer(response: aiohttp.ClientResponse) -> Outcome | None:
    status, kind = response.status, response.content_type
    if status in (404, 410):
        return NotLive(f"http_{status}")
    if status in (401, 403, 451):
        return Blocked("forbidden", f"The source answers HTTP {status}.")
    if status == 429:
        return Blocked("rate_limited", "The source answers HTTP 429.")
    if status >= 400:
        return Blocked("unreachable", f"The source answers HTTP {status}.")
    head = await _head(response)
    if "mpegurl" in kind or head.removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"#EXTM3U") or looks_like_dash(head):
        return Live(str(response.url), expires=expiry(str(response.url)))
    if is_continuous(head) and response.content_length is None:
        return Live(str(response.url), response.headers.get("icy-name"))
    nameless = kind == "application/octet-stream" and response.url.path.lower().endswith(_FILE_SUFFIXES)
    return media_file(kind) if nameless or kind.startswith(("audio/", "video/")) else None


async def _head(response: aiohttp.ClientResponse) -> bytes:
    try:
        return await response.content.readexactly(SNIFF)
    except asyncio.IncompleteReadError as error:
        return error.partial


def _refused(error: OutboundError) -> Unsupported:
    reason = "blocked_address" if isinstance(error, BlockedAddress) else "invalid_url"
    return Unsupported(reason, str(error))


def _looks_like_media(url: URL) -> bool:
    return url.path.lower().endswith(_MEDIA_SUFFIXES)


def _is_known_page(url: URL) -> bool:
    host = (url.host or "").lower()
    return any(host == site or host.endswith(f".{site}") for site in _NEVER_DIRECT)
