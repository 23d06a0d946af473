# SPDX-License-Identifier: Apache-2.0
"""What following an HLS playlist costs, and when its segments are known, in virtual time on made-up servers."""

import asyncio
from urllib.parse import parse_qs, urlsplit

import pytest
from castwarden_worker.monitor.errors import FetchError, PlaylistError, Refused
from castwarden_worker.monitor.follow.fetch import Fetcher, Page
from castwarden_worker.monitor.follow.tracker import Tracker
from castwarden_worker.monitor.hls.loader import HlsLoader

pytestmark = [pytest.mark.asyncio, pytest.mark.looptime]

URL = "https://o.example/live/index.m3u8?token=abc"
SEGMENT, PART = 4.0, 0.5
BYTES_PER_SECOND = 37_500  # of a small rendition with its sound


def now() -> float:
    return asyncio.get_running_loop().time()


class Origin(Fetcher):
    """Segments of 4 s in a window of `window`. From `stopped` on, nothing new comes until `goes_on`."""

    def __init__(self, *, low_latency: bool = True, window: int = 15, lag: float = 0.0) -> None:
        self.low_latency, self.window, self.lag = low_latency, window, lag
        self.stopped = self.goes_on = float("inf")
        self.bytes = 0
        self.asked: list[dict[str, str]] = []

    def media_time(self) -> float:
        at = now() + 100 * SEGMENT
        stopped, goes_on = self.stopped + 100 * SEGMENT, self.goes_on + 100 * SEGMENT
        return at if at < stopped else stopped if at < goes_on else at - (goes_on - stopped)

    async def playlist(self, url: str, timeout: float) -> Page:
        query = {name: value[0] for name, value in parse_qs(urlsplit(url).query).items()}
        assert query.pop("token") == "abc"
        self.asked.append(query)
        try:
            async with asyncio.timeout(timeout):
                await self.block(query)
        except TimeoutError:
            raise FetchError(f"no answer within {timeout:.0f} s") from None
        await asyncio.sleep(self.lag)
        body = self.body(delta="_HLS_skip" in query)
        self.bytes += len(body)
        return Page(body, url)

    async def block(self, query: dict[str, str]) -> None:
        if "_HLS_msn" not in query:
            return
        part = query.get("_HLS_part")
        due = int(query["_HLS_msn"]) * SEGMENT + (SEGMENT if part is None else min((int(part) + 1) * PART, SEGMENT))
        while self.media_time() < due - 1e-6:
            await asyncio.sleep(0.1)

    def body(self, *, delta: bool) -> bytes:
        media = self.media_time() + 1e-6
        complete = int(media // SEGMENT)
        first = complete - self.window
        lines = ["#EXTM3U", "#EXT-X-VERSION:9", "#EXT-X-TARGETDURATION:4"]
        if self.low_latency:
            control = f"CAN-BLOCK-RELOAD=YES,PART-HOLD-BACK={3 * PART},CAN-SKIP-UNTIL={6 * SEGMENT}"
            lines += [f"#EXT-X-SERVER-CONTROL:{control}", f"#EXT-X-PART-INF:PART-TARGET={PART}"]
        lines.append(f"#EXT-X-MEDIA-SEQUENCE:{first}")
        skip = max(0, self.window - 6) if delta else 0
        lines += [f"#EXT-X-SKIP:SKIPPED-SEGMENTS={skip}"] if skip else []
        for number in range(first + skip, complete + 1):
            if self.low_latency and number > complete - 3:
                there = int(SEGMENT / PART) if number < complete else int((media - complete * SEGMENT) // PART)
                lines += [f'#EXT-X-PART:DURATION={PART},URI="part-{number}.{part}.mp4"' for part in range(there)]
            if number < complete:
                lines += ["#EXT-X-PROGRAM-DATE-TIME:2026-11-20T10:00:00.000Z", f"#EXTINF:{SEGMENT},", f"{number}.mp4"]
        return "\n".join([*lines, ""]).encode()


class Plain(Origin):
    """Says that it can block, and does what its kind does."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind = kind

    async def block(self, query: dict[str, str]) -> None:
        if not any(name.startswith("_HLS_") for name in query):
            return
        if self.kind == "hangs":
            await asyncio.sleep(1e6)
        if self.kind != "ignores":
            raise FetchError(f"HTTP {self.kind}")


async def follow(origin: Origin, seconds: float) -> tuple[Tracker, list[float]]:
    """The tracker after that time, and how long after its completion each segment was known."""
    loader, tracker = HlsLoader(origin, URL), Tracker(0.0)
    delays: list[float] = []
    try:
        async with asyncio.timeout(seconds):
            while True:
                loaded = await loader.load()
                update = tracker.update(loaded.playlist, now())
                assert update.epoch_changed is None
                assert sum(arrival.missed for arrival in update.new) == 0
                for arrival in update.new:
                    delays.append(origin.media_time() - (arrival.segment.sequence + 1) * SEGMENT)
    except TimeoutError:
        return tracker, delays[1:]


async def test_low_latency_costs_one_request_for_a_segment_and_it_is_known_at_once() -> None:
    origin = Origin(lag=0.05)
    _, delays = await follow(origin, 600)
    assert len(delays) >= 148
    assert max(delays) < 0.5
    assert len(origin.asked) <= 600 / SEGMENT + 3
    assert all("_HLS_part" not in query for query in origin.asked)
    assert origin.asked[-1]["_HLS_skip"] == "YES"


@pytest.mark.parametrize("low_latency", [True, False])
async def test_playlists_are_at_most_a_twentieth_of_the_smallest_rendition(low_latency: bool) -> None:
    origin = Origin(low_latency=low_latency)
    await follow(origin, 600)
    assert origin.bytes <= 0.05 * 600 * BYTES_PER_SECOND


async def test_without_low_latency_reloads_keep_the_pace_of_the_target_duration() -> None:
    origin = Origin(low_latency=False)
    _, delays = await follow(origin, 600)
    assert max(delays) <= SEGMENT
    assert len(origin.asked) <= 600 / SEGMENT + 3
    assert all(query == {} for query in origin.asked)


@pytest.mark.parametrize("kind", ["hangs", "400", "503", "ignores"])
async def test_a_server_that_cannot_what_it_says_is_reloaded_plainly_after_two_tries(kind: str) -> None:
    origin = Plain(kind)
    _, delays = await follow(origin, 600)
    assert len(delays) >= 147
    assert max(delays) < 2.5 * SEGMENT
    assert max(delays[10:]) <= SEGMENT
    assert sum("_HLS_msn" in query for query in origin.asked) <= 4


async def test_parts_of_a_late_segment_are_news_and_nothing_else_is_waited_for() -> None:
    """An encoder that makes one segment of 20 s while its parts go on."""

    class Slow(Origin):
        def media_time(self) -> float:
            at = now()
            return 100 * SEGMENT + (at if at < 8 else 8 + (at - 8) / 5 if at < 28 else at - 16)

    origin, idle = Slow(), []
    loader, tracker = HlsLoader(origin, URL), Tracker(0.0)

    async def watch() -> None:
        while True:
            await asyncio.sleep(0.5)
            idle.append(now() - (tracker.last_new or 0.0))

    watching = asyncio.create_task(watch())
    while now() < 40:
        tracker.update((await loader.load()).playlist, now())
    watching.cancel()
    await asyncio.gather(watching, return_exceptions=True)
    assert max(idle) <= SEGMENT + 2.6
    assert any("_HLS_part" in query for query in origin.asked)
    assert "_HLS_part" not in origin.asked[-1]


async def test_while_a_stream_stalls_it_is_looked_at_now_and_then_and_known_again_at_once() -> None:
    origin = Origin()
    origin.stopped, origin.goes_on = 40.0, 160.0
    tracker, delays = await follow(origin, 300)
    assert tracker.last_new is not None
    assert tracker.last_new > 295
    assert len(delays) == pytest.approx(180 / SEGMENT, abs=2)
    assert len(origin.asked) <= 180 / SEGMENT + 120 / (SEGMENT / 2) + 6


async def test_a_delta_update_that_makes_no_sense_costs_no_segment() -> None:
    class Forgetful(Origin):
        def body(self, *, delta: bool) -> bytes:
            body = super().body(delta=delta)
            return body.replace(b"SKIPPED-SEGMENTS=9", b"SKIPPED-SEGMENTS=99") if delta else body

    origin = Forgetful()
    _, delays = await follow(origin, 120)
    assert len(delays) >= 28
    assert max(delays) < 0.5
    assert sum("_HLS_skip" in query for query in origin.asked) == 2


async def test_failures_are_told_and_tried_again_patiently() -> None:
    class Broken(Origin):
        async def playlist(self, url: str, timeout: float) -> Page:
            self.asked.append({})
            raise Refused("HTTP 404", 404)

    origin = Broken()
    loader = HlsLoader(origin, URL)
    for _ in range(4):
        with pytest.raises(Refused):
            await loader.load()
    assert now() == pytest.approx(3 + 5 + 5)
    assert len(origin.asked) == 4


async def test_a_page_that_was_just_loaded_is_not_loaded_again() -> None:
    origin = Origin()
    loaded = await HlsLoader(origin, URL, Page(origin.body(delta=False), URL)).load()
    assert origin.asked == []
    assert loaded.base == URL
    with pytest.raises(PlaylistError, match="a web page"):
        await HlsLoader(origin, URL, Page(b"<html>", URL)).load()


async def test_a_large_playlist_is_read_beside_the_event_loop_as_any_other() -> None:
    origin = Origin(low_latency=False, window=99)
    text = origin.body(delta=False) + b"#" * 300_000
    loaded = await HlsLoader(origin, URL, Page(text, URL)).load()
    assert len(loaded.playlist.segments) == 99
