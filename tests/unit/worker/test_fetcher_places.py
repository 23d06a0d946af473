# SPDX-License-Identifier: Apache-2.0
"""How many requests one source gets at once, in virtual time."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any, cast

import pytest
from castwarden_worker.monitor.follow import fetch
from castwarden_worker.monitor.follow.fetch import Fetcher


class SlowOrigin:
    """Answers after eight seconds, and counts how many wait for it."""

    def __init__(self) -> None:
        self.open = self.most = 0

    @asynccontextmanager
    async def get_following(self, _: object, url: str, **_options: object) -> AsyncIterator[Any]:
        self.open += 1
        self.most = max(self.most, self.open)
        try:
            await asyncio.sleep(8)
            yield SimpleNamespace(url=url, status=200, content=SimpleNamespace(total_raw_bytes=7))
        finally:
            self.open -= 1


@pytest.mark.looptime
async def test_one_source_has_a_few_connections_and_whoever_waits_for_one_loses_no_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def body(*_: object) -> bytes:
        return b"#EXTM3U"

    origin = SlowOrigin()
    monkeypatch.setattr(fetch, "get_following", origin.get_following)
    monkeypatch.setattr(fetch, "_body", body)
    fetcher = Fetcher(cast("Any", SimpleNamespace()))
    pages = await asyncio.gather(*(fetcher.playlist(f"http://origin.example/{number}", 10) for number in range(20)))
    assert origin.most == 6
    assert [page.data for page in pages] == [b"#EXTM3U"] * 20
