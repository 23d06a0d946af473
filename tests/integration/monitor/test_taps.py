# SPDX-License-Identifier: Apache-2.0
"""Taps on real servers: what they give, what they say when there is nothing, and where they never connect."""

import asyncio
import os
import threading
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from castwarden_base.waiting import wait_until
from castwarden_local.origin.encode import Stretch
from castwarden_local.origin.icecast import IcecastOrigin
from castwarden_local.origin.pushed import PushedOrigin
from castwarden_local.origin.rtsp import RtspOrigin
from castwarden_worker.monitor.endless import child_tap
from castwarden_worker.monitor.endless.child_tap import ChildTap
from castwarden_worker.monitor.endless.stretches import Stretch as Cut
from castwarden_worker.monitor.endless.stretches.frames import FrameCutter
from castwarden_worker.monitor.endless.stretches.units import UnitCutter
from castwarden_worker.monitor.endless.taps import HttpTap, Tap
from castwarden_worker.monitor.errors import Absent, FetchError, Refused, StreamError, Unreadable

from .conftest import LOOPBACK

SCRIPT = [Stretch(5)]


async def all_of(tap: Tap) -> list[Cut]:
    async with asyncio.timeout(60), aclosing(tap.stretches()) as flow:
        return [stretch async for stretch in flow]


async def first_of(tap: Tap) -> Cut | None:
    async with asyncio.timeout(60), aclosing(tap.stretches()) as flow:
        return await anext(flow, None)


async def why_not(tap: Tap) -> StreamError:
    with pytest.raises(StreamError) as caught:
        await all_of(tap)
    return caught.value


