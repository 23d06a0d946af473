# SPDX-License-Identifier: Apache-2.0
"""The DASH loader against a live origin: what it asks for and when. All are loaded at once: most of it is waiting."""

import asyncio
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from aiohttp import web
from castwarden_base.http import outbound_session
from castwarden_local.origin.dash import DashOrigin
from castwarden_local.origin.encode import Recipe
from castwarden_worker.monitor.dash.clock import OriginClock
from castwarden_worker.monitor.dash.loader import DashLoader, DashSource
from castwarden_worker.monitor.dash.manifest import Kind, parse
from castwarden_worker.monitor.dash.numbers import Numbering
from castwarden_worker.monitor.errors import Refused, StreamError
from castwarden_worker.monitor.follow.fetch import Fetcher

from .conftest import LOOPBACK

SMALL = Recipe(width=160, height=90)
SCRIPTS: dict[str, tuple[list[Any], dict[str, Any]]] = {
    "timeline": ([(8, "motion")], {}),
    "numbers": ([(8, "motion")], {"addressing": "numbers"}),
    "ahead": ([(8, "motion")], {"addressing": "numbers", "skew": 1000.0}),
    "behind": ([(8, "motion")], {"addressing": "numbers", "skew": -1000.0, "timing": "http-head"}),
    "unsaid": ([(8, "motion")], {"addressing": "numbers", "skew": 1000.0, "timing": ""}),
    "direct": ([(8, "motion")], {"skew": -1000.0, "timing": "direct"}),
    "periods": ([(4, "motion"), (4, "restart")], {}),
    "page": ([(3, "motion"), (2, "html"), (4, "motion")], {}),
}


@dataclass
class Got:
    """What one rendition's loader gave."""

    sequences: list[int] = field(default_factory=list)
    durations: float = 0.0
    discontinuities: int = 0
    errors: list[str] = field(default_factory=list)
    refused: int = 0


@dataclass
class Played:
    """One origin after its end."""

    origin: DashOrigin
    video: Got
    audio: Got


async def follow(loader: DashLoader, fetcher: Fetcher) -> Got:
    """Fetches every segment as soon as it is announced, and never twice."""
    got = Got()
    while True:
        try:
            loaded = await loader.load()
        except StreamError as error:
            got.errors.append(str(error))
            continue
        last = got.sequences[-1] if got.sequences else -1
        for segment in loaded.playlist.segments:
            if segment.sequence > last:
                got.sequences.append(segment.sequence)
                got.durations += segment.duration
                got.discontinuities += segment.discontinuity
                try:
                    assert (await fetcher.segment(segment, loaded.base, 10.0)).data
                except Refused:
                    got.refused += 1
        if loaded.playlist.ended:
            return got


async def play(session: aiohttp.ClientSession, script: list[Any], options: dict[str, Any]) -> Played:
    async with DashOrigin(script, recipe=SMALL, **options) as origin:
        fetcher = Fetcher(session)
        source = DashSource(fetcher, session, origin.url, {})
        kinds: tuple[Kind, ...] = ("video", "audio")
        loaders = [DashLoader(source, kind, Numbering()) for kind in kinds]
        video, audio = await asyncio.gather(*(follow(loader, fetcher) for loader in loaders))
        return Played(origin, video, audio)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def played() -> dict[str, Played]:
    async with outbound_session(LOOPBACK, total=60) as session, asyncio.timeout(110):
        found = await asyncio.gather(*(play(session, *given) for given in SCRIPTS.values()))
    return dict(zip(SCRIPTS, found, strict=True))


@pytest.mark.parametrize("name", [name for name in SCRIPTS if name != "page"])
def test_every_segment_is_fetched_once_and_none_before_it_is_there(played: dict[str, Played], name: str) -> None:
    for got in (played[name].video, played[name].audio):
        assert got.sequences == list(range(got.sequences[0], got.sequences[0] + len(got.sequences)))
        assert got.durations == pytest.approx(8, abs=0.1)
        assert got.refused == 0
        assert got.errors == []
    assert played[name].origin.early == 0


@pytest.mark.parametrize("name", ["timeline", "numbers"])
def test_one_manifest_serves_both_renditions_and_is_loaded_when_it_wants_to_be(
    played: dict[str, Played], name: str
) -> None:
    assert played[name].origin.requests["manifest.mpd"] <= 16


def test_a_new_period_is_one_discontinuity_and_numbers_go_on(played: dict[str, Played]) -> None:
    assert [played["periods"].video.discontinuities, played["periods"].audio.discontinuities] == [1, 1]


def test_a_page_instead_of_the_manifest_is_said_and_survived(played: dict[str, Played]) -> None:
    page = played["page"]
    assert page.video.errors
    assert all("instead of an MPD" in error for error in page.video.errors)
    assert page.video.durations == pytest.approx(9, abs=0.1)


@pytest.mark.parametrize(
    ("headers", "offset"),
    [
        ({"Date": "Fri, 20 Nov 2026 10:00:00 GMT"}, 0.0),
        ({"Date": "Fri, 20 Nov 2026 10:00:30 GMT"}, 30.0),
        ({"Date": "Fri, 20 Nov 2026 09:59:00 GMT", "Age": "50"}, -10.0),
        ({"Date": "yesterday"}, 0.0),
    ],
)
async def test_our_clock_is_believed_as_far_as_answers_do_not_contradict_it(
    session: aiohttp.ClientSession, headers: dict[str, str], offset: float
) -> None:
    async def answer(_: web.BaseRequest) -> web.Response:
        return web.Response(headers=headers)

    runner = web.ServerRunner(web.Server(answer))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    clock = OriginClock(session, {}, lambda: 1795168800.4)
    text = '<MPD type="dynamic" availabilityStartTime="2026-01-01T00:00:00Z"/>'
    await clock.learn(parse(text.encode(), "http://127.0.0.1/"), f"http://127.0.0.1:{runner.addresses[0][1]}/")
    await runner.cleanup()
    assert clock.offset == pytest.approx(offset, abs=0.5)
