# SPDX-License-Identifier: Apache-2.0
"""A feed that cannot keep up looks less deeply, says so, and keeps to its schedule. In virtual time."""

import asyncio
from collections.abc import Callable

import pytest
from castwarden_model.resources.checks import Checks
from castwarden_worker.monitor.checks import CheckSet
from castwarden_worker.monitor.follow.feed import Feed
from castwarden_worker.monitor.follow.fetch import Fetcher, Payload
from castwarden_worker.monitor.follow.loader import Loaded
from castwarden_worker.monitor.follow.tracker import Tracker, Update
from castwarden_worker.monitor.playlist import MediaPlaylist, Segment
from castwarden_worker.monitor.seen import PlaylistSeen, SegmentSeen
from castwarden_worker.monitor.sight.analyzer import Analysis, Analyzer

pytestmark = [pytest.mark.asyncio, pytest.mark.looptime]
LENGTH = 2.0


class Shelf(Fetcher):
    """Segments that take so many seconds each."""

    def __init__(self, takes: Callable[[int], float]) -> None:
        self.takes = takes

    async def segment(self, segment: Segment, base: str, timeout: float) -> Payload:
        await asyncio.sleep(self.takes(segment.sequence))
        return Payload(b"<html>", None, 6, self.takes(segment.sequence))


class Clockwork:
    """A playlist that has `backlog` segments at first, and one more every two seconds; `last` ends it."""

    def __init__(self, backlog: int, last: int) -> None:
        self.newest, self.last = backlog, last

    async def load(self) -> Loaded:
        segments = tuple(Segment(number, f"{number}.ts", LENGTH) for number in range(self.newest))
        if self.newest < self.last:
            await asyncio.sleep(LENGTH)
        self.newest += 1
        return Loaded(MediaPlaylist(segments, LENGTH, ended=self.newest > self.last), "http://origin.example/")


async def followed(takes: Callable[[int], float], *, backlog: int = 2, last: int = 60) -> list[SegmentSeen]:
    seen: list[SegmentSeen] = []

    async def loaded(_: PlaylistSeen, __: Update | None) -> None: ...

    async def analysed(analysis: Analysis) -> None:
        seen.append(analysis.seen)

    analyzer = Analyzer(CheckSet(Checks()))
    feed = Feed(analyzer, Tracker(60.0), rendition="main", on_playlist=loaded, on_segment=analysed)
    await feed.run(Shelf(takes), Clockwork(backlog, last))
    return seen


async def test_a_segment_that_waited_long_is_only_accounted_for() -> None:
    seen = await followed(lambda number: 20.0 if number == 10 else 0.1)
    assert [one.sequence for one in seen] == list(range(60))
    shallow = [one.sequence for one in seen if one.shallow]
    assert shallow == [10, 11, 12]
    assert all(one.waited > 15 for one in seen if one.shallow)


async def test_the_backlog_of_the_first_load_may_take_its_time() -> None:
    seen = await followed(lambda number: 2.0 if number < 20 else 0.1, backlog=20, last=24)
    assert max(one.waited for one in seen if one.sequence < 20) > 15
    assert not any(one.shallow for one in seen if one.sequence < 20)


async def test_what_never_catches_up_is_told_as_degraded_analysis() -> None:
    checks = CheckSet(Checks())
    changes = [change for one in await followed(lambda _: 1.99 * LENGTH, last=120) for change in checks.segment(one)]
    assert [change.raised for change in changes if change.condition == "analysis_degraded"] == [True]
    check = checks.named("analysis_degraded")
    assert check is not None
    assert float(check.measured()["waited_sec"]) > 15
