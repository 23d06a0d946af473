# SPDX-License-Identifier: Apache-2.0
"""`castwarden probe` on every kind of source, each in a process of its own."""

import asyncio
import json
import sys
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest
from castwarden_local.origin.dash import DashOrigin
from castwarden_local.origin.encode import Recipe, Stretch
from castwarden_local.origin.icecast import IcecastOrigin
from castwarden_local.origin.pushed import PushedOrigin
from castwarden_local.origin.rtsp import RtspOrigin

from .test_probe import CODE, probe

SMALL = Recipe(width=160, height=90)
QUIET = [Stretch(2), Stretch(60, heard="none")]
SOURCES: dict[str, Callable[[], AbstractAsyncContextManager[Any]]] = {
    "dash": lambda: DashOrigin([(2, "motion"), (60, "silent")], recipe=SMALL),
    "icecast": lambda: IcecastOrigin(QUIET, "mp3"),
    "rtmp": lambda: PushedOrigin(QUIET, "rtmp", times=3),
    "rtsp": lambda: RtspOrigin(QUIET),
    "srt": lambda: PushedOrigin(QUIET, "srt", times=3),
}


async def first_alert(origin: AbstractAsyncContextManager[Any]) -> Any:
    """The condition of the first alert that a probe of it prints; the probe is stopped then."""
    async with origin as running:
        given = json.dumps({"url": running.url, "sets": ["silence.raiseAfter=2s"], "json": True})
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", CODE, given, stdout=asyncio.subprocess.PIPE
        )
        assert process.stdout
        try:
            async for line in process.stdout:
                if (condition := json.loads(line)["condition"]) is not None:  # the start of the stream has none
                    return condition
        finally:
            process.kill()
            await process.wait()
    return None


async def test_every_kind_of_source_is_probed() -> None:
    async with asyncio.timeout(110):
        alerts = await asyncio.gather(*(first_alert(make()) for make in SOURCES.values()))
    assert dict(zip(SOURCES, alerts, strict=True)) == dict.fromkeys(SOURCES, "silence")


@pytest.mark.parametrize("scheme", ["rtmp", "rtsp"])
async def test_a_stream_that_cannot_be_reached_ends_with_one_clear_line(scheme: str) -> None:
    status, out, err = await probe(f"{scheme}://127.0.0.1:1/live/x", json=True)
    assert (status, out) == (1, "")
    assert len(err.splitlines()) == 1
    assert f"{scheme}://127.0.0.1:1/live/x: cannot reach 127.0.0.1:1: connection refused; check the address" in err
