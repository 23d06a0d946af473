# SPDX-License-Identifier: Apache-2.0
"""A feed that cannot keep up looks less deeply, says so, and keeps to its schedule. In virtual time."""

import asyncio
from collections.abc import Callable

import pytest
from castwarden_model.resources.checks import Checks
from castwarden_worker.monitor.checks import CheckSet
from castwarden_worker.monitor.follow.decoding import Decoding
from castwarden_worker.monitor.follow.feed import Feed
from castwarden_worker.monitor.follow.fetch import Fetcher, Payload
from castwarden_worker.monitor.follow.loader import Loaded
from castwarden_worker.monitor.follow.tracker import Tracker, Update
from castwarden_worker.monitor.playlist import MediaPlaylist, Segment
from castwarden_worker.monitor.seen import PlaylistSeen, SegmentSeen
from castwarden_worker.monitor.sight.analyzer import Analysis, Analyzer

from tests.unit.monitor.made import at

pytestmark = pytest.mark.looptime
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


async def followed(
    takes: Callable[[int], float], *, backlog: int = 2, last: int = 60, allowed: Callable[[], bool] = lambda: True
) -> list[SegmentSeen]:
    seen: list[SegmentSeen] = []

    async def loaded(_: PlaylistSeen, __: Update | None) -> None: ...

    async def analysed(analysis: Analysis) -> None:
        seen.append(analysis.seen)

    analyzer = Analyzer(CheckSet(Checks()))
    decoding = Decoding(allowed=allowed)
    feed = Feed(analyzer, Tracker(60.0), rendition="main", on_playlist=loaded, on_segment=analysed, decoding=decoding)
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


async def test_a_stream_that_rests_is_only_accounted_for_until_the_rest_is_over() -> None:
    begun = asyncio.get_running_loop().time()
    over = begun + 40
    seen = await followed(lambda _: 0.1, allowed=lambda: asyncio.get_running_loop().time() >= over)
    shallow = [one.sequence for one in seen if one.shallow]
    assert shallow == list(range(len(shallow)))
    assert 15 < len(shallow) < 25


def test_a_call_that_does_not_return_degrades_the_analysis_at_once_and_a_good_stretch_clears_it() -> None:
    checks = CheckSet(Checks())
    raised = checks.analysis_degraded.stuck(at(100), 60.0)
    assert raised is not None
    assert (raised.raised, raised.at, raised.began_wall) == (True, at(100), at(40).wall)
    assert checks.analysis_degraded.measured() == {"reason": "a call that decodes does not return", "waited_sec": 60.0}
    assert checks.analysis_degraded.stuck(at(100), 90.0) is None
    good = [SegmentSeen(at(100 + 4.0 * number), 4.0) for number in range(10)]
    (cleared,) = [change for seen in good for change in checks.segment(seen)]
    assert (cleared.condition, cleared.raised) == ("analysis_degraded", False)
    assert checks.analysis_degraded.measured()["reason"] == "segments wait too long to be looked at"


def test_a_stream_that_rests_says_why() -> None:
    checks = CheckSet(Checks())
    checks.analysis_degraded.rests()
    rows = [SegmentSeen(at(4.0 * number), 4.0, shallow=True) for number in range(10)]
    (raised,) = [change for seen in rows for change in checks.segment(seen)]
    assert raised.at.media == 30
    assert "nothing is decoded for an hour" in str(checks.analysis_degraded.measured()["reason"])
