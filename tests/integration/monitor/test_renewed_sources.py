# SPDX-License-Identifier: Apache-2.0
"""A source whose URL is refused and resolved again: what that tells, in virtual time."""

import asyncio
from collections.abc import Callable
from typing import Any, cast

import aiohttp
import pytest
from castwarden_local.origin.encode import Recipe
from castwarden_local.origin.encode import Stretch as Script
from castwarden_local.origin.streams import air
from castwarden_worker.monitor import watch as watching
from castwarden_worker.monitor.errors import Refused
from castwarden_worker.monitor.follow.fetch import Fetcher, Payload
from castwarden_worker.monitor.follow.loader import Loaded, Renditions
from castwarden_worker.monitor.playlist import MediaPlaylist, Segment
from castwarden_worker.monitor.sources import Source
from castwarden_worker.monitor.watch import Outcome, Watch

from .conftest import Told, spec

pytestmark = [pytest.mark.looptime]
LENGTH = 2.0
SOURCE = Source("http://stream.example/live.m3u8")


@pytest.fixture(scope="module")
def media() -> bytes:
    """Two seconds of MPEG-TS."""
    return b"".join(piece.data for piece in air([Script(LENGTH)], "ts", Recipe(width=64, height=36)))


class Memory(Fetcher):
    def __init__(self, data: bytes) -> None:
        self.data = data

    async def segment(self, segment: Segment, base: str, timeout: float) -> Payload:
        return Payload(self.data, None, len(self.data), 0.1)


class Live:
    """One more segment with each load from `begin` to `end` on; then it is over, or its URL is refused."""

    def __init__(self, begin: int, end: int, *, over: bool = False) -> None:
        self.next, self.end, self.over = begin, end, over

    async def load(self) -> Loaded:
        await asyncio.sleep(LENGTH)
        if self.next >= self.end and not self.over:
            raise Refused("HTTP 403", 403)
        self.next += 1
        listed = tuple(Segment(number, f"{number}.ts", LENGTH) for number in range(max(0, self.next - 5), self.next))
        return Loaded(
            MediaPlaylist(listed, LENGTH, ended=self.over and self.next >= self.end), "http://stream.example/"
        )


@pytest.fixture
def opening(monkeypatch: pytest.MonkeyPatch, media: bytes) -> Callable[..., None]:
    """What each try to open the source gives."""

    def give(*tries: Live | Refused) -> None:
        left = list(tries)

        class Scripted:
            def __init__(self, *given: Any, **options: Any) -> None: ...

            async def open(self, source: Source) -> Renditions:
                found = left.pop(0)
                if isinstance(found, Refused):
                    raise found
                return Renditions(Memory(media), (found,))

        monkeypatch.setattr(watching, "Opener", Scripted)

    return give


async def told() -> list[str]:
    """What a watch tells that begins anew whenever its source is gone."""
    facts, loop = Told(), asyncio.get_running_loop()
    watch = Watch(cast("aiohttp.ClientSession", None), spec({}), facts, clock=lambda: 1e9 + loop.time())
    while await watch.run(SOURCE) is not Outcome.ENDED:
        await asyncio.sleep(2.0)
    return facts.words


async def test_a_url_that_expired_is_no_fault_of_the_stream(opening: Callable[..., None]) -> None:
    opening(Live(3, 12), Live(12, 40, over=True))
    assert await told() == ["stream.started", "stream.ended"]


async def test_a_url_that_is_refused_after_it_was_resolved_again_is(opening: Callable[..., None]) -> None:
    refused = Refused("HTTP 403", 403)
    opening(Live(3, 12), refused, refused, Live(12, 60, over=True))
    assert await told() == ["stream.started", "playlist_errors raised", "playlist_errors cleared", "stream.ended"]


async def test_a_source_that_never_was_a_stream_raises_nothing(opening: Callable[..., None]) -> None:
    refused = Refused("HTTP 403", 403)
    opening(*[refused] * 12, Live(3, 12, over=True))
    assert await told() == ["stream.started", "stream.ended"]
