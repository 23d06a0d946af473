# SPDX-License-Identifier: Apache-2.0
"""Loads an MPD and gives each rendition its playlist. One manifest serves both renditions."""

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import replace

import aiohttp

from ..errors import StreamError
from ..follow.fetch import Fetcher, Page
from ..follow.loader import Loaded, Pace
from ..playlist import MediaPlaylist
from .clock import OriginClock
from .manifest import Kind, Manifest, parse
from .numbers import Numbering
from .segments import announced

_TIMEOUT = 10.0
_LONGEST_UPDATE = 60.0  # seconds; a manifest that says it is final is looked at nevertheless: it may be gone
_SHORTEST_UPDATE = 0.5
_SHARED = 0.5  # seconds for which both renditions share a failure
_MARGIN = 0.1  # seconds after a segment's end at which it is asked for


class DashSource:
    """One MPD, loaded when it says that it wants to be (minimumUpdatePeriod), and the clock that belongs to it."""

    def __init__(
        self,
        fetcher: Fetcher,
        session: aiohttp.ClientSession,
        url: str,
        headers: Mapping[str, str],
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.clock = OriginClock(session, headers, clock)
        self._fetcher = fetcher
        self._url = url
        self._where = url  # or what the manifest's Location says
        self._manifest: Manifest | None = None
        self._loaded = 0.0  # monotonic
        self._failure: tuple[float, StreamError] | None = None
        self._lock = asyncio.Lock()

    async def manifest(self, page: Page | None = None) -> Manifest:
        """The manifest as it holds now; `page`: as it was just loaded. StreamError when it cannot be had."""
        async with self._lock:
            now = time.monotonic()
            if self._failure and now - self._failure[0] < _SHARED:
                raise self._failure[1]
            if page is None and self._manifest and now - self._loaded < self._lasts(self._manifest):
                return self._manifest
            try:
                return await self._load(page)
            except StreamError as error:
                self._failure = (time.monotonic(), error)
                self._where = self._url
                raise

    async def _load(self, page: Page | None) -> Manifest:
        page = page or await self._fetcher.playlist(self._where, _TIMEOUT)
        manifest = await asyncio.to_thread(parse, page.data, page.url)
        self._manifest, self._loaded, self._failure = manifest, time.monotonic(), None
        self._where = manifest.location or self._url
        if manifest.dynamic:
            await self.clock.learn(manifest, page.url)
        return manifest

    def _lasts(self, manifest: Manifest) -> float:
        period = manifest.update_period
        return _LONGEST_UPDATE if period is None else min(max(period, _SHORTEST_UPDATE), _LONGEST_UPDATE)


class DashLoader:
    """One rendition. `numbering` outlives the loader, so that a source that is opened again counts on."""

    def __init__(self, source: DashSource, kind: Kind, numbering: Numbering) -> None:
        self._source = source
        self._kind = kind
        self._numbering = numbering
        self._pace = Pace()
        self._last: int | None = None

    async def load(self) -> Loaded:
        await asyncio.sleep(self._pace.wait(time.monotonic()))
        try:
            manifest = await self._source.manifest()
            found = await asyncio.to_thread(announced, manifest, self._kind, self._source.clock.now())
        except StreamError:
            self._pace.failed(time.monotonic())
            raise
        spans = [(start, segment.sequence, segment.duration) for start, segment in found.segments]
        segments = tuple(
            replace(segment, sequence=number)
            for (_, segment), number in zip(found.segments, self._numbering.number(spans), strict=True)
        )
        first = segments[0].sequence if segments else 0
        playlist = MediaPlaylist(segments, found.target_duration, first, ended=found.ended)
        self._wait_for_next(playlist)
        return Loaded(playlist, "")  # every URI is absolute

    def _wait_for_next(self, playlist: MediaPlaylist) -> None:
        """Until the next segment should be there: an origin that is late is asked again after half its length."""
        now, target = time.monotonic(), playlist.target_duration
        newest = playlist.segments[-1] if playlist.segments else None
        is_new = newest is not None and newest.sequence != self._last
        self._pace.loaded(now, target, new=is_new)
        if newest and is_new and newest.program_time is not None:
            self._last = newest.sequence
            complete = newest.program_time + newest.duration + target
            self._pace.after(now, min(target, max(0.0, complete - self._source.clock.now() + _MARGIN)))
