# SPDX-License-Identifier: Apache-2.0
"""Loading HLS from live origins in real time: low latency and its false friends, byte ranges, encryption."""

import asyncio
from dataclasses import dataclass
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from castwarden_base.http import outbound_session
from castwarden_local.origin.encode import Recipe
from castwarden_local.origin.forms import ByteRanges, Encrypted
from castwarden_local.origin.live import Kind, LiveOrigin
from castwarden_local.origin.low_latency import LowLatencyOrigin, Manners
from castwarden_worker.monitor.watch import Outcome, Source, Watch

from .conftest import LOOPBACK, Told, spec

SMALL = Recipe(width=160, height=90)
FRAGMENTS = Recipe(width=160, height=90, container="fmp4")
SCRIPT: list[tuple[float, Kind]] = [(3, "motion"), (5, "black"), (4, "motion")]
PATIENT = {"black": {"raiseAfter": "3s", "clearAfter": "2s"}}
BLACK = ["stream.started", "black raised", "black cleared", "stream.ended"]


@dataclass
class Seen:
    """An origin that was watched to its end."""

    origin: LiveOrigin
    watch: Watch
    told: Told

    @property
    def queries(self) -> dict[tuple[str, ...], int]:
        assert isinstance(self.origin, LowLatencyOrigin)
        return self.origin.queries

    @property
    def blocked(self) -> int:
        return sum(count for asked, count in self.queries.items() if "_HLS_msn" in asked)


async def watched(session: aiohttp.ClientSession, origin: LiveOrigin, checks: dict[str, Any] | None) -> Seen:
    told = Told()
    watch = Watch(session, spec(checks), told)
    async with origin:
        while await watch.run(Source(origin.url)) is not Outcome.ENDED:
            await asyncio.sleep(0.5)
    return Seen(origin, watch, told)


def low_latency(manners: Manners = "good", recipe: Recipe = SMALL, **more: Any) -> LiveOrigin:
    return LowLatencyOrigin(more.pop("script", SCRIPT), recipe=recipe, manners=manners, **more)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def seen() -> dict[str, Seen]:
    """All at once: most of the time is waiting."""
    stall: list[tuple[float, Kind]] = [(4, "motion"), (7, "stall"), (4, "motion")]
    origins: dict[str, tuple[LiveOrigin, dict[str, Any] | None]] = {
        "good": (low_latency(), PATIENT),
        "whole": (low_latency(skips=False, recipe=FRAGMENTS), PATIENT),
        "hangs": (low_latency("hangs"), PATIENT),
        "busy": (low_latency("busy"), PATIENT),
        "ignores": (low_latency("ignores"), PATIENT),
        "stalls": (low_latency(script=stall), None),
        "ranges": (LiveOrigin(SCRIPT, recipe=SMALL, form=ByteRanges()), PATIENT),
        "encrypted": (LiveOrigin(SCRIPT, recipe=SMALL, form=Encrypted(), first_sequence=100), PATIENT),
    }
    async with outbound_session(LOOPBACK, total=60) as session, asyncio.timeout(100):
        played = await asyncio.gather(*(watched(session, origin, checks) for origin, checks in origins.values()))
    return dict(zip(origins, played, strict=True))


@pytest.mark.parametrize(
    "name", ["good", "whole", "hangs", "busy", "ignores", "ranges", "encrypted"], ids=lambda name: name
)
def test_whatever_the_server_makes_of_it_all_of_the_stream_is_seen(seen: dict[str, Seen], name: str) -> None:
    it = seen[name]
    assert it.told.words == BLACK
    raised, on_air = it.told.transition("black raised"), dict(it.origin.timeline)["black"]
    assert raised.started_at.timestamp() == pytest.approx(on_air, abs=0.1)
    assert raised.media_time == pytest.approx(6, abs=0.05)
    assert it.watch.statistics.total_segments_analyzed == 12
    assert it.watch.statistics.segment_errors == 0


@pytest.mark.parametrize("name", ["good", "whole"])
def test_of_low_latency_each_segment_is_fetched_once_and_no_part_beside_it(seen: dict[str, Seen], name: str) -> None:
    requests = {path: count for path, count in seen[name].origin.requests.items() if path.startswith("main/")}
    requests.pop("main/init.mp4", None)
    assert sorted(requests.values()) == [1] * 12


def test_blocking_reloads_are_one_for_each_segment_and_not_for_each_part(seen: dict[str, Seen]) -> None:
    good = seen["good"]
    assert good.queries[("_HLS_msn", "_HLS_skip")] == good.blocked
    assert 10 <= good.blocked <= 20
    assert seen["whole"].queries[("_HLS_msn",)] == seen["whole"].blocked


@pytest.mark.parametrize("name", ["hangs", "busy", "ignores"])
def test_a_server_that_does_not_do_as_it_says_is_reloaded_plainly(seen: dict[str, Seen], name: str) -> None:
    assert seen[name].blocked <= 4
    assert seen[name].blocked < sum(seen[name].queries.values()) <= 50


def test_a_stall_of_a_low_latency_stream_is_seen_and_what_follows_too(seen: dict[str, Seen]) -> None:
    stalls = seen["stalls"]
    assert stalls.told.words == ["stream.started", "stall raised", "stall cleared", "stream.ended"]
    assert stalls.watch.statistics.total_segments_analyzed == 8
    assert sum(stalls.queries.values()) <= 50
