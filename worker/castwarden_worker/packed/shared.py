# SPDX-License-Identifier: Apache-2.0
"""What all seats of one process share: connections, a resolver, a pace at which seats begin."""

import asyncio
import random
from dataclasses import dataclass

import aiohttp

from ..decoding import DecodeThreads
from ..resolve import Resolver

_BETWEEN_STARTS = 0.1  # seconds; the same moment for all would be felt by every source, and by the gateway


@dataclass(frozen=True, slots=True)
class Shared:
    """`outbound` goes to sources, through the guard; `inside` to the gateway."""

    outbound: aiohttp.ClientSession
    inside: aiohttp.ClientSession
    resolver: Resolver
    pace: "Pace"
    threads: DecodeThreads


class Pace:
    """`await turn()` lets one seat begin after the other."""

    def __init__(self, seconds: float = _BETWEEN_STARTS) -> None:
        self._seconds = seconds
        self._next = 0.0

    async def turn(self) -> None:
        now = asyncio.get_running_loop().time()
        self._next = max(self._next, now) + self._seconds * random.uniform(0.5, 1.5)  # noqa: S311 - spreads load
        await asyncio.sleep(self._next - now - self._seconds / 2)
