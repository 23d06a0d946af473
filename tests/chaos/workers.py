# SPDX-License-Identifier: Apache-2.0
"""Stands for a worker: makes events at a steady pace and reports them in order, each report again until it is taken."""

import asyncio
import itertools
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import aiohttp
from castwarden_base.ids import uuid7
from castwarden_model.events import CATALOGUE

from tests.chaos.receivers import name_of

TYPES = ("stream.started", "stream.ended", "stream.delayed", "stream.epoch_changed", "monitor.error")
_TIMEOUT = aiohttp.ClientTimeout(total=5)


@dataclass(slots=True)
class Worker:
    """One Monitor's. `made` are its events by type, in order: their names and when they were made (seconds)."""

    resource: dict[str, str]
    urls: list[str]
    headers: dict[str, str]
    made: dict[str, dict[str, float]] = field(default_factory=lambda: {type_: {} for type_ in TYPES})
    repeats: int = 0
    refused: list[str] = field(default_factory=list)
    _waiting: "asyncio.Queue[dict[str, Any] | None]" = field(default_factory=asyncio.Queue)

    async def run(self, reports_per_second: float, stop: asyncio.Event) -> None:
        """Returns once `stop` is set and everything made by then has been taken."""
        await asyncio.gather(self._make(reports_per_second, stop), self._send_all())

    async def _make(self, reports_per_second: float, stop: asyncio.Event) -> None:
        began = time.monotonic()
        for number in itertools.count(1):
            await asyncio.sleep(max(0.0, began + number / reports_per_second - time.monotonic()))
            if stop.is_set():
                break
            self._waiting.put_nowait(self._report(number))
        self._waiting.put_nowait(None)

    async def _send_all(self) -> None:
        async with aiohttp.ClientSession(timeout=_TIMEOUT) as session:
            while (report := await self._waiting.get()) is not None:
                await self._send(session, report)

    def _report(self, number: int) -> dict[str, Any]:
        occurrences = [self._occurrence(type_) for type_ in TYPES]
        return {
            "id": str(uuid7()),
            "resource": self.resource,
            "pod": "chaos",
            "epoch": 1,
            "seq": number,
            "occurrences": occurrences,
        }

    def _occurrence(self, type_: str) -> dict[str, Any]:
        at = datetime.now(UTC)
        self.made[type_][name_of(at.isoformat())] = at.timestamp()
        return {"id": str(uuid7()), "type": type_, "at": at.isoformat(), "data": CATALOGUE[type_].example}

    async def _send(self, session: aiohttp.ClientSession, report: dict[str, Any]) -> None:
        """To one gateway after the other until one has taken it."""
        for attempt in itertools.count():
            url = self.urls[(attempt + report["seq"]) % len(self.urls)] + "/internal/v1/reports"
            try:
                async with session.post(url, json=report, headers=self.headers) as response:
                    if response.status == 200:
                        return
                    if response.status < 500:
                        self.refused.append(f"{response.status} {await response.text()}")
                        return
            except (aiohttp.ClientError, TimeoutError):
                pass
            self.repeats += 1
            await asyncio.sleep(0.1)