@asynccontextmanager
async def server(answer: bytes) -> AsyncIterator[int]:
    """Says `answer` to whoever connects, and hangs up."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(100)
        writer.write(answer)
        await writer.drain()
        writer.close()

    listening = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with listening:
        yield listening.sockets[0].getsockname()[1]


async def test_a_station_is_heard_to_its_end_and_says_what_it_plays(session: aiohttp.ClientSession) -> None:
    async with IcecastOrigin(SCRIPT, "mp3", title="A song") as origin:
        tap = HttpTap(session, origin.url)
        stretches = await all_of(tap)
    assert [round(stretch.seconds) for stretch in stretches] == [2, 2, 1]
    assert not any(stretch.media.damage for stretch in stretches)
    assert tap.title == "A song"


async def test_a_station_that_says_no_titles_has_its_own_name(session: aiohttp.ClientSession) -> None:
    async with IcecastOrigin(SCRIPT, "aac") as origin:
        tap = HttpTap(session, origin.url)
        assert await first_of(tap)
    assert tap.title == "A station"


async def test_a_connection_that_breaks_is_an_error_and_the_next_says_why_there_is_none(
    session: aiohttp.ClientSession,
) -> None:
    async with IcecastOrigin(SCRIPT, "mp3") as origin:
        tap = HttpTap(session, origin.url)
        async with aclosing(tap.stretches()) as flow:
            assert await anext(flow)
            origin.hang_up()
            with pytest.raises(FetchError):
                async for _ in flow:
                    pass
        assert str(await why_not(tap)) == "HTTP 503"


async def test_a_station_inside_is_refused(session: aiohttp.ClientSession) -> None:
    assert isinstance(await why_not(HttpTap(session, "http://10.0.0.1/stream")), Refused)


@pytest.mark.parametrize("protocol", ["rtmp", "srt"])
async def test_a_pushed_stream_is_read_whole_and_closed_in_order(protocol: str) -> None:
    async with PushedOrigin(SCRIPT, "rtmp" if protocol == "rtmp" else "srt") as origin:
        tap = ChildTap(origin.url, LOOPBACK)
        stretches = await until_there(tap)
    assert sum(stretch.seconds for stretch in stretches) == pytest.approx(5, abs=0.4)
    assert all(stretch.media.video and stretch.media.audio for stretch in stretches)
    assert {stretch.media.video.codec for stretch in stretches if stretch.media.video} == {"h264"}


async def until_there(tap: ChildTap) -> list[Cut]:
    """The whole stream, as soon as its server listens."""
    while True:
        try:
            return await all_of(tap)
        except StreamError:
            await asyncio.sleep(0.2)


async def test_a_camera_is_read_over_rtsp() -> None:
    async with RtspOrigin(SCRIPT) as origin:
        tap = ChildTap(origin.url, LOOPBACK)
        stretches = await all_of(tap)
        assert isinstance(await why_not(tap), Absent)
    assert sum(stretch.seconds for stretch in stretches) == pytest.approx(5, abs=0.5)
    assert all(stretch.media.video and stretch.media.audio for stretch in stretches)


@pytest.mark.parametrize(("status", "kind"), [(404, Absent), (401, Refused), (403, Refused)])
async def test_a_camera_that_refuses_says_so(status: int, kind: type[StreamError]) -> None:
    async with RtspOrigin(SCRIPT, status=status) as origin:
        error = await why_not(ChildTap(origin.url, LOOPBACK))
    assert isinstance(error, kind)
    assert str(error) == f"RTSP {status}"


async def test_a_camera_cannot_send_ffmpeg_elsewhere() -> None:
    asked = asyncio.Event()

    async def trap(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.set()
        writer.close()

    listening = await asyncio.start_server(trap, "127.0.0.1", 0)
    inside = f"rtsp://127.0.0.1:{listening.sockets[0].getsockname()[1]}/inside"
    async with listening, RtspOrigin(SCRIPT, status=302, location=inside) as origin:
        error = await why_not(ChildTap(origin.url, LOOPBACK))
    assert isinstance(error, Refused)
    assert "redirects" in str(error)
    assert not asked.is_set()


@pytest.mark.parametrize("scheme", ["rtmp", "rtsp", "srt"])
async def test_an_inside_address_is_never_dialled(scheme: str) -> None:
    error = await why_not(ChildTap(f"{scheme}://127.0.0.1:1935/live/x"))
    assert isinstance(error, Refused)
    assert "loopback" in str(error)


@pytest.mark.parametrize("scheme", ["rtmp", "rtsp"])
async def test_a_server_that_is_not_there_and_one_that_talks_nonsense_are_told_apart(scheme: str) -> None:
    nobody = await why_not(ChildTap(f"{scheme}://127.0.0.1:1/live/x", LOOPBACK))
    assert not isinstance(nobody, (Absent, Refused))
    async with server(b"HTTP/1.0 200 OK\r\n\r\n" + b"\0" * 5000) as port:
        nonsense = await why_not(ChildTap(f"{scheme}://127.0.0.1:{port}/live/x", LOOPBACK))
    assert isinstance(nonsense, Absent if scheme == "rtmp" else Refused)


async def test_without_a_program_srt_is_unreadable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(child_tap, "_program", lambda: None)
    assert isinstance(await why_not(ChildTap("srt://127.0.0.1:9", LOOPBACK)), Unreadable)


def children() -> set[int]:
    """Processes that we started and that read streams."""
    return {
        int(entry.name)
        for entry in Path("/proc").iterdir()
        if entry.name.isdigit() and _is_reader(entry) and _parent(entry) == os.getpid()
    }


def _is_reader(entry: Path) -> bool:
    try:
        return b"stream_child" in (entry / "cmdline").read_bytes()
    except OSError:
        return False


def _parent(entry: Path) -> int:
    try:
        return int((entry / "stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return 0


async def test_a_reader_that_hangs_is_killed_with_its_tap() -> None:
    async def hang(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await reader.read(-1)

    listening = await asyncio.start_server(hang, "127.0.0.1", 0)
    async with listening:
        tap = ChildTap(f"rtmp://127.0.0.1:{listening.sockets[0].getsockname()[1]}/live/x", LOOPBACK)
        reading = asyncio.create_task(all_of(tap))
        await wait_until(children, 20)
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)
        await wait_until(lambda: not children(), 20)


async def test_a_look_ends_as_soon_as_there_is_a_stream() -> None:
    async with RtspOrigin([Stretch(60)]) as origin:
        async with asyncio.timeout(30):
            await ChildTap(origin.url, LOOPBACK).look(20)


async def test_streams_are_cut_beside_the_event_loop(
    session: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads: list[int] = []
    for kind in (FrameCutter, UnitCutter):
        inner = kind.feed

        def noted(self: Any, data: bytes, inner: Any = inner) -> list[Cut]:
            threads.append(threading.get_ident())
            found: list[Cut] = inner(self, data)
            return found

        monkeypatch.setattr(kind, "feed", noted)
    async with IcecastOrigin(SCRIPT, "mp3") as station:
        assert await all_of(HttpTap(session, station.url))
    heard = len(threads)
    async with PushedOrigin(SCRIPT, "rtmp") as pushed:
        assert await until_there(ChildTap(pushed.url, LOOPBACK))
    assert 0 < heard < len(threads)
    assert threading.get_ident() not in threads
