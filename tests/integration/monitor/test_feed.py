# SPDX-License-Identifier: Apache-2.0
"""Following one playlist, on made-up servers."""

import asyncio
import threading
from collections.abc import Callable, Coroutine
from typing import Any

from castwarden_base.waiting import wait_until
from castwarden_model.resources.checks import Checks
from castwarden_worker.monitor.checks import CheckSet
from castwarden_worker.monitor.errors import Refused
from castwarden_worker.monitor.follow.feed import Feed, Outcome
from castwarden_worker.monitor.follow.fetch import Fetcher, Page, Payload
from castwarden_worker.monitor.follow.tracker import Tracker, Update
from castwarden_worker.monitor.hls.loader import HlsLoader
from castwarden_worker.monitor.playlist import Segment
from castwarden_worker.monitor.seen import PlaylistSeen
from castwarden_worker.monitor.sight.analyzer import Analysis, Analyzer


class Server(Fetcher):
    """Answers from memory: `segments` names, each fetched by `answer`."""

    def __init__(self, segments: int, answer: Callable[[Segment], bytes], *, ended: bool = False) -> None:
        self.segments, self.answer, self.ended = segments, answer, ended
        self.loads = 0

    async def playlist(self, url: str, timeout: float) -> Page:
        self.loads += 1
        lines = ["#EXTM3U", "#EXT-X-TARGETDURATION:1"]
        lines += [f"#EXTINF:1,\n{number}.ts" for number in range(self.segments)]
        return Page("\n".join([*lines, "#EXT-X-ENDLIST" * self.ended]).encode(), url)

    async def segment(self, segment: Segment, base: str, timeout: float) -> Payload:
        data = self.answer(segment)
        return Payload(data, None, len(data))


class Notes:
    def __init__(self) -> None:
        self.analyses: list[Analysis] = []

    async def playlist(self, _: PlaylistSeen, __: Update | None) -> None: ...

    async def segment(self, analysis: Analysis) -> None:
        self.analyses.append(analysis)


def feed(notes: Notes, analyzer: Any = None, *, whole: bool = False) -> Feed:
    analyzer = analyzer or Analyzer(CheckSet(Checks()))
    return Feed(analyzer, Tracker(whole=whole), rendition="main", on_playlist=notes.playlist, on_segment=notes.segment)


def follow(one: Feed, server: Server) -> Coroutine[Any, Any, Outcome]:
    return one.run(server, HlsLoader(server, "http://origin.example/live.m3u8"))


async def test_segments_that_are_forbidden_ask_for_a_new_url() -> None:
    def forbid(_: Segment) -> bytes:
        raise Refused("HTTP 403", 403)

    notes = Notes()
    async with asyncio.timeout(60):
        assert await follow(feed(notes), Server(4, forbid)) is Outcome.UNAVAILABLE
    assert [analysis.seen.error for analysis in notes.analyses] == ["HTTP 403"] * 4


async def test_a_finished_playlist_is_analysed_to_its_last_segment_however_long() -> None:
    notes = Notes()
    server = Server(100, lambda segment: b"<html>", ended=True)
    assert await follow(feed(notes, whole=True), server) is Outcome.ENDED
    assert len(notes.analyses) == 100
    assert notes.analyses[-1].seen.at.media == 99


async def test_what_an_analysis_has_found_is_told_although_watching_was_stopped() -> None:
    class Slow(Analyzer):
        began, go_on = threading.Event(), threading.Event()

        def analyze(self, *given: Any, **options: Any) -> Analysis:
            self.began.set()
            self.go_on.wait(60)
            return super().analyze(*given, **options)

    notes, slow = Notes(), Slow(CheckSet(Checks()))
    running = asyncio.create_task(follow(feed(notes, slow), Server(1, lambda _: b"<html>")))
    await wait_until(slow.began.is_set, 60)
    running.cancel()
    slow.go_on.set()
    await asyncio.gather(running, return_exceptions=True)
    assert running.cancelled()
    assert len(notes.analyses) == 1


async def test_live_media_that_we_cannot_keep_up_with_is_skipped_and_takes_its_time() -> None:
    notes, gate = Notes(), asyncio.Event()

    class Behind(Server):
        async def segment(self, segment: Segment, base: str, timeout: float) -> Payload:
            await gate.wait()
            return await super().segment(segment, base, timeout)

    server = Behind(1, lambda _: b"<html>")
    running = asyncio.create_task(follow(feed(notes), server))
    await wait_until(lambda: server.loads == 1, 60)
    server.segments = 101
    await wait_until(lambda: server.loads >= 2, 60)
    server.ended = True
    gate.set()
    async with asyncio.timeout(60):
        assert await running is Outcome.ENDED
    assert len(notes.analyses) < 40
    assert notes.analyses[-1].seen.at.media == 100
